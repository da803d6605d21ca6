"""Attacks: exact on linear models, never further than ε, equal to those of another library."""

from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest

from evaluation.explain import ExplainError, tap
from evaluation.explain.adversarial import PgdSettings, accuracy_under_attack, compare_examples, fgsm, pgd
from evaluation.explain.probability import margins
from evaluation.uncertainty.intervals import proportion
from tests.evaluation.explain import cases
from tests.evaluation.explain.test_unchanged import digest

layers = keras.layers
KINDS = [*cases.STATED, "gap_cnn_binary"]


def two_classes(scale: float = 1.0, *, single: bool = False) -> tuple[keras.Model, np.ndarray]:
    """A linear model of two classes on 4×3 pixels, and the weights of its margin, class 1 less class 0."""
    pixels = keras.Input((4, 3, 2))
    logits = layers.Dense(1 if single else 2, name="logits")(layers.Flatten()(pixels))
    model = keras.Model(pixels, layers.Activation("sigmoid" if single else "softmax")(logits))
    kernel = scale * np.random.default_rng(5).normal(size=(24, 1 if single else 2))
    model.set_weights([kernel, np.zeros(kernel.shape[1])])
    return model, (kernel[:, 0] if single else kernel[:, 1] - kernel[:, 0]).reshape(4, 3, 2)


def logits_of(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """The logits of one of the project's models, by Keras alone."""
    return np.asarray(keras.Model(model.inputs[0], model.get_layer("logits").output)(images))


@pytest.mark.parametrize("single", [False, True])
def test_of_a_linear_model_the_margin_falls_by_epsilon_times_the_sum_of_absolute_weights(single):
    images = np.random.default_rng(1).uniform(50, 200, (5, 4, 3, 2)).astype(np.float32)
    model, unit = two_classes(single=single)
    tapped, kernel = tap(model), model.get_weights()
    for scale, y in product((0.01, 1, 100), (0, 1)):  # with 100 the model is so sure that its own gradient is 0
        model.set_weights([scale * kernel[0], kernel[1]])
        weights, sign = scale * unit, 1 if y else -1
        for changed in (fgsm(tapped, images, y, 3), pgd(tapped, images, y, 3, settings=PgdSettings(4))):
            fall = sign * ((images - changed).astype(np.float64) * weights).sum((1, 2, 3))
            np.testing.assert_allclose(fall, 3 * np.abs(weights).sum(), rtol=1e-4)
            np.testing.assert_allclose(changed, images - 3 * sign * np.sign(weights), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_no_pixel_changes_by_more_than_epsilon_or_leaves_its_range(kind):
    model = cases.build(kind)
    images = cases.images_for(model, 4)
    before = digest(model)
    tapped, few = cases.tapped(kind), PgdSettings(3)
    first, second = fgsm(tapped, images, 1, 4), pgd(tapped, images, 1, 4, settings=few, batch_size=3)
    for changed in (first, second):
        assert np.abs(changed - images).max() == pytest.approx(4, rel=1e-5)
        assert changed.min() >= 0 and changed.max() <= 255 and changed.dtype == np.float32
    assert digest(model) == before


@pytest.mark.parametrize("kind", ["gap_cnn", "gap_cnn_binary", "cifar_cnn"])
def test_pgd_ends_below_the_margin_of_fgsm_and_never_above_that_of_the_image(kind):
    tapped, y = cases.tapped(kind), np.ones(4, int)
    images = cases.images_for(tapped.model, 4)
    changed = images, fgsm(tapped, images, 1, 6), pgd(tapped, images, 1, 6, settings=PgdSettings(12))
    plain, single, many = (margins(logits_of(tapped.model, one), y) for one in changed)
    assert np.all(single < plain) and np.all(many <= single + 1e-5)
    wild = pgd(tapped, images, 1, 6, settings=PgdSettings(3, step_size=50))  # a search that overshoots
    assert np.all(margins(logits_of(tapped.model, wild), y) <= plain + 1e-6)


def test_a_search_repeats_with_its_seed_and_more_restarts_never_do_worse():
    tapped = cases.tapped("cifar_cnn")
    images = cases.images_for(tapped.model, 3)
    first, again, more = (
        pgd(tapped, images, 1, 9, settings=PgdSettings(4, restarts=count, seed=2)) for count in (1, 1, 4)
    )
    np.testing.assert_array_equal(first, again)
    values = [margins(logits_of(tapped.model, one), np.ones(3, int)) for one in (more, first)]
    assert np.all(values[0] <= values[1] + 1e-6)


def test_the_margin_is_the_log_odds_of_the_class():
    logits = np.random.default_rng(0).normal(size=(6, 4))
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(margins(logits, np.full(6, 2)), np.log(share[:, 2] / (1 - share[:, 2])))
    signs = np.tile([-1, 1], 3)
    np.testing.assert_allclose(margins(logits[:, :1], np.array([0, 1] * 3)), logits[:, 0] * signs)


@pytest.fixture(scope="module")
def toolbox():
    """The attacks of the adversarial robustness toolbox, where it is installed in place of its namesake."""
    attacks = pytest.importorskip(
        "art.attacks.evasion",
        reason="adversarial-robustness-toolbox is absent: pycm needs another package that is also called art",
    )
    from art.estimators.classification import TensorFlowV2Classifier

    return attacks, TensorFlowV2Classifier


@pytest.mark.parametrize("kind", ["gap_cnn", "cifar_cnn", "cifar_cnn_functional"])
def test_attacks_equal_those_of_the_adversarial_robustness_toolbox(kind, toolbox):
    attacks, classifier = toolbox
    model = cases.build(kind)
    images, y = cases.images_for(model, 4), np.array([1, 0, 3, 2])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    target = keras.Model(model.inputs[0], model.get_layer("logits").output)
    art = classifier(target, nb_classes=4, input_shape=(16, 12, 3), loss_object=loss, clip_values=(0, 255))
    expected = attacks.FastGradientMethod(art, eps=5).generate(images, np.eye(4, dtype=np.float32)[y])
    found = fgsm(cases.tapped(kind), images, y, 5)
    assert np.mean(np.abs(found - expected) > 1e-4) < 0.001  # a gradient of 0 but for rounding has no sign
    options = {"eps": 5, "eps_step": 1, "max_iter": 8, "num_random_init": 0, "verbose": False}
    expected = attacks.ProjectedGradientDescentTensorFlowV2(art, **options).generate(images, np.eye(4)[y])
    found = pgd(cases.tapped(kind), images, y, 5, settings=PgdSettings(8, step_size=1, restarts=0))
    assert np.mean(np.abs(found - expected) > 1e-3) < 0.02


def test_accuracy_against_epsilon_starts_at_the_models_own_and_falls():
    tapped = tap(two_classes(0.01)[0])
    images = cases.images_for(tapped.model, 6)
    predicted = np.asarray(tapped.model(images)).argmax(1)
    y = np.where(np.arange(6) < 4, predicted, 1 - predicted)  # two are wrong from the start
    for attack in ("fgsm", "pgd"):
        found = accuracy_under_attack(tapped, images, y, [90, 0, 2], attack=attack, settings=PgdSettings(5))
        assert found.epsilons.tolist() == [0, 2, 90]
        assert found.accuracy[0] == proportion(4, 6)
        assert found.accuracy[2] == proportion(0, 6)
        if attack == "pgd":
            assert np.all(np.diff(found.right.astype(int), axis=0) <= 0)
    assert tapped.traces == 2  # the gradient and the prediction


def test_examples_tell_label_and_probability_before_and_after():
    model, _ = two_classes(0.01, single=True)
    images = cases.images_for(model, 3)
    changed = fgsm(model, images, None, 200)
    found = compare_examples(model, images, changed)
    before, after = (np.asarray(model(one))[:, 0] for one in (images, changed))
    np.testing.assert_array_equal(found.labels, np.stack([before > 0.5, after > 0.5], axis=1))
    expected = np.stack([np.maximum(one, 1 - one) for one in (before, after)], axis=1)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-5)


def test_black_white_and_constant_images_of_one_pixel_can_be_attacked():
    pixels = keras.Input((None, None, 3))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 1)(pixels))
    tapped = tap(keras.Model(pixels, layers.Dense(3, activation="softmax")(pooled)))
    for value in (0, 255, 7):
        images = np.full((2, 1, 1, 3), value, np.uint8)
        changed = pgd(tapped, images, 1, 5)
        assert np.isfinite(changed).all() and np.abs(changed - value).max() <= 5
        assert changed.min() >= 0 and changed.max() <= 255
        np.testing.assert_array_equal(fgsm(tapped, images, 1, 0), images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epsilon": -1}, r"^epsilon must be at least 0, in the unit of the pixels\. Received: epsilon=-1\."),
        ({"epsilon": np.nan}, r"^epsilon must be at least 0"),
        ({"y": 4}, r"^class_index must lie in 0…3\. Received: 4\."),
        ({"bounds": (0, 1)}, r"^images must lie within 0…1\. Received: 0…100\. Pass bounds=\(lowest, highest\)\."),
        ({"bounds": (1, 1)}, r"^bounds must be the lowest and the highest value\. Received: \(1, 1\)\."),
        ({"images": np.full((1, 16, 12, 3), np.nan)}, r"^images to attack must be finite\. Received: NaN or infinity"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arguments, message):
    pixels = np.zeros((1, 16, 12, 3))
    pixels[0, 0, 0, 0] = 100
    given = {"images": pixels, "y": 1, "epsilon": 2.0, **arguments}
    for attack in (fgsm, pgd):
        with pytest.raises(ExplainError, match=message) as caught:
            attack(cases.tapped("gap_cnn"), **given)
        assert "\n" not in str(caught.value)


def test_settings_that_search_nothing_are_refused():
    with pytest.raises(ExplainError, match=r"^steps must be at least 1 and restarts 0\. Received: steps=0, restarts=1"):
        PgdSettings(steps=0)
    with pytest.raises(ExplainError, match=r"^step_size must be above 0\. Received: step_size=0\."):
        PgdSettings(step_size=0)
    with pytest.raises(ExplainError, match=r"^attack must be fgsm or pgd\. Received: attack=cw\."):
        accuracy_under_attack(cases.tapped("gap_cnn"), np.zeros((1, 16, 12, 3)), [0], [1], attack="cw")
    with pytest.raises(ExplainError, match=r"^accuracy needs the true classes and at least one epsilon"):
        accuracy_under_attack(tap(cases.build("gap_cnn")), np.zeros((1, 16, 12, 3)), [0], [])
