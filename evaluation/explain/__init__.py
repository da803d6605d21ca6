"""What a convolutional network has learned and what decided: exact maps, for any Keras model with a graph.

The one part of `evaluation` that takes a `keras.Model`. It is imported only when asked for, and the names below load
TensorFlow when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.explain.api import (
        class_activation_map,
        explain,
        grad_cam,
        grad_cam_plus_plus,
        gradient_times_input,
        guided_backpropagation,
        integrated_gradients,
        layer_cam,
        occlusion,
        occlusion_grid,
        saliency,
        smooth_grad,
    )
    from evaluation.explain.errors import ExplainError
    from evaluation.explain.explanation import Explanation
    from evaluation.explain.tapped import Tapped, tap

__all__ = [
    "ExplainError",
    "Explanation",
    "Tapped",
    "class_activation_map",
    "explain",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient_times_input",
    "guided_backpropagation",
    "integrated_gradients",
    "layer_cam",
    "occlusion",
    "occlusion_grid",
    "saliency",
    "smooth_grad",
    "tap",
]

_HOMES = {
    "ExplainError": "evaluation.explain.errors",
    "Explanation": "evaluation.explain.explanation",
    "Tapped": "evaluation.explain.tapped",
    "tap": "evaluation.explain.tapped",
}


def __getattr__(name: str) -> Any:
    """Loads a public name's module on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'evaluation.explain' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "evaluation.explain.api")), name)
