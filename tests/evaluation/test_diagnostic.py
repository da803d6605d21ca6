"""Measures of decisions against scikit-learn, pycm, imbalanced-learn, statsmodels and published tables."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.metrics import sensitivity_score, specificity_score
from sklearn import metrics
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.proportion import proportion_confint

from evaluation.metrics.confusion import Counts
from evaluation.metrics.diagnostic import DecisionSample, class_measures, predictive_values
from evaluation.uncertainty.intervals import Estimate, IntervalSettings

SCOTT = Counts(tp=670, fp=202, fn=74, tn=640)
ALTMAN = Counts(tp=231, fp=32, fn=27, tn=54)
LINEARISED = IntervalSettings(most_resampled=1)


def cases(max_classes=4):
    """K, truths and predictions, of which some classes may be missing."""
    return st.integers(2, max_classes).flatmap(
        lambda k: st.tuples(
            st.just(k), st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60)
        )
    )


def quick(test):
    return settings(deadline=None, max_examples=40, derandomize=True)(test)


def sample(case, **keywords):
    k, pairs = case
    y_true, y_pred = np.array(pairs).T
    return y_true, y_pred, DecisionSample(y_true, y_pred, k, settings=IntervalSettings(replicates=100), **keywords)


def rounded(estimate, digits):
    return round(estimate.value, digits), round(estimate.low, digits), round(estimate.high, digits)


def test_scott_2008_counts_give_the_published_table():
    found = class_measures(SCOTT)
    assert rounded(found["sensitivity"], 2) == (0.90, 0.88, 0.92)
    assert rounded(found["specificity"], 2) == (0.76, 0.73, 0.79)
    assert rounded(found["precision"], 2) == (0.77, 0.74, 0.80)
    assert rounded(found["npv"], 2) == (0.90, 0.87, 0.92)
    assert rounded(found["lr_positive"], 6) == (3.753726, 3.320688, 4.243235)
    assert rounded(found["lr_negative"], 6) == (0.130855, 0.105064, 0.162977)
    assert rounded(found["dor"], 5) == (28.68611, 21.51819, 38.24174)
    assert found["youden_j"].value == pytest.approx(0.660633, abs=1e-6)


def test_altman_and_bland_1994_counts_give_the_published_table():
    found = class_measures(ALTMAN)
    assert rounded(found["sensitivity"], 4)[1:] == (0.8520, 0.9271)
    assert rounded(found["specificity"], 4)[1:] == (0.5223, 0.7225)
    assert rounded(found["lr_positive"], 5) == (2.40625, 1.82279, 3.17647)
    assert rounded(found["lr_negative"], 5) == (0.16667, 0.11259, 0.24672)
    assert (found["precision"].value, found["npv"].value) == pytest.approx((0.878327, 0.666667), abs=1e-6)


def test_altman_and_bland_1994_predictive_values_at_another_prevalence():
    found = class_measures(ALTMAN)
    values = predictive_values(found["sensitivity"], found["specificity"], 0.25)
    assert values["precision"].value == pytest.approx(0.44509, abs=5e-6)
    assert values["npv"].value == pytest.approx(0.94737, abs=5e-6)


def test_predictive_values_have_mercaldos_logit_interval():
    found = class_measures(ALTMAN)
    se, sp, z = 231 / 258, 54 / 86, 1.959963984540054
    centre = math.log(se * 0.25 / ((1 - sp) * 0.75))
    error = math.sqrt((1 - se) / (se * 258) + sp / ((1 - sp) * 86))
    limits = [1 / (1 + math.exp(-(centre + sign * z * error))) for sign in (-1, 1)]
    precision = predictive_values(found["sensitivity"], found["specificity"], 0.25)["precision"]
    assert [precision.low, precision.high] == pytest.approx(limits, abs=1e-12)
    assert precision.method == "logit"


def test_predictive_values_of_a_perfect_test_take_the_adjusted_logit():
    found = class_measures(Counts(20, 0, 0, 30))
    values = predictive_values(found["sensitivity"], found["specificity"], 0.1)
    se, sp, z2 = (20 + 3.841458821 / 2) / 23.841458821, (30 + 3.841458821 / 2) / 33.841458821, 3.841458821
    error = math.sqrt((1 - se) / (se * (20 + z2)) + sp / ((1 - sp) * (30 + z2)))
    low = 1 / (1 + math.exp(-(math.log(se * 0.1 / ((1 - sp) * 0.9)) - math.sqrt(z2) * error)))
    assert values["precision"].value == 1
    assert (values["precision"].low, values["precision"].high) == (pytest.approx(low, abs=1e-9), 1)
    assert values["npv"].method == "logit-adjusted"


def test_predictive_values_pass_on_what_is_undefined_and_refuse_no_prevalence():
    nothing, something = Estimate(None, reason="no positive examples"), class_measures(SCOTT)["specificity"]
    assert predictive_values(nothing, something, 0.5)["npv"].reason == "no positive examples"
    for prevalence in (0, 1, 1.5, math.nan):
        with pytest.raises(ValueError, match=f"prevalence must be between 0 and 1.*prevalence={prevalence}"):
            predictive_values(something, something, prevalence)


def test_likelihood_ratios_of_scikit_learns_example():
    sample = DecisionSample(np.array([0, 1, 0, 1, 0]), np.array([1, 1, 0, 0, 0]), 2)
    found = sample.class_measures(1)
    assert (found["lr_positive"].value, found["lr_negative"].value) == pytest.approx((1.5, 0.75))


@quick
@given(cases(2))
def test_binary_measures_equal_scikit_learn(case):
    y_true, y_pred, decisions = sample(case)
    found = decisions.class_measures(1)
    keywords = {"labels": [0, 1], "pos_label": 1, "zero_division": np.nan}
    expected = {
        "sensitivity": metrics.recall_score(y_true, y_pred, **keywords),
        "precision": metrics.precision_score(y_true, y_pred, **keywords),
        "f1": metrics.f1_score(y_true, y_pred, **keywords),
        "specificity": metrics.recall_score(y_true, y_pred, labels=[0, 1], pos_label=0, zero_division=np.nan),
    }
    for name, value in expected.items():
        assert (found[name].value is None) == math.isnan(value), name
        if found[name].value is not None:
            assert found[name].value == pytest.approx(value, abs=1e-12), name


@quick
@given(cases(2))
def test_likelihood_ratios_equal_scikit_learn_where_it_defines_them(case):
    y_true, y_pred, decisions = sample(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = metrics.class_likelihood_ratios(y_true, y_pred, labels=[0, 1])
    found = decisions.class_measures(1)
    for name, value in zip(("lr_positive", "lr_negative"), expected, strict=True):
        assert math.isnan(value) or found[name].value == pytest.approx(value, abs=1e-12), name


@quick
@given(cases(), st.booleans())
def test_overall_numbers_equal_scikit_learn(case, weighted):
    weights = np.random.default_rng(0).integers(1, 4, len(case[1])) / 2 if weighted else None
    y_true, y_pred, decisions = sample(case, weights=weights)
    found = decisions.overall()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        balanced = metrics.balanced_accuracy_score(y_true, y_pred, sample_weight=weights)
        kappa = metrics.cohen_kappa_score(y_true, y_pred, sample_weight=weights)
        mcc = metrics.matthews_corrcoef(y_true, y_pred, sample_weight=weights)
    accuracy = metrics.accuracy_score(y_true, y_pred, sample_weight=weights)
    assert found["accuracy"].value == pytest.approx(accuracy, abs=1e-12)
    assert found["balanced_accuracy"].value == pytest.approx(balanced, abs=1e-12)
    assert found["mcc"].value is None or found["mcc"].value == pytest.approx(mcc, abs=1e-12)
    assert (found["mcc"].value is None) == (len(set(y_true)) == 1 or len(set(y_pred)) == 1)
    assert found["cohen_kappa"].value == (None if math.isnan(kappa) else pytest.approx(kappa, abs=1e-12))


@quick
@given(cases(), st.sampled_from(["macro", "micro", "weighted"]), st.booleans())
def test_averages_equal_scikit_learn(case, average, weighted):
    weights = np.random.default_rng(0).integers(1, 4, len(case[1])) / 2 if weighted else None
    y_true, y_pred, decisions = sample(case, weights=weights)
    found = decisions.averages()[average]
    keywords = {"average": average, "labels": range(case[0]), "zero_division": np.nan, "sample_weight": weights}
    for name, score in (
        ("sensitivity", metrics.recall_score),
        ("precision", metrics.precision_score),
        ("f1", metrics.f1_score),
    ):
        value, expected = found[name].estimate.value, score(y_true, y_pred, **keywords)
        # Where no class of any support defines the score, scikit-learn says NaN or 0.
        assert value is not None or math.isnan(expected) or expected == 0, name
        assert value is None or value == pytest.approx(expected, abs=1e-12), name


@quick
@given(cases(), st.sampled_from(["macro", "micro", "weighted"]))
def test_averages_equal_imbalanced_learn_where_every_class_occurs(case, average):
    k, pairs = case
    y_true, y_pred, decisions = sample((k, pairs + [(c, c) for c in range(k)] + [(c, (c + 1) % k) for c in range(k)]))
    found = decisions.averages()[average]
    keywords = {"average": average, "labels": list(range(k))}
    assert found["specificity"].estimate.value == pytest.approx(specificity_score(y_true, y_pred, **keywords))
    assert found["sensitivity"].estimate.value == pytest.approx(sensitivity_score(y_true, y_pred, **keywords))


def test_cat_dog_pig_gives_imbalanced_learns_rates():
    names = ["cat", "dog", "pig"]
    y_true = np.array([names.index(name) for name in ("cat", "dog", "pig", "cat", "dog", "pig")])
    y_pred = np.array([names.index(name) for name in ("cat", "pig", "dog", "cat", "cat", "dog")])
    decisions = DecisionSample(y_true, y_pred, 3)
    found = [decisions.class_measures(index) for index in range(3)]
    assert [one["sensitivity"].value for one in found] == [1, 0, 0]
    assert [one["specificity"].value for one in found] == [0.75, 0.5, 0.75]


@settings(deadline=None, max_examples=10, derandomize=True)
@given(cases())
def test_class_measures_equal_pycm(case):
    from pycm import ConfusionMatrix

    k, pairs = case
    y_true, y_pred, decisions = sample((k, pairs + [(c, c) for c in range(k)] + [(c, (c + 1) % k) for c in range(k)]))
    oracle = ConfusionMatrix(y_true.tolist(), y_pred.tolist())
    names = {"sensitivity": "TPR", "specificity": "TNR", "precision": "PPV", "npv": "NPV", "f1": "F1", "youden_j": "BM"}
    names |= {"lr_positive": "PLR", "lr_negative": "NLR", "dor": "DOR", "false_positive_rate": "FPR"}
    names |= {"false_negative_rate": "FNR", "balanced_accuracy": "AUC"}
    for index in range(k):
        found = decisions.class_measures(index)
        for name, theirs in names.items():
            expected = getattr(oracle, theirs)[index]
            if expected != "None":
                assert found[name].value == pytest.approx(expected), (name, index)


@quick
@given(*(st.integers(1, 300) for _ in range(4)))
def test_closed_intervals_equal_statsmodels(tp, fp, fn, tn):
    found = class_measures(Counts(tp, fp, fn, tn), IntervalSettings(confidence=0.9, proportion="clopper-pearson"))
    odds = Table2x2(np.array([[tp, fp], [fn, tn]])).oddsratio_confint(0.1)
    assert (found["dor"].low, found["dor"].high) == pytest.approx(odds)
    expected = proportion_confint(tn, tn + fp, 0.1, "beta")
    assert (found["specificity"].low, found["specificity"].high) == pytest.approx(expected)
    # LR+ is the risk ratio of a positive call among positives against negatives.
    ratio = Table2x2(np.array([[tp, fn], [fp, tn]])).riskratio_confint(0.1)
    assert (found["lr_positive"].low, found["lr_positive"].high) == pytest.approx(ratio)


def test_youdens_interval_equals_newcombes_for_a_difference():
    from statsmodels.stats.proportion import confint_proportions_2indep

    found = class_measures(ALTMAN)["youden_j"]
    expected = confint_proportions_2indep(231, 258, 32, 86, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(expected)


def test_f1_inherits_the_interval_of_the_shared_proportion():
    found = class_measures(ALTMAN)["f1"]
    limits = [2 * q / (1 + q) for q in proportion_confint(231, 231 + 32 + 27, method="wilson")]
    assert [found.low, found.high, found.method] == [*map(pytest.approx, limits), "wilson-f1"]
    assert class_measures(Counts(5, 0, 0, 5))["f1"].low == pytest.approx(0.7225, abs=1e-4)


@pytest.mark.parametrize(
    ("counts", "name", "value"),
    [
        (Counts(20, 0, 5, 30), "lr_positive", math.inf),
        (Counts(20, 5, 3, 0), "lr_negative", math.inf),
        (Counts(20, 0, 5, 30), "dor", math.inf),
    ],
)
def test_infinite_ratios_have_a_lower_limit_alone(counts, name, value):
    found = class_measures(counts)[name]
    assert found.value == value
    assert found.low > 1 or name == "lr_negative"
    assert (found.high, found.reason) == (None, None)


def test_the_lower_limit_of_an_infinite_ratio_follows_from_wilsons_limits():
    found = class_measures(Counts(20, 0, 5, 30))["lr_positive"]
    low, high = proportion_confint(20, 25, method="wilson")[0], proportion_confint(0, 30, method="wilson")[1]
    assert found.low == pytest.approx(math.sqrt(low * (1.6 - low)) / high)
    assert found.method == "mover"


def test_a_ratio_of_zero_has_an_upper_limit():
    found = class_measures(Counts(0, 4, 10, 16))
    assert (found["lr_positive"].value, found["lr_positive"].low) == (0, 0)
    assert 0 < found["lr_positive"].high < 2
    assert (found["dor"].value, found["dor"].low, found["dor"].method) == (0, 0, "log-haldane")


@quick
@given(*(st.integers(0, 4) for _ in range(4)))
def test_no_count_gives_nan_or_an_interval_beside_its_value(tp, fp, fn, tn):
    for name, one in class_measures(Counts(tp, fp, fn, tn)).items():
        numbers = [number for number in (one.value, one.low, one.high) if number is not None]
        assert not any(math.isnan(number) for number in numbers), name
        assert (one.value is None) == (one.reason is not None), name
        assert one.low is None or one.low <= one.value + 1e-12, name
        assert one.high is None or one.high >= one.value - 1e-12, name
        assert one.value is None or one.low is not None or one.note is not None, name


@pytest.mark.parametrize(
    ("counts", "name", "reason"),
    [
        (Counts(0, 2, 0, 3), "lr_positive", "no positive examples"),
        (Counts(2, 0, 1, 0), "youden_j", "no negative examples"),
        (Counts(0, 0, 4, 1), "lr_positive", "never predicted"),
        (Counts(0, 0, 4, 1), "dor", "never predicted"),
        (Counts(4, 1, 0, 0), "lr_negative", "always predicted"),
        (Counts(0, 0, 0, 5), "f1", "neither present nor predicted"),
        (Counts(0, 0, 4, 1), "precision", "never predicted"),
        (Counts(4, 1, 0, 0), "npv", "always predicted"),
    ],
)
def test_undefined_measures_are_none_with_a_reason(counts, name, reason):
    found = class_measures(counts)[name]
    assert (found.value, found.low, found.reason) == (None, None, reason)
