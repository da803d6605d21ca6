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
    from evaluation.explain.dream import deep_dream
    from evaluation.explain.errors import ExplainError
    from evaluation.explain.explanation import Explanation
    from evaluation.explain.feature_maps import activations, embed_layer, layer_features
    from evaluation.explain.filters import filter_changes, first_filters
    from evaluation.explain.maximise import Maximised, Recipe, class_images, maximise
    from evaluation.explain.patches import LayerPatches, TopPatches, layers_to_see, top_patches
    from evaluation.explain.projections import UnitPatches, project, unit_patches
    from evaluation.explain.receptive import Field, receptive_fields
    from evaluation.explain.tapped import Tapped, tap

__all__ = [
    "ExplainError",
    "Explanation",
    "Field",
    "LayerPatches",
    "Maximised",
    "Recipe",
    "Tapped",
    "TopPatches",
    "UnitPatches",
    "activations",
    "class_activation_map",
    "class_images",
    "deep_dream",
    "embed_layer",
    "explain",
    "filter_changes",
    "first_filters",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient_times_input",
    "guided_backpropagation",
    "integrated_gradients",
    "layer_cam",
    "layer_features",
    "layers_to_see",
    "maximise",
    "occlusion",
    "occlusion_grid",
    "project",
    "receptive_fields",
    "saliency",
    "smooth_grad",
    "tap",
    "top_patches",
    "unit_patches",
]

_HOMES = {
    "deep_dream": "evaluation.explain.dream",
    "activations": "evaluation.explain.feature_maps",
    "embed_layer": "evaluation.explain.feature_maps",
    "layer_features": "evaluation.explain.feature_maps",
    "filter_changes": "evaluation.explain.filters",
    "first_filters": "evaluation.explain.filters",
    "Maximised": "evaluation.explain.maximise",
    "Recipe": "evaluation.explain.maximise",
    "class_images": "evaluation.explain.maximise",
    "maximise": "evaluation.explain.maximise",
    "LayerPatches": "evaluation.explain.patches",
    "TopPatches": "evaluation.explain.patches",
    "layers_to_see": "evaluation.explain.patches",
    "top_patches": "evaluation.explain.patches",
    "UnitPatches": "evaluation.explain.projections",
    "project": "evaluation.explain.projections",
    "unit_patches": "evaluation.explain.projections",
    "Field": "evaluation.explain.receptive",
    "receptive_fields": "evaluation.explain.receptive",
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
