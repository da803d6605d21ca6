"""Paired tests against published values, statsmodels, MLstatkit and brute force; comparisons and their refusals."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MLstatkit import Delong_test
from scipy.stats import norm
from sklearn.metrics import recall_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from evaluation.predictions import Predictions, PredictionsError
from evaluation.studies.compare import compare
from evaluation.studies.paired import holm, mcnemar, paired_delong, paired_difference, rate_difference
from evaluation.uncertainty.intervals import IntervalSettings
from tests.evaluation.samples import binary, regression, several

SETTINGS = IntervalSettings(replicates=200)


def test_mcnemar_equals_the_published_values():
    found = mcnemar(121, 59)
    assert found.corrected == pytest.approx((20.67222, 5.450095e-06), rel=3e-7)
    assert found.uncorrected == pytest.approx((21.35556, 3.815136e-06), rel=3e-7)
    assert found.exact_p == pytest.approx(4.434449e-06, rel=1e-6)
    assert (found.test, found.statistic, found.p) == ("McNemar χ²", *found.corrected)


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=80, deadline=None)
def test_mcnemar_equals_statsmodels(b, c):
    found = mcnemar(b, c)
    assert found.exact_p == pytest.approx(statsmodels_mcnemar([[0, b], [c, 0]], exact=True).pvalue)
    assert found.test == ("McNemar exact" if b + c < 25 else "McNemar χ²")
    if b != c:
        for value, correction in ((found.corrected, True), (found.uncorrected, False)):
            expected = statsmodels_mcnemar([[0, b], [c, 0]], exact=False, correction=correction)
            assert value == pytest.approx((expected.statistic, expected.pvalue))
    elif b:
        assert found.corrected == found.uncorrected == (0, 1)


@pytest.mark.parametrize(
    ("table", "difference", "low", "high"),
    [
        # Newcombe (1998), table III, method 10; Fagerland, Lydersen & Laake (2014), airway hyper-responsiveness
        ((36, 12, 2, 0), 0.2, 0.0569, 0.3404),
        ((1, 1, 7, 12), -0.2857, -0.5069, -0.0256),
    ],
)
def test_the_paired_difference_equals_published_intervals(table, difference, low, high):
    found = paired_difference(*table)
    assert [round(value, 4) for value in (found.value, found.low, found.high)] == [difference, low, high]
    assert found.method == "newcombe"


@given(st.tuples(*[st.integers(0, 30)] * 4).filter(any))
@settings(max_examples=80, deadline=None)
def test_swapping_the_raters_turns_the_paired_interval_round(table):
    both, first, second, neither = table
    one, other = paired_difference(both, first, second, neither), paired_difference(both, second, first, neither)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    assert -1 <= one.low <= one.value <= one.high <= 1


def brute_force_delong(positive, first, second):
    """Difference, z and p from all pairs of a positive and a negative."""
    kernels = []
    for score in (first, second):
        pairs = score[positive][:, None] - score[~positive][None, :]
        kernels.append((pairs > 0) + 0.5 * (pairs == 0))
    difference = kernels[0] - kernels[1]
    of_positives, of_negatives = difference.mean(axis=1), difference.mean(axis=0)
    variance = of_positives.var(ddof=1) / len(of_positives) + of_negatives.var(ddof=1) / len(of_negatives)
    z = difference.mean() / np.sqrt(variance)
    return difference.mean(), z, 2 * norm.sf(abs(z)), np.sqrt(variance)


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("seed", range(4))
def test_paired_delong_equals_brute_force_and_mlstatkit(seed, decimals):
    rng = np.random.default_rng(seed)
    positive = rng.random(70) < 0.4
    first, second = (positive * shift + rng.normal(size=70) for shift in (1.2, 0.6))
    first, second = first.round(decimals), second.round(decimals)
    found = paired_delong(positive, first, second, settings=SETTINGS)
    difference, z, p, error = brute_force_delong(positive, first, second)
    assert (found.difference.value, found.z, found.p) == pytest.approx((difference, z, p))
    half = 1.959963985 * error
    assert (found.difference.low, found.difference.high) == pytest.approx((difference - half, difference + half))
    theirs = Delong_test(positive, first, second, return_ci=False)
    assert (-theirs[0], *theirs[1:]) == pytest.approx((found.z, found.p, found.first, found.second))


def test_models_that_rank_alike_have_a_difference_of_zero_and_the_reason_instead_of_a_p():
    rng = np.random.default_rng(0)
    positive, score = rng.random(50) < 0.5, rng.random(50)
    found = paired_delong(positive, score, np.exp(score), settings=SETTINGS)
    assert (found.difference.value, found.difference.low, found.z, found.p) == (0, None, None, None)
    assert found.reason == "both rank the examples alike, so the difference has no variance"


def test_degenerate_areas_have_reasons():
    truth, score = np.array([1, 1, 0, 0], dtype=bool), np.array([4.0, 3, 2, 1])
    perfect = paired_delong(truth, score, -score, settings=SETTINGS)
    assert (perfect.difference.value, perfect.p) == (1, None)
    assert perfect.reason == "the variance of the difference is zero, as with perfect separation"
    single = paired_delong(np.array([1, 0, 0], dtype=bool), score[:3], score[1:], settings=SETTINGS)
    assert (single.p, single.reason[:42]) == (None, "the variance needs two positives and two n")
    none = paired_delong(np.zeros(3, dtype=bool), score[:3], score[1:], settings=SETTINGS)
    assert (none.difference.value, none.reason) == (None, "no positive examples")


@pytest.mark.parametrize("seed", range(8))
def test_holm_equals_statsmodels(seed):
    p = np.random.default_rng(seed).random(2**seed // 8 + 1).round(2) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_tests_without_a_p_are_no_members_of_holms_family():
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]


def three_models(n=120, k=None):
    """Models of the same examples, each in another order."""
    first = binary(n) if k is None else several(n, k)
    models = {"a": first}
    for seed, name in enumerate(("b", "c"), start=1):
        rng = np.random.default_rng(seed)
        noise = rng.dirichlet(np.ones(first.y_score.shape[1]), n)
        order = rng.permutation(n)
        score = (0.6 * first.y_score + 0.4 * noise)[order]
        models[name] = replace(first, ids=first.ids[order], y_true=first.y_true[order], y_score=score)
    return models


def test_pairs_of_models_equal_their_tests_in_any_order_of_the_examples():
    models = three_models()
    found = compare(models, settings=SETTINGS)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    a, b = models["a"], models["b"]
    lookup = {name: index for index, name in enumerate(b.ids)}
    other = b.y_pred[[lookup[name] for name in a.ids]]
    test = found.pairs[0].tests[0]
    mine, positive = (a.y_pred == 1) & (a.y_true == 1), a.y_true == 1
    assert test.discordant == ((mine & (other == 0)).sum(), (positive & (a.y_pred == 0) & (other == 1)).sum())
    expected = recall_score(a.y_true, a.y_pred) - recall_score(b.y_true, b.y_pred)
    assert (test.measure, test.difference.value) == ("sensitivity", pytest.approx(expected))
    assert found.models[1].sensitivity.value == pytest.approx(recall_score(b.y_true, b.y_pred))


def test_holm_runs_over_the_pairs_for_each_measure_by_itself():
    found = compare(three_models(), settings=SETTINGS)
    for measure in range(3):
        tests = [pair.tests[measure] for pair in found.pairs]
        assert len({test.measure for test in tests}) == 1
        assert [test.p_holm for test in tests] == holm([test.p for test in tests])
    assert "Holm's correction runs over the 3 pairs of models, for each measure by itself." in found.notes


def test_several_classes_are_compared_on_accuracy_even_with_columns_in_another_order():
    models = three_models(k=4)
    b, turned = models["b"], [2, 0, 3, 1]
    labels = tuple(b.labels[index] for index in turned)
    models["b"] = Predictions(b.ids, np.argsort(turned)[b.y_true], b.y_score[:, turned], labels, None)
    found = compare(models, settings=SETTINGS)
    assert [test.measure for test in found.pairs[0].tests] == ["accuracy"]
    accuracy = [(model.y_pred == model.y_true).mean() for model in models.values()]
    assert [model.accuracy.value for model in found.models] == pytest.approx(accuracy)
    assert found.pairs[0].tests[0].difference.value == pytest.approx(accuracy[0] - accuracy[1])


def test_groups_widen_the_differences_and_the_note_doubts_mcnemar():
    models = three_models(40)
    repeated = {
        name: Predictions(
            np.array([f"{i}-{copy}" for copy in range(4) for i in model.ids], dtype=object),
            np.tile(model.y_true, 4),
            np.tile(model.y_score, (4, 1)),
            model.labels,
            model.positive,
            np.tile(model.ids, 4),
        )
        for name, model in models.items()
    }
    single, grouped = compare(models, settings=SETTINGS), compare(repeated, settings=SETTINGS)
    one, four = single.pairs[0].tests[2], grouped.pairs[0].tests[2]
    assert (four.difference.low, four.statistic, four.p) == pytest.approx((one.difference.low, one.statistic, one.p))
    assert grouped.pairs[0].tests[0].difference.method == "cluster-bootstrap"
    assert any("McNemar's test assumes independent examples" in note for note in grouped.notes)


def test_the_linearised_difference_of_grouped_rates_is_close_to_the_bootstrap():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 3)
    patient = np.repeat(rng.random(100), 3)
    first, second = patient + 0.3 * rng.random(300) > 0.5, patient + 0.3 * rng.random(300) > 0.6
    found = [rate_difference(first, second, groups, IntervalSettings(most_resampled=limit)) for limit in (1000, 10)]
    assert [estimate.method for estimate in found] == ["cluster-bootstrap", "cluster-linearised"]
    assert found[1].low == pytest.approx(found[0].low, abs=0.01)
    assert found[1].high == pytest.approx(found[0].high, abs=0.01)


def test_a_class_without_examples_has_no_test_and_says_why():
    first = binary(40)
    only = replace(first, y_true=np.zeros(40, dtype=np.int64))
    tests = compare({"a": only, "b": only}, settings=SETTINGS).pairs[0].tests
    assert [(test.p, test.reason) for test in (tests[0], tests[2])] == [
        (None, "no examples"),
        (None, "no positive examples"),
    ]
    assert tests[1].p == 1


def changed(**changes):
    """A second model that differs from the first in something."""
    return lambda: {"a": binary(20), "b": replace(binary(20), **{name: make() for name, make in changes.items()})}


REFUSALS = [
    (lambda: {"a": binary(20)}, "a comparison needs at least two models. Received: a."),
    (
        lambda: {"a": binary(20), "b": regression(20)},
        "'b' holds a regression; models are compared on classes. Leave it out.",
    ),
    (
        changed(ids=lambda: np.array([f"case-{index}" for index in range(4, 24)], dtype=object)),
        "'a' and 'b' score different examples: 4 only in 'a' ('case-0', 'case-1', 'case-2', …), 4 only in 'b' "
        "('case-20', 'case-21', 'case-22', …). Give both the same ids, in any order.",
    ),
    (
        changed(ids=lambda: np.array(["case-0"] * 20, dtype=object)),
        "'b' has the id 'case-0' more than once. Give every example its own id.",
    ),
    (
        changed(y_true=lambda: np.concatenate([1 - binary(20).y_true[:1], binary(20).y_true[1:]])),
        "'a' and 'b' disagree on the truth of 1 example, first 'case-0': 'malignant' and 'benign'. Use one reference "
        "standard.",
    ),
    (
        lambda: {"a": binary(20), "b": binary(20, labels=("malignant", "benign"))},
        "'a' and 'b' score different classes: benign, malignant (positive: malignant) and malignant, benign "
        "(positive: benign). Compare models of the same classes and the same positive one.",
    ),
    (
        lambda: {
            "a": replace(binary(20), groups=np.arange(20)),
            "b": replace(binary(20), groups=np.arange(20) // 2),
        },
        "'a', 'b' group the examples differently. Give all the same groups.",
    ),
]


@pytest.mark.parametrize(("models", "message"), REFUSALS)
def test_models_that_cannot_be_compared_are_refused(models, message):
    with pytest.raises(PredictionsError) as error:
        compare(models(), settings=SETTINGS)
    assert str(error.value) == message
