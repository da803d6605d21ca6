"""What decided: one function for each method, all of them batched, and none changes the model.

Every function takes a `keras.Model` (Sequential, functional, nested or loaded from a file) or what `tap` made of one,
which is then traced only once; images as the model takes them; and explains the logit of a class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from evaluation.explain import class_maps, covering, gradients
from evaluation.explain.errors import ExplainError
from evaluation.explain.explanation import Explanation
from evaluation.explain.request import make_request
from evaluation.explain.tapped import Tapped, tap

Maps = NDArray[np.float32]
Model: TypeAlias = keras.Model | Tapped
METHODS: dict[str, Callable[..., Explanation]] = {
    "class_activation_map": class_maps.explain_by_weights,
    **dict.fromkeys(class_maps.COMBINATIONS, class_maps.explain_by_gradient),
    "saliency": gradients.explain_by_gradients,
    "gradient_times_input": gradients.explain_by_gradients,
    "guided_backpropagation": gradients.explain_by_gradients,
    "smooth_grad": gradients.explain_by_smoothing,
    "integrated_gradients": gradients.explain_by_integration,
    "occlusion": covering.explain_by_occlusion,
}
_LAYERED = ("class_activation_map", *class_maps.COMBINATIONS)
_FIXED: dict[str, dict[str, Any]] = {
    **{name: {"method": name} for name in (*class_maps.COMBINATIONS, "saliency", "gradient_times_input")},
    "guided_backpropagation": {"method": "guided_backpropagation", "rule": "guided"},
}
_OPTIONS = {
    "smooth_grad": ("samples", "noise", "seed"),
    "integrated_gradients": ("steps", "baseline"),
    "occlusion": ("patch", "stride", "fill"),
}


def explain(
    model: Model,
    images: Any,
    method: str = "grad_cam",
    class_index: Any = None,
    *,
    layer: str | None = None,
    batch_size: int = 32,
    **options: Any,
) -> Explanation:
    """Explains images by a method, and says where a map means nothing.

    Args:
        model: A classifier of images, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them.
        method: A key of `METHODS`.
        class_index: One class for all images, one for each, `(n,)`, or None for the class predicted for each. A model
            with one logit has the classes 0 and 1.
        layer: Name of a layer with a feature map, for the class activation maps; the last one by default.
        batch_size: Images computed at once.
        **options: Of the method, as in its own function.

    Returns:
        The maps at the images' size, a flag for each, the classes explained and the logits.

    Raises:
        ExplainError: If model, method, layer, class or images do not fit one another.
    """
    if method not in METHODS:
        raise ExplainError(f"method must be one of {', '.join(METHODS)}. Received: method={method}.")
    foreign = set(options) - set(_OPTIONS.get(method, ()))
    if foreign:
        raise ExplainError(f"{method} does not take {', '.join(sorted(foreign))}.")
    if layer is not None and method not in _LAYERED:
        raise ExplainError(f"{method} works on pixels and takes no layer. Received: layer={layer!r}.")
    tapped = tap(model)
    request = make_request(images, class_index, tapped.input_shape, tapped.num_logits, batch_size)
    place = {"layer": layer} if method in _LAYERED else {}
    return METHODS[method](tapped, request, **_FIXED.get(method, {}), **place, **options)


def class_activation_map(
    model: Model, images: Any, class_index: Any = None, layer: str | None = None, *, batch_size: int = 32
) -> Maps:
    """CAM: the class's weights on each place of the last feature map; exact, for models with a global average.

    The map is signed, and its mean plus the class's bias is the class's logit (of the map in the layer's own size; and
    at the images' size where that is a whole multiple).

    Args:
        model: A model that ends in GlobalAveragePooling2D and one Dense layer, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them.
        class_index: One class, one for each image, or None for the predicted one.
        layer: Name of the layer that is averaged; that is also the default.
        batch_size: Images computed at once.

    Returns:
        `(n, height, width)` in the unit of the logit.

    Raises:
        ExplainError: If the model ends otherwise, or an argument does not fit.

    Reference:
        Zhou et al., 2016, "Learning deep features for discriminative localization", arXiv:1512.04150.
    """
    return explain(model, images, "class_activation_map", class_index, layer=layer, batch_size=batch_size).maps


def grad_cam(
    model: Model, images: Any, class_index: Any = None, layer: str | None = None, *, batch_size: int = 32
) -> Maps:
    """Grad-CAM: channels of a feature map weighed by the mean gradient of the class's logit, and its positive part.

    Args:
        model: A classifier with a convolution, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them.
        class_index: One class, one for each image, or None for the predicted one.
        layer: Name of the layer; the last feature map by default, in residual networks that after the addition.
        batch_size: Images computed at once.

    Returns:
        `(n, height, width)`, at least 0; 0 everywhere where nothing speaks for the class.

    Raises:
        ExplainError: If there is no convolution or no such layer, or an argument does not fit.

    Reference:
        Selvaraju et al., 2017, "Grad-CAM", arXiv:1610.02391.
    """
    return explain(model, images, "grad_cam", class_index, layer=layer, batch_size=batch_size).maps


def grad_cam_plus_plus(
    model: Model, images: Any, class_index: Any = None, layer: str | None = None, *, batch_size: int = 32
) -> Maps:
    """Grad-CAM++: Grad-CAM whose weights count each place by its share, so that several objects show alike.

    Args, Returns and Raises are those of `grad_cam`. A factor for each image, exp(logit), is left out.

    Reference:
        Chattopadhay et al., 2018, "Grad-CAM++", arXiv:1710.11063.
    """
    return explain(model, images, "grad_cam_plus_plus", class_index, layer=layer, batch_size=batch_size).maps


def layer_cam(
    model: Model, images: Any, class_index: Any = None, layer: str | None = None, *, batch_size: int = 32
) -> Maps:
    """LayerCAM: each place of each channel weighed by its own positive gradient; also useful in early layers.

    Args, Returns and Raises are those of `grad_cam`.

    Reference:
        Jiang et al., 2021, "LayerCAM", IEEE Transactions on Image Processing 30.
    """
    return explain(model, images, "layer_cam", class_index, layer=layer, batch_size=batch_size).maps


def saliency(model: Model, images: Any, class_index: Any = None, *, batch_size: int = 32) -> Maps:
    """Saliency: the largest absolute gradient of the class's logit over the channels of each pixel.

    Args:
        model: A classifier of images, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them.
        class_index: One class, one for each image, or None for the predicted one.
        batch_size: Images computed at once.

    Returns:
        `(n, height, width)`, at least 0, in logits per unit of a pixel.

    Raises:
        ExplainError: If an argument does not fit.

    Reference:
        Simonyan et al., 2014, "Deep inside convolutional networks", arXiv:1312.6034.
    """
    return explain(model, images, "saliency", class_index, batch_size=batch_size).maps


def guided_backpropagation(model: Model, images: Any, class_index: Any = None, *, batch_size: int = 32) -> Maps:
    """Guided backpropagation: saliency for which nothing negative passes a ReLU on the way back.

    It draws sharp pictures, and hardly depends on the class or the last layers (Adebayo 2018): a look at what the
    network sees, no explanation of what it decides. Args and Returns are those of `saliency`.

    Raises:
        ExplainError: If the model has no ReLU, or an argument does not fit.

    Reference:
        Springenberg et al., 2015, "Striving for simplicity", arXiv:1412.6806.
    """
    return explain(model, images, "guided_backpropagation", class_index, batch_size=batch_size).maps


def gradient_times_input(model: Model, images: Any, class_index: Any = None, *, batch_size: int = 32) -> Maps:
    """Gradient × pixel, summed over the channels: signed; of a linear model exactly each pixel's part of the logit.

    Args and Raises are those of `saliency`; returns `(n, height, width)` in the unit of the logit.
    """
    return explain(model, images, "gradient_times_input", class_index, batch_size=batch_size).maps


def smooth_grad(
    model: Model,
    images: Any,
    class_index: Any = None,
    *,
    samples: int = 32,
    noise: float = 0.15,
    seed: int = 0,
    batch_size: int = 32,
) -> Maps:
    """SmoothGrad: saliency of the mean gradient of noisy copies.

    Args:
        model: A classifier of images, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them.
        class_index: One class, one for each image, or None for the one predicted for the image without noise.
        samples: Noisy copies of each image.
        noise: Standard deviation of the noise as a share of the image's range.
        seed: Of the noise; the same seed gives the same maps.
        batch_size: Copies computed at once.

    Returns:
        `(n, height, width)`, at least 0, in logits per unit of a pixel.

    Raises:
        ExplainError: If an argument does not fit.

    Reference:
        Smilkov et al., 2017, "SmoothGrad", arXiv:1706.03825.
    """
    options: dict[str, Any] = {"samples": samples, "noise": noise, "seed": seed}
    return explain(model, images, "smooth_grad", class_index, batch_size=batch_size, **options).maps


def integrated_gradients(
    model: Model,
    images: Any,
    class_index: Any = None,
    *,
    steps: int = 64,
    baseline: Any = 0.0,
    batch_size: int = 32,
) -> Maps:
    """Integrated gradients: each pixel's part of the logit's change on the straight way from a baseline.

    Args:
        model: A classifier of images, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them.
        class_index: One class, one for each image, or None for the predicted one.
        steps: Points on the way; `explain` flags maps as `incomplete` whose sum misses the change by over 5 %.
        baseline: A number, or an array that fits an image, in the unit of the pixels; black by default. What equals
            the baseline gets nothing.
        batch_size: Points computed at once.

    Returns:
        `(n, height, width)`, signed, in the unit of the logit.

    Raises:
        ExplainError: If an argument does not fit.

    Reference:
        Sundararajan et al., 2017, "Axiomatic attribution for deep networks", arXiv:1703.01365.
    """
    options: dict[str, Any] = {"steps": steps, "baseline": baseline}
    return explain(model, images, "integrated_gradients", class_index, batch_size=batch_size, **options).maps


def occlusion(
    model: Model,
    images: Any,
    class_index: Any = None,
    *,
    patch: int = 8,
    stride: int | None = None,
    fill: Any = 0.0,
    batch_size: int = 32,
) -> Maps:
    """Occlusion: how much the class's logit falls when a patch covers a pixel, on average over the patches that do.

    Args:
        model: A classifier of images, or what `tap` made of it.
        images: `(n, height, width, channels)`, as the model takes them.
        class_index: One class, one for each image, or None for the predicted one.
        patch: Height and width of the patch, pixels.
        stride: Step between positions, pixels, at most `patch`; half a patch by default.
        fill: The patch's colour, a number or one for each channel, in the unit of the pixels; black by default.
        batch_size: Covered copies computed at once.

    Returns:
        `(n, height, width)`, signed, in the unit of the logit.

    Raises:
        ExplainError: If an argument does not fit.

    Reference:
        Zeiler and Fergus, 2014, "Visualizing and understanding convolutional networks", arXiv:1311.2901.
    """
    options: dict[str, Any] = {"patch": patch, "stride": stride, "fill": fill}
    return explain(model, images, "occlusion", class_index, batch_size=batch_size, **options).maps


def occlusion_grid(
    model: Model,
    images: Any,
    class_index: Any = None,
    *,
    patch: int = 8,
    stride: int | None = None,
    fill: Any = 0.0,
    batch_size: int = 32,
) -> covering.OcclusionGrid:
    """The class's probability and the most probable class by position of the patch (Zeiler's figure 7).

    Args and Raises are those of `occlusion`.

    Returns:
        Logit, probability and most probable class, each `(n, rows, columns)`, with the positions.
    """
    tapped = tap(model)
    request = make_request(images, class_index, tapped.input_shape, tapped.num_logits, batch_size)
    return covering.occlude(tapped, request, patch=patch, stride=stride, fill=fill)
