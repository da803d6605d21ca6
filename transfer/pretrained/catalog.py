"""Names and facts of all backbones, without Keras: `--help` and early checks read this.

Parameter counts are those of `keras.applications` without the classifier; licences are those of the weights, as Keras'
documentation and the weights' authors state them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from training.checks import ConfigError

Preprocessing = Literal["tf", "caffe", "torch"]
CUTS = ("early", "middle", "late", "last")


class TransferError(ConfigError):
    """A backbone, its weights, its size or a cut is impossible. The message says what to do."""


@dataclass(frozen=True)
class Cut:
    """A point where a backbone can be cut.

    Attributes:
        name: `early`, `middle`, `late` or `last`.
        layer: The last layer before the cut; its output is the feature map.
    """

    name: str
    layer: str


@dataclass(frozen=True)
class BackboneEntry:
    """What can be said of a backbone before Keras is imported.

    Attributes:
        summary: One line for `--help`.
        constructor: Name of the function in `keras.applications`.
        preprocessing: Keras' name of what happens to raw pixels: `tf` (-1…1), `caffe` (BGR, mean taken away) or
            `torch` (0…1, mean taken away, divided by the standard deviation).
        default_size: Height and width that the weights were trained on, pixels.
        smallest_size: Smallest height and width that the graph accepts, pixels.
        cuts: From early to late.
        parameters: Number of weights without the classifier.
        weights_files: Names of Keras' ImageNet files, without and with the classifier.
        licence: Of the weights.
        citation: The paper.
        arguments: Further arguments of the constructor, such as the width `alpha`.
    """

    summary: str
    constructor: str
    preprocessing: Preprocessing
    default_size: int
    smallest_size: int
    cuts: tuple[Cut, ...]
    parameters: int
    weights_files: tuple[str, str]
    licence: str
    citation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def _cuts(*layers: str) -> tuple[Cut, ...]:
    """The four cuts at these layers."""
    return tuple(Cut(name, layer) for name, layer in zip(CUTS, layers, strict=True))


def _files(stem: str, without_top: str = "_notop") -> tuple[str, str]:
    """Keras' two file names: without the classifier, with it."""
    return f"{stem}{without_top}.h5", f"{stem}.h5"


_KERNELS = "_weights_tf_dim_ordering_tf_kernels"
_VGG = "Simonyan & Zisserman 2015, Very Deep Convolutional Networks, arXiv:1409.1556"
_RESNET = "He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385"
_RESNET_V2 = "He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv:1603.05027"
_INCEPTION = "Szegedy et al. 2016, Rethinking the Inception Architecture, arXiv:1512.00567"
_XCEPTION = "Chollet 2017, Xception: Depthwise Separable Convolutions, arXiv:1610.02357"
_MOBILENET = "Howard et al. 2017, MobileNets, arXiv:1704.04861"
_MOBILENET_V2 = "Sandler et al. 2018, MobileNetV2: Inverted Residuals, arXiv:1801.04381"
_MOBILENET_V3 = "Howard et al. 2019, Searching for MobileNetV3, arXiv:1905.02244"
_DENSENET = "Huang et al. 2017, Densely Connected Convolutional Networks, arXiv:1608.06993"
_EFFICIENTNET_V2 = "Tan & Le 2021, EfficientNetV2: Smaller Models and Faster Training, arXiv:2104.00298"
_CONVNEXT = "Liu et al. 2022, A ConvNet for the 2020s, arXiv:2201.03545"

_VGG_CUTS = _cuts("block2_pool", "block3_pool", "block4_pool", "block5_pool")
_WIDTHS = {0.25: "2_5", 0.75: "7_5", 1.0: "1_0"}  # as Keras writes them in file names
_RESNET_CUTS = ("conv2_block3_out", "conv3_block4_out", "conv4_block6_out")


def _mobilenet(alpha: float, size: int, parameters: int) -> BackboneEntry:
    """MobileNet of one width, trained at one size."""
    return BackboneEntry(
        f"MobileNet, width {alpha}, trained at {size} pixels",
        "MobileNet",
        "tf",
        size,
        32,
        _cuts("conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"),
        parameters,
        _files(f"mobilenet_{_WIDTHS[alpha]}_{size}_tf", "_no_top"),
        "Apache 2.0",
        _MOBILENET,
        {"alpha": alpha},
    )


BACKBONES: dict[str, BackboneEntry] = {
    "mobilenet_0.25_128": _mobilenet(0.25, 128, 218_544),
    "mobilenet_0.75_192": _mobilenet(0.75, 192, 1_832_976),
    "mobilenet_1.0_224": _mobilenet(1.0, 224, 3_228_864),
    "mobilenet_v2_1.0_224": BackboneEntry(
        "MobileNetV2, width 1.0, trained at 224 pixels",
        "MobileNetV2",
        "tf",
        224,
        32,
        _cuts("block_2_add", "block_5_add", "block_12_add", "out_relu"),
        2_257_984,
        _files(f"mobilenet_v2{_KERNELS}_1.0_224", "_no_top"),
        "Apache 2.0",
        _MOBILENET_V2,
        {"alpha": 1.0},
    ),
    "mobilenet_v3_small": BackboneEntry(
        "MobileNetV3 small, trained at 224 pixels",
        "MobileNetV3Small",
        "tf",
        224,
        32,
        _cuts("expanded_conv_2_add", "expanded_conv_5_add", "expanded_conv_7_add", "activation_17"),
        939_120,
        _files("weights_mobilenet_v3_small_224_1.0_float", "_no_top_v2"),
        "Apache 2.0",
        _MOBILENET_V3,
        {"include_preprocessing": False},
    ),
    "mobilenet_v3_large": BackboneEntry(
        "MobileNetV3 large, trained at 224 pixels",
        "MobileNetV3Large",
        "tf",
        224,
        32,
        _cuts("expanded_conv_2_add", "expanded_conv_5_add", "expanded_conv_11_add", "activation_19"),
        2_996_352,
        _files("weights_mobilenet_v3_large_224_1.0_float", "_no_top_v2"),
        "Apache 2.0",
        _MOBILENET_V3,
        {"include_preprocessing": False},
    ),
    "vgg16": BackboneEntry(
        "VGG16: 13 convolutions",
        "VGG16",
        "caffe",
        224,
        32,
        _VGG_CUTS,
        14_714_688,
        _files(f"vgg16{_KERNELS}"),
        "CC BY 4.0",
        _VGG,
    ),
    "vgg19": BackboneEntry(
        "VGG19: 16 convolutions",
        "VGG19",
        "caffe",
        224,
        32,
        _VGG_CUTS,
        20_024_384,
        _files(f"vgg19{_KERNELS}"),
        "CC BY 4.0",
        _VGG,
    ),
    "resnet50": BackboneEntry(
        "ResNet50: residual blocks",
        "ResNet50",
        "caffe",
        224,
        32,
        _cuts(*_RESNET_CUTS, "conv5_block3_out"),
        23_587_712,
        _files(f"resnet50{_KERNELS}"),
        "MIT",
        _RESNET,
    ),
    "resnet50_v2": BackboneEntry(
        "ResNet50V2: batch norm and ReLU before each convolution",
        "ResNet50V2",
        "tf",
        224,
        32,
        _cuts(*_RESNET_CUTS, "post_relu"),
        23_564_800,
        _files(f"resnet50v2{_KERNELS}"),
        "BSD 3-clause",
        _RESNET_V2,
    ),
    "inception_v3": BackboneEntry(
        "InceptionV3: parallel branches",
        "InceptionV3",
        "tf",
        299,
        75,
        _cuts("mixed2", "mixed5", "mixed7", "mixed10"),
        21_802_784,
        _files(f"inception_v3{_KERNELS}"),
        "Apache 2.0",
        _INCEPTION,
    ),
    "xception": BackboneEntry(
        "Xception: depthwise separable convolutions",
        "Xception",
        "tf",
        299,
        71,
        _cuts("add_1", "add_6", "add_10", "block14_sepconv2_act"),
        20_861_480,
        _files(f"xception{_KERNELS}"),
        "MIT",
        _XCEPTION,
    ),
    "densenet121": BackboneEntry(
        "DenseNet121: every layer sees all before it",
        "DenseNet121",
        "torch",
        224,
        32,
        _cuts("pool2_pool", "pool3_pool", "pool4_pool", "relu"),
        7_037_504,
        _files(f"densenet121{_KERNELS}"),
        "BSD 3-clause",
        _DENSENET,
    ),
    "efficientnet_v2_b0": BackboneEntry(
        "EfficientNetV2 B0",
        "EfficientNetV2B0",
        "torch",
        224,
        32,
        _cuts("block2b_add", "block3b_add", "block5e_add", "top_activation"),
        5_919_312,
        _files("efficientnetv2-b0"),
        "Apache 2.0",
        _EFFICIENTNET_V2,
        {"include_preprocessing": False},
    ),
    "convnext_tiny": BackboneEntry(
        "ConvNeXt tiny: a residual network after transformers",
        "ConvNeXtTiny",
        "torch",
        224,
        32,
        _cuts("add_2", "add_5", "add_14", "layer_normalization"),
        27_820_128,
        _files("convnext_tiny"),
        "MIT",
        _CONVNEXT,
        {"include_preprocessing": False},
    ),
}


def entry(name: str) -> BackboneEntry:
    """The facts of a backbone.

    Raises:
        TransferError: If no backbone has that name.
    """
    if name not in BACKBONES:
        raise TransferError(
            f"Unknown backbone.{closest(name, BACKBONES)} Available: {', '.join(BACKBONES)}. Received: backbone={name}."
        )
    return BACKBONES[name]


def cut_layer(name: str, cut: str) -> str:
    """The layer at which a backbone's named cut lies.

    Args:
        name: A key of `BACKBONES`.
        cut: `early`, `middle`, `late` or `last`.

    Raises:
        TransferError: If there is no such backbone, or it has no such cut.
    """
    layers = {point.name: point.layer for point in entry(name).cuts}
    if cut not in layers:
        raise TransferError(f"{name} has no such cut. Expected one of {', '.join(layers)}. Received: cut={cut}.")
    return layers[cut]


def image_shape(name: str, image_size: int | tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of a backbone's input: those asked for, or those that its weights were trained on.

    Args:
        name: A key of `BACKBONES`.
        image_size: One number for a square, or `(height, width)`, pixels; None for the default.

    Raises:
        TransferError: If there is no such backbone, or the image is too small for it.
    """
    facts = entry(name)
    size = facts.default_size if image_size is None else image_size
    shape = (size, size) if isinstance(size, int) else tuple(size)
    if len(shape) != 2 or min(shape) < facts.smallest_size:
        raise TransferError(
            f"{name} needs images of at least {facts.smallest_size} × {facts.smallest_size} pixels (its weights were "
            f"trained at {facts.default_size}). Received: image_size={image_size}. Use a larger size."
        )
    return shape[0], shape[1]


def closest(word: str, words: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing where no word is similar."""
    matches = difflib.get_close_matches(word, list(words), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""
