"""Operating points against a search over every threshold, and the table against counting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix
from sklearn.metrics import roc_curve as scikit_learn_roc

from evaluation.metrics.confusion import MEASURES
from evaluation.metrics.ranking import rank
from evaluation.metrics.thresholds import choose_operating_point, counts_at, threshold_table
from evaluation.uncertainty.intervals import IntervalSettings, proportion

VALIDATION = "the validation examples"


@st.composite
def samples(draw):
    """Truth with both classes, and scores with ties."""
    n = draw(st.integers(2, 40))
    truth = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda t: 0 < sum(t) < len(t))))
    return truth, np.array(draw(st.lists(st.integers(0, 10), min_size=n, max_size=n))) / 10


def every_threshold(truth, score):
    """(threshold, sensitivity, specificity) by counting."""
    return [
        (threshold, float((score[truth] >= threshold).mean()), float((score[~truth] < threshold).mean()))
        for threshold in sorted(set(score.tolist()))
    ]


@given(samples(), st.sampled_from([0.1, 0.5, 0.75, 0.8, 0.9, 1.0]))
@settings(max_examples=80, deadline=None)
def test_required_rates_are_reached_at_the_least_cost_in_the_other(sample, required):
    table, ranking = every_threshold(*sample), rank(*sample)
    point = choose_operating_point(ranking, "sensitivity", required=required, chosen_on=VALIDATION)
    best = max((sp, se, threshold) for threshold, se, sp in table if se >= required)
    assert point.threshold == best[2]
    specific = [(se, sp, threshold) for threshold, se, sp in table if sp >= required]
    if specific:
        point = choose_operating_point(ranking, "specificity", required=required, chosen_on=VALIDATION)
        assert point.threshold == max(specific)[2]
    else:
        with pytest.raises(ValueError, match="no threshold reaches a specificity of"):
            choose_operating_point(ranking, "specificity", required=required, chosen_on=VALIDATION)


@given(samples(), st.sampled_from([0.1, 1.0, 5.0]), st.sampled_from([None, 0.02, 0.5]))
@settings(max_examples=80, deadline=None)
def test_youden_and_cost_take_the_best_threshold_and_the_more_specific_of_equals(sample, ratio, prevalence):
    table, ranking = every_threshold(*sample), rank(*sample)
    youden = choose_operating_point(ranking, "youden", chosen_on=VALIDATION)
    assert youden.threshold == max((round(se + sp, 9), sp, threshold) for threshold, se, sp in table)[2]
    cost = choose_operating_point(ranking, "cost", cost_ratio=ratio, prevalence=prevalence, chosen_on=VALIDATION)
    share = sample[0].mean() if prevalence is None else prevalence
    expected = min(
        (round(share * (1 - se) * ratio + (1 - share) * (1 - sp), 9), -sp, threshold) for threshold, se, sp in table
    )
    assert cost.threshold == expected[2]
    assert cost.prevalence == pytest.approx(share)


def test_youden_equals_scikit_learns_curve_on_many_scores():
    rng = np.random.default_rng(0)
    truth = rng.random(5000) < 0.3
    score = np.clip(0.3 + 0.2 * truth + 0.2 * rng.normal(size=5000), 0, 1)
    false_alarms, hits, thresholds = scikit_learn_roc(truth, score, drop_intermediate=False)
    found = choose_operating_point(rank(truth, score), "youden", chosen_on=VALIDATION)
    assert found.threshold == thresholds[np.argmax(hits - false_alarms)]


TRUTH = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1], dtype=bool)
SCORE = np.array([0.1, 0.2, 0.3, 0.4, 0.7, 0.35, 0.6, 0.7, 0.8, 0.9])


def test_the_sentence_names_rule_examples_and_numbers():
    point = choose_operating_point(rank(TRUTH, SCORE), "sensitivity", required=0.8, chosen_on=VALIDATION)
    assert point.why == (
        "On the validation examples it gives the highest specificity with a sensitivity of at least 0.8: sensitivity "
        "0.800 (4 of 5) and specificity 0.800 (4 of 5)."
    )
    assert (point.threshold, point.rule, point.exploratory, point.required) == (0.6, "sensitivity", False, 0.8)


def test_a_threshold_chosen_on_the_same_examples_is_called_exploratory_and_optimistic():
    point = choose_operating_point(rank(TRUTH, SCORE), "youden", chosen_on="the same examples")
    assert (point.threshold, point.exploratory) == (0.6, True)
    assert point.why == (
        "On the same examples it gives the largest Youden index (sensitivity + specificity − 1 = 0.600): "
        "sensitivity 0.800 (4 of 5) and specificity 0.800 (4 of 5). It was chosen on the same examples that it is "
        "reported on, so it is exploratory (STARD 2015, item 12a) and the numbers at it are optimistic."
    )


def test_the_cost_sentence_says_when_calling_nothing_positive_would_cost_less():
    ranking = rank(~TRUTH, SCORE)
    point = choose_operating_point(ranking, "cost", cost_ratio=2, prevalence=0.01, chosen_on=VALIDATION)
    assert point.threshold == 0.9
    assert "where a missed case costs 2 times a false alarm and the prevalence is 0.010 (given)" in point.why
    assert "(calling nothing positive would cost less, 0.020)" in point.why


@pytest.mark.parametrize("rule", ["given", "default"])
def test_given_and_default_thresholds_are_chosen_on_no_examples(rule):
    point = choose_operating_point(rank(TRUTH, SCORE), rule, threshold=0.25, chosen_on="given")
    assert (point.threshold, point.exploratory) == (0.25 if rule == "given" else 0.5, False)
    assert "not chosen on" in point.why


@pytest.mark.parametrize(
    ("rule", "arguments", "message"),
    [
        ("given", {}, "rule 'given' needs threshold, a finite number. Received: threshold=None."),
        (
            "sensitivity",
            {"required": 1.2},
            "rule 'sensitivity' needs required, above 0 and at most 1, such as 0.95. Received: 1.2.",
        ),
        ("cost", {"cost_ratio": 0}, "rule 'cost' needs cost_ratio, a number above 0. Received: cost_ratio=0."),
        ("cost", {"cost_ratio": 1, "prevalence": 1}, "prevalence must be between 0 and 1. Received: prevalence=1."),
        (
            "best",
            {},
            "rule must be one of given, default, youden, sensitivity, specificity, cost. Received: 'best'.",
        ),
    ],
)
def test_impossible_rules_are_refused(rule, arguments, message):
    with pytest.raises(ValueError) as error:
        choose_operating_point(rank(TRUTH, SCORE), rule, chosen_on=VALIDATION, **arguments)
    assert str(error.value) == message


def test_a_specificity_that_no_threshold_reaches_is_refused_with_the_counts():
    with pytest.raises(ValueError) as error:
        choose_operating_point(rank(~TRUTH, SCORE), "specificity", required=0.9, chosen_on=VALIDATION)
    assert str(error.value) == (
        "no threshold reaches a specificity of 0.9: even the highest score, 0.9, calls 1 of 5 negatives positive. "
        "Require less."
    )


def test_one_kind_of_examples_chooses_nothing():
    with pytest.raises(ValueError, match="Received: no positive ones. Give a threshold, or choose it on other"):
        choose_operating_point(rank(np.zeros(3, dtype=bool), SCORE[:3]), "youden", chosen_on=VALIDATION)


@given(samples(), st.sampled_from([0.0, 0.3, 0.55, 1.0]))
@settings(max_examples=60, deadline=None)
def test_the_table_counts_as_scikit_learn_does_with_distinct_ascending_thresholds(sample, around):
    truth, score = sample
    rows = threshold_table(rank(truth, score), IntervalSettings(), around=around)
    thresholds = [row.threshold for row in rows]
    assert thresholds == sorted(set(thresholds))
    assert "operating point" in next(row.name for row in rows if row.threshold == around)
    for row in rows:
        expected = confusion_matrix(truth, score >= row.threshold, labels=[False, True]).ravel().tolist()
        assert [row.counts.tn, row.counts.fp, row.counts.fn, row.counts.tp] == expected


def test_a_row_has_every_measure_with_its_interval():
    rows = threshold_table(rank(TRUTH, SCORE), IntervalSettings(), around=0.5)
    row = next(row for row in rows if row.threshold == 0.5)
    assert row.name == "operating point; default"
    assert tuple(row.measures) == MEASURES
    assert row.measures["sensitivity"] == proportion(4, 5)


def test_the_table_gives_no_intervals_where_examples_depend_on_one_another():
    rows = threshold_table(rank(TRUTH, SCORE), IntervalSettings(), around=0.5, independent=False)
    sensitivity = next(row for row in rows if row.threshold == 0.5).measures["sensitivity"]
    assert (sensitivity.value, sensitivity.low, sensitivity.method) == (0.8, None, None)
    assert sensitivity.note.startswith("no interval: examples are grouped or weighted")


def test_the_table_of_one_class_keeps_the_rows_that_exist():
    rows = threshold_table(rank(np.ones(4, dtype=bool), SCORE[:4]), IntervalSettings(), around=0.2)
    assert [row.name for row in rows] == ["operating point", "default"]


def test_weighted_counts_are_sums_of_weights():
    weights = np.linspace(0.5, 2, 10)
    counts = counts_at(rank(TRUTH, SCORE, weights=weights), 0.5)
    called = SCORE >= 0.5
    assert counts.tp == pytest.approx(weights[TRUTH & called].sum())
    assert counts.fp == pytest.approx(weights[~TRUTH & called].sum())
    assert counts.fn == pytest.approx(weights[TRUTH & ~called].sum())
