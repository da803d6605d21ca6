"""Obuchowski–Rockette against the published analysis of Van Dyke's data, brute force and simulation."""

import numpy as np
import pytest
from scipy.stats import f as f_distribution
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from evaluation.studies.obuchowski import (
    ReadCases,
    mean_of_readers,
    model_against_readers,
    obuchowski_rockette,
    resample_readers_and_cases,
    sensitivity_at,
    specificity_at,
)
from evaluation.studies.paired import delong_covariances, mean_covariances
from evaluation.uncertainty.intervals import IntervalSettings

# Van Dyke et al. (1993), 45 abnormal and 69 normal cases: areas as published to four decimals, which fixes them as
# multiples of 1/6210; covariances by the jackknife. Chakraborty, The RJafroc book, chapter on applications of OR.
VAN_DYKE = np.round(
    np.array([[0.9196, 0.8588, 0.9039, 0.9731, 0.8298], [0.9478, 0.9053, 0.9217, 0.9994, 0.9300]]) * 6210
) / (6210)
COV1, COV2, COV3, VARIANCE = 0.00034661371, 0.00034407483, 0.00023902837, 0.00080228827
COV2_BY_MODALITY = (0.0004840, 0.0002042)


def published_covariances() -> np.ndarray:
    """Covariances of shape (2, 5, 2, 5) with the published means."""
    covariances = np.empty((2, 5, 2, 5))
    for i in range(2):
        for k in range(2):
            off, on = (COV2, VARIANCE) if i == k else (COV3, COV1)
            covariances[i, :, k, :] = off + (on - off) * np.eye(5)
    return covariances


def test_two_modalities_equal_the_published_analysis_of_van_dykes_data():
    found = obuchowski_rockette(VAN_DYKE, published_covariances())
    assert found.means == pytest.approx([0.8970, 0.9408], abs=5e-5)
    assert (found.ms_modality, found.ms_interaction) == pytest.approx((0.0047962, 5.5103062e-4), rel=1e-4)
    assert (found.cov2, found.cov3) == pytest.approx((COV2, COV3))
    assert (found.statistic, found.df, found.p) == pytest.approx((4.456, 15.26, 0.05167), rel=2e-4)
    assert 2 * found.standard_error**2 == pytest.approx(4 / 5 * (5.5103062e-4 + 5 * (COV2 - COV3)), rel=1e-4)


@pytest.mark.parametrize(
    ("modality", "error", "df", "low", "high"),
    [(0, 0.03317, 12.74, 0.8252, 0.9689), (1, 0.02157, 12.71, 0.8941, 0.9875)],
)
def test_the_mean_of_readers_equals_the_published_interval(modality, error, df, low, high):
    cov2 = COV2_BY_MODALITY[modality]
    found = mean_of_readers(VAN_DYKE[modality], np.full((5, 5), cov2) + 0.001 * np.eye(5))
    assert (found.standard_error, found.df) == pytest.approx((error, df), rel=5e-4)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_the_mean_of_three_readers_equals_a_calculation_by_hand():
    found = mean_of_readers(np.array([0.1, 0.2, 0.3]), np.array([[5, 1, 2], [1, 5, 3], [2, 3, 5]]) / 1000)
    # MS(R) = 0.01, Cov2 = 0.002, total 0.016; variance 0.016/3; df = 2 · 1.6²; F = 0.04 · 3/0.016
    assert (found.ms_reader, found.cov2, found.df) == pytest.approx((0.01, 0.002, 5.12))
    assert found.statistic == pytest.approx(7.5)
    assert found.p == pytest.approx(f_distribution.sf(7.5, 1, 5.12))
    half = student.ppf(0.975, 5.12) * (0.016 / 3) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half))


def test_a_negative_covariance_counts_as_none():
    found = mean_of_readers(np.array([0.1, 0.2, 0.3]), 0.01 * np.eye(3) - 0.004)
    assert found.cov2 == pytest.approx(-0.004)
    assert (found.standard_error**2, found.df) == pytest.approx((0.01 / 3, 2))


def test_one_model_equals_two_modalities_with_the_model_in_every_readers_place():
    rng = np.random.default_rng(1)
    figures = rng.uniform(0.7, 0.9, 6)
    covariances = np.cov(rng.normal(size=(6, 40))) / 400 + 0.001
    single = model_against_readers(figures, covariances)
    place = np.vstack([np.zeros(5, dtype=int), np.arange(1, 6)])
    double = obuchowski_rockette(figures[place], covariances[place[:, :, None, None], place[None, None]])
    assert (single.statistic, single.df, single.p) == pytest.approx((double.statistic, double.df, double.p))
    assert single.mean == pytest.approx(double.means[0] - double.means[1])
    assert single.standard_error == pytest.approx(double.standard_error)


def test_readers_who_agree_entirely_give_the_reason_and_no_p():
    alike = mean_of_readers(np.array([0.8, 0.8, 0.8]), np.full((3, 3), 0.001))
    assert (alike.p, alike.low, alike.reason) == (
        None,
        None,
        "all readers have the same value: no spread to test against",
    )
    both = obuchowski_rockette(np.array([[0.8, 0.7], [0.9, 0.8]]), np.full((2, 2, 2, 2), 0.001))
    assert both.p is None
    assert both.reason == "all readers differ alike between modalities: no spread to test against"


@pytest.mark.parametrize(
    ("figures", "covariances", "message"),
    [
        (np.ones((2, 1)), np.ones((2, 1, 2, 1)), "figures must have shape (modalities, readers), each at least 2."),
        (np.ones((2, 3)), np.ones((6, 6)), "covariances must have shape (2, 3, 2, 3). Received: (6, 6)."),
        (np.full((2, 2), np.nan), np.ones((2, 2, 2, 2)), "figures and covariances must be finite numbers."),
    ],
)
def test_impossible_arguments_are_refused(figures, covariances, message):
    with pytest.raises(ValueError) as error:
        obuchowski_rockette(figures, covariances)
    assert str(error.value).startswith(message)


def test_covariances_of_rates_equal_the_jackknife():
    values = np.random.default_rng(2).integers(0, 2, (3, 17)).astype(float)
    left_out = np.stack([np.delete(values, case, axis=1).mean(axis=1) for case in range(17)], axis=1)
    assert mean_covariances(values) == pytest.approx(np.cov(left_out) * 16**2 / 17)


def test_grouped_covariances_equal_independent_ones_where_every_case_is_its_own_group():
    rng = np.random.default_rng(3)
    positive, scores = rng.random(60) < 0.4, rng.normal(size=(3, 60)).round(1)
    own = np.array([f"patient {index}" for index in range(60)], dtype=object)
    plain, grouped = delong_covariances(positive, scores), delong_covariances(positive, scores, own)
    assert grouped[1] == pytest.approx(plain[1])
    twice = delong_covariances(np.tile(positive, 2), np.tile(scores, 2), np.tile(own, 2))
    assert twice[1] == pytest.approx(plain[1])


def test_rates_on_the_roc_follow_its_steps_conservatively():
    tp, fp = np.array([[1, 3, 3, 4]]), np.array([[0, 0, 2, 5]])
    for specificity, sensitivity in ((1.0, 0.75), (0.8, 0.75), (0.6, 0.75), (0.59, 0.75), (0.0, 1.0)):
        assert sensitivity_at(tp, fp, np.array([specificity]))[0] == sensitivity
    for sensitivity, specificity in ((0.0, 1.0), (0.25, 1.0), (0.75, 1.0), (0.76, 0.0), (1.0, 0.0)):
        assert specificity_at(tp, fp, np.array([sensitivity]))[0] == specificity
    assert sensitivity_at(tp, fp + 1, np.array([1.0]))[0] == 0
    assert np.isnan(sensitivity_at(tp, fp, np.array([np.nan]))[0])


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(30), 2)])
def test_resamples_of_ratings_equal_scikit_learn_on_repeated_cases(groups):
    rng = np.random.default_rng(4)
    positive, readings = rng.random(60) < 0.5, rng.integers(0, 5, (2, 60)).astype(float)
    readings[1, :7] = np.nan
    cases = ReadCases(positive, rng.random(60), rng.random(60) < 0.5, readings, True, groups)
    settings = IntervalSettings(replicates=100, seed=5)
    found = resample_readers_and_cases(cases, settings)
    from evaluation.uncertainty.resampling import Resampler

    counts = np.concatenate(list(Resampler(positive, groups, replicates=100, seed=5).counts()))
    picks = np.random.default_rng([5, 2]).integers(0, 2, (100, 2))
    for replicate in range(0, 100, 9):
        areas = []
        for row in readings:
            read = ~np.isnan(row)
            areas.append(roc_auc_score(positive[read], row[read], sample_weight=counts[replicate][read]))
        assert found.readers["auc"][replicate] == pytest.approx(np.mean([areas[pick] for pick in picks[replicate]]))
        model = roc_auc_score(positive, cases.score, sample_weight=counts[replicate])
        assert found.model["auc"][replicate] == pytest.approx(model)


def simulate(rng: np.random.Generator, *, readers: int, cases: int) -> tuple[np.ndarray, np.ndarray]:
    """A study in which the model is exactly as good as the mean reader (Roe & Metz): truth, and scores (1 + R, n)."""
    positive = np.arange(cases) % 2 == 0
    separation = 1.5 + 0.3 * rng.normal(size=readers)
    # The mean reader's expected area, of readers whose separation varies, fixes the model's.
    area = norm.cdf(1.5 / np.sqrt(2 + 0.3**2))
    separation = np.append(norm.ppf(area) * np.sqrt(2), separation)
    noise = np.sqrt(0.5) * rng.normal(size=cases) + np.sqrt(0.5) * rng.normal(size=(readers + 1, cases))
    return positive, separation[:, None] * positive + noise


def test_the_test_rejects_about_five_percent_under_the_null_hypothesis():
    rng, rejected = np.random.default_rng(6), 0
    for _ in range(1000):
        positive, scores = simulate(rng, readers=5, cases=100)
        rejected += model_against_readers(*delong_covariances(positive, scores)).p < 0.05
    assert 0.03 <= rejected / 1000 <= 0.07
