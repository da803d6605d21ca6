"""Rankings against scikit-learn's curves, and placements against all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from evaluation.metrics import ranking as module
from evaluation.metrics.class_rankings import merged_negatives
from evaluation.metrics.ranking import opposite, placements, rank

QUICK = settings(deadline=None, derandomize=True, max_examples=40)


@st.composite
def examples(draw, low=0.0, high=1.0):
    """Truth with both kinds, scores that tie often, weights some of which are 0."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n = draw(st.integers(2, 80))
    y_true = rng.permutation(np.append([0, 1], rng.integers(0, 2, n - 2)))
    y_score = rng.uniform(low, high, n).round(draw(st.integers(0, 4)))
    weights = rng.uniform(0.1, 3, n) * np.where(np.arange(n) % 5 == 4, 0, 1)
    weights[[np.argmax(y_true), np.argmin(y_true)]] = 1.0
    return y_true, y_score, weights


def roc_counts(data, weighted=False):
    """Points of scikit-learn's ROC curve as counts, without the one at infinity."""
    y_true, y_score, weights = data
    weights = weights if weighted else np.ones(len(y_true))
    fpr, tpr, thresholds = metrics.roc_curve(y_true, y_score, sample_weight=weights, drop_intermediate=False)
    fp, tp = fpr * weights[y_true == 0].sum(), tpr * weights[y_true == 1].sum()
    return (fp[1:], tp[1:], thresholds[1:]) if weighted else (fp[1:].round(), tp[1:].round(), thresholds[1:])


@QUICK
@given(examples(), st.sampled_from([1, 2, 5, 1 << 14]))
def test_counts_of_every_threshold_equal_scikit_learn(data, chunk):
    y_true, y_score, _ = data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KEYS_PER_CHUNK", chunk)
        ranking = rank(y_true, y_score)
    fp, tp, thresholds = roc_counts(data)
    np.testing.assert_array_equal(ranking.thresholds, thresholds)
    np.testing.assert_array_equal((ranking.tp, ranking.fp), (tp, fp))


@QUICK
@given(examples(-3, 5))
def test_scores_of_any_range_and_weights_equal_scikit_learn(data):
    y_true, y_score, weights = data
    for weighted in (False, True):
        ranking = rank(y_true, y_score, weights=weights if weighted else None)
        fp, tp, thresholds = roc_counts(data, weighted)
        np.testing.assert_array_equal(ranking.thresholds, thresholds)
        np.testing.assert_allclose((ranking.tp, ranking.fp), (tp, fp), atol=1e-12)


def test_neighbouring_doubles_and_the_ends_of_the_range_keep_their_order():
    y_score = np.array([0.0, 5e-324, 1e-300, 0.5, np.nextafter(0.5, 1), np.nextafter(1, 0), 1.0, np.nextafter(2, 0)])
    ranking = rank(np.array([1, 0, 1, 0, 1, 0, 1, 0]), y_score)
    np.testing.assert_array_equal(ranking.thresholds, y_score[::-1])
    np.testing.assert_array_equal(ranking.tp, [0, 1, 1, 2, 2, 3, 3, 4])


@pytest.mark.parametrize("shift", [0.0, -1.0])
def test_minus_zero_is_zero(shift):
    ranking = rank(np.array([1, 0, 0]), np.array([0.0, -0.0, shift]))
    assert (ranking.thresholds[0], ranking.tp[0]) == (0.0, 1)
    assert ranking.fp[0] == (2 if shift == 0 else 1)


@QUICK
@given(examples(0, 2), st.booleans())
def test_placements_are_shares_of_pairs(data, weighted):
    y_true, y_score, weights = data
    weights = weights if weighted else np.ones(len(y_true))
    order = np.sign(y_score[:, None] - y_score[None, :]) * np.where(y_true[:, None] == 1, 1, -1)
    other = (y_true[:, None] != y_true[None, :]) * weights
    expected = ((order + 1) / 2 * other).sum(axis=1) / other.sum(axis=1)
    found = placements(y_true, y_score, weights=weights if weighted else None)
    np.testing.assert_allclose(found[weights > 0], expected[weights > 0], atol=1e-12)


@QUICK
@given(examples())
def test_the_opposite_ranks_the_negatives_by_one_minus_the_score(data):
    y_true, y_score, _ = data
    found, expected = opposite(rank(y_true, y_score)), rank(y_true == 0, 1 - y_score)
    np.testing.assert_array_equal(found.thresholds, expected.thresholds)
    np.testing.assert_array_equal((found.tp, found.fp), (expected.tp, expected.fp))
    assert (found.positives, found.negatives) == (expected.positives, expected.negatives)


def test_merging_negatives_keeps_the_thresholds_of_positives():
    merged = merged_negatives(rank(np.array([0, 0, 1, 0, 0, 1, 0, 0]), np.linspace(0.8, 0.1, 8)))
    np.testing.assert_allclose(merged.thresholds, [0.7, 0.6, 0.4, 0.3, 0.1])
    np.testing.assert_array_equal((merged.tp, merged.fp), ([0, 1, 1, 2, 2], [2, 2, 4, 4, 6]))


def test_nothing_has_an_empty_ranking():
    for weights in (None, np.array([])):
        ranking = rank(np.array([], dtype=bool), np.array([]), weights=weights)
        assert (len(ranking.thresholds), ranking.positives, ranking.negatives) == (0, 0, 0)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (rank, ([0, 1], [0.5]), "y_true_binary and y_score must be of one shape (n,). Received: (2,) and (1,)."),
        (rank, ([0, 1], [0.5, np.nan]), "y_score must hold numbers. Received: NaN at index 1."),
        (
            placements,
            ([1, 1], [0.1, 0.2]),
            "placements need examples of both kinds. Received: 2 positives and 0 negatives.",
        ),
    ],
)
def test_what_cannot_be_ranked_is_refused(function, arguments, message):
    with pytest.raises(ValueError) as error:
        function(*(np.array(argument) for argument in arguments))
    assert str(error.value) == message
