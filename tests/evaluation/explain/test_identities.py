"""Which test proves which of the identities that explanations must keep, and on which models."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.evaluation.explain.cases import AVERAGED, STATED

SMALL = ("linear or additive",)  # models of a test's own, where the right answer is known
IDENTITIES = {
    "CAM: its mean and the bias are the logit": {
        "test_class_maps.test_the_mean_of_a_class_activation_map_plus_the_bias_is_the_logit": AVERAGED,
    },
    "Grad-CAM without its ReLU, times the places, is CAM": {
        "test_class_maps.test_grad_cam_without_its_relu_times_the_places_is_the_class_activation_map": AVERAGED,
    },
    "linear: gradient × input = integrated gradients = occlusion = w·x; integrated gradients are complete": {
        "test_gradients.test_of_a_linear_model_every_signed_method_gives_weight_times_pixel": SMALL,
        "test_gradients.test_of_an_additive_model_integration_and_occlusion_give_what_each_pixel_adds": SMALL,
        "test_gradients.test_integrated_gradients_add_up_to_the_change_of_the_logit": STATED,
    },
    "guided backpropagation differs from the gradient, wherever the ReLU stands": {
        "test_gradients.test_guided_backpropagation_differs_from_the_plain_gradient": STATED,
        "test_gradients.test_the_gradient_of_a_relu_square_taken_away_is_stopped_by_guided_backpropagation": SMALL,
    },
    "deletion and insertion: the oracle mirrors its reverse, chance lies between": {
        "test_fidelity.test_the_oracles_curve_is_the_exact_mirror_of_its_reverse_and_chance_lies_between": SMALL,
    },
    "up-sampling is half-pixel centred": {
        "test_upsample.test_cell_1_of_7_at_224_pixels_has_its_centre_at_47_5": SMALL,
    },
    "pixels outside a unit's box never change it, those inside can": {
        "test_receptive.test_pixels_outside_never_change_a_unit_and_those_on_every_side_inside_can": STATED,
        "test_receptive.test_a_chain_without_borders_follows_the_formula": SMALL,
    },
    "top patches of a stream equal sorting everything": {
        "test_patches.test_all_units_of_all_layers_in_one_pass_equal_sorting_everything": STATED,
    },
    "maximisation ends above the best image; a dream of no steps is the image": {
        "test_maximise.test_pictures_end_above_the_best_image_of_a_data_set": STATED,
        "test_maximise.test_a_dream_of_no_steps_is_the_image": STATED,
    },
    "attacks: exact on linear models, never further than ε, equal to another library's": {
        "test_adversarial.test_of_a_linear_model_the_margin_falls_by_epsilon_times_the_sum_of_absolute_weights": SMALL,
        "test_adversarial.test_no_pixel_changes_by_more_than_epsilon_or_leaves_its_range": STATED,
        "test_adversarial.test_attacks_equal_those_of_the_adversarial_robustness_toolbox": ("gap_cnn", "cifar_cnn"),
    },
    "randomisation rebuilds the explainer on the drawn model": {
        "test_sanity.test_weights_are_drawn_anew_from_the_logits_down_without_touching_the_model": STATED,
        "test_sanity.test_the_explainer_runs_on_the_drawn_model": SMALL,
    },
    "nothing in the model changes": {
        "test_unchanged.test_no_method_changes_the_model_or_the_random_state": STATED,
    },
    "maps that say nothing are zeros with a flag, never NaN": {
        "test_refusals.test_a_map_with_nothing_positive_or_nothing_different_gives_zeros_and_a_flag": SMALL,
        "test_refusals.test_images_of_one_colour_or_of_nan_give_zeros_and_a_flag_or_finite_maps": STATED,
    },
}


@pytest.mark.parametrize("identity", IDENTITIES)
def test_every_identity_is_a_test_on_every_model_that_it_applies_to(identity):
    for place, kinds in IDENTITIES[identity].items():
        module, name = place.split(".")
        marks = getattr(getattr(import_module(f"tests.evaluation.explain.{module}"), name), "pytestmark", [])
        given = {str(kind) for mark in marks if "kind" in mark.args[0] for kind in kinds_of(mark)}
        assert kinds is SMALL or set(kinds) <= given, f"{place} is not run on {set(kinds) - given}"


def kinds_of(mark) -> list[str]:
    """The models that a test is run on."""
    names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
    values = mark.args[1]
    return [value if len(names) == 1 else value[names.index("kind")] for value in values]


def test_no_public_name_is_hidden_by_a_module():
    import evaluation.explain as room

    for name in room.__all__:
        module = import_module(f"evaluation.explain.{room._HOMES[name]}")
        assert getattr(room, name) is getattr(module, name), name
