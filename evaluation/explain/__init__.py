"""What a convolutional network has learned and what decided: exact maps, for any Keras model with a graph.

The one part of `evaluation` that takes a `keras.Model`. It is imported only when asked for, and the names below load
TensorFlow when they are first used. No module here has the name of a function: it would hide it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.explain.adversarial import (
        AdversarialExamples,
        AttackedAccuracy,
        PgdSettings,
        accuracy_under_attack,
        compare_examples,
        fgsm,
        pgd,
    )
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
    from evaluation.explain.baselines import edge_maps, random_maps
    from evaluation.explain.dream import deep_dream
    from evaluation.explain.errors import ExplainError
    from evaluation.explain.explanation import Explanation
    from evaluation.explain.feature_maps import activations, embed_layer, layer_features
    from evaluation.explain.fidelity import Curves, CurveSettings, deletion_curves, insertion_curves
    from evaluation.explain.fidelitytable import FidelityRow, TableSettings, fidelity_table
    from evaluation.explain.filters import filter_changes, first_filters
    from evaluation.explain.likeness import Agreement, agreement, rank_correlation, structural_similarity, top_overlap
    from evaluation.explain.localisation import (
        Localisation,
        PointingGame,
        find_boxes,
        localise,
        pointing_game,
        threshold_sweep,
    )
    from evaluation.explain.maximisation import Maximised, Recipe, class_images, maximise
    from evaluation.explain.patches import LayerPatches, TopPatches, layers_to_see, top_patches
    from evaluation.explain.planted import PlantedPatches, planted_patches
    from evaluation.explain.projections import UnitPatches, project, unit_patches
    from evaluation.explain.receptive import Field, receptive_fields
    from evaluation.explain.sanity import RandomisationCheck, RandomisationSettings, randomisation_check, randomised
    from evaluation.explain.tapped import Tapped, tap

__all__ = [
    "AdversarialExamples",
    "Agreement",
    "AttackedAccuracy",
    "CurveSettings",
    "Curves",
    "ExplainError",
    "Explanation",
    "FidelityRow",
    "Field",
    "LayerPatches",
    "Localisation",
    "Maximised",
    "PgdSettings",
    "PlantedPatches",
    "PointingGame",
    "RandomisationCheck",
    "RandomisationSettings",
    "Recipe",
    "TableSettings",
    "Tapped",
    "TopPatches",
    "UnitPatches",
    "accuracy_under_attack",
    "activations",
    "agreement",
    "class_activation_map",
    "class_images",
    "compare_examples",
    "deep_dream",
    "deletion_curves",
    "edge_maps",
    "embed_layer",
    "explain",
    "fgsm",
    "fidelity_table",
    "filter_changes",
    "find_boxes",
    "first_filters",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient_times_input",
    "guided_backpropagation",
    "insertion_curves",
    "integrated_gradients",
    "layer_cam",
    "layer_features",
    "layers_to_see",
    "localise",
    "maximise",
    "occlusion",
    "occlusion_grid",
    "pgd",
    "planted_patches",
    "pointing_game",
    "project",
    "random_maps",
    "randomisation_check",
    "randomised",
    "rank_correlation",
    "receptive_fields",
    "saliency",
    "smooth_grad",
    "structural_similarity",
    "tap",
    "threshold_sweep",
    "top_overlap",
    "top_patches",
    "unit_patches",
]

_HOMES = {
    "AdversarialExamples": "adversarial",
    "AttackedAccuracy": "adversarial",
    "PgdSettings": "adversarial",
    "accuracy_under_attack": "adversarial",
    "compare_examples": "adversarial",
    "fgsm": "adversarial",
    "pgd": "adversarial",
    "class_activation_map": "api",
    "explain": "api",
    "grad_cam": "api",
    "grad_cam_plus_plus": "api",
    "gradient_times_input": "api",
    "guided_backpropagation": "api",
    "integrated_gradients": "api",
    "layer_cam": "api",
    "occlusion": "api",
    "occlusion_grid": "api",
    "saliency": "api",
    "smooth_grad": "api",
    "edge_maps": "baselines",
    "random_maps": "baselines",
    "deep_dream": "dream",
    "ExplainError": "errors",
    "Explanation": "explanation",
    "activations": "feature_maps",
    "embed_layer": "feature_maps",
    "layer_features": "feature_maps",
    "Curves": "fidelity",
    "CurveSettings": "fidelity",
    "deletion_curves": "fidelity",
    "insertion_curves": "fidelity",
    "FidelityRow": "fidelitytable",
    "TableSettings": "fidelitytable",
    "fidelity_table": "fidelitytable",
    "filter_changes": "filters",
    "first_filters": "filters",
    "Agreement": "likeness",
    "agreement": "likeness",
    "rank_correlation": "likeness",
    "structural_similarity": "likeness",
    "top_overlap": "likeness",
    "Localisation": "localisation",
    "PointingGame": "localisation",
    "find_boxes": "localisation",
    "localise": "localisation",
    "pointing_game": "localisation",
    "threshold_sweep": "localisation",
    "Maximised": "maximisation",
    "Recipe": "maximisation",
    "class_images": "maximisation",
    "maximise": "maximisation",
    "LayerPatches": "patches",
    "TopPatches": "patches",
    "layers_to_see": "patches",
    "top_patches": "patches",
    "PlantedPatches": "planted",
    "planted_patches": "planted",
    "UnitPatches": "projections",
    "project": "projections",
    "unit_patches": "projections",
    "Field": "receptive",
    "receptive_fields": "receptive",
    "RandomisationCheck": "sanity",
    "RandomisationSettings": "sanity",
    "randomisation_check": "sanity",
    "randomised": "sanity",
    "Tapped": "tapped",
    "tap": "tapped",
}


def __getattr__(name: str) -> Any:
    """Loads a public name's module on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'evaluation.explain' has no attribute {name!r}")
    return getattr(importlib.import_module(f"evaluation.explain.{_HOMES[name]}"), name)
