"""Which case the measurement proposes, on synthetic features whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from training.datasets.dataset import DataError
from transfer.bottleneck.probes import Probe, ProbeSettings, _folds, _half, probe, thumbnails
from transfer.similarity import paired, propose


def labels(n: int, classes: int = 3) -> np.ndarray:
    return np.arange(n) % classes


def made(y: np.ndarray, signal: float, width: int = 12, seed: int = 0) -> np.ndarray:
    """Noise, and a column per class that its examples raise by `signal`."""
    x = np.random.default_rng(seed).normal(size=(len(y), width)).astype(np.float32)
    x[np.arange(len(y)), y] += signal
    return x


def cuts(y: np.ndarray, early: float, middle: float, late: float) -> dict[str, np.ndarray]:
    signals = {"early": early, "middle": middle, "late": late}
    return {name: made(y, signal, seed=seed) for seed, (name, signal) in enumerate(signals.items())}


@pytest.mark.parametrize(("n", "large"), [(39, False), (40, True), (150, True)])
@pytest.mark.parametrize(("signals", "similar"), [((0.5, 1.5, 6.0), True), ((6.0, 1.5, 0.5), False)])
def test_the_best_cut_decides_similarity_and_the_examples_per_class_the_size(n, large, signals, similar):
    y = labels(n)
    found = propose(cuts(y, *signals), y)  # 12 features: 13 per class are small, more are large
    assert (found.large, found.similar) == (large, similar)
    assert found.case == {(False, True): 1, (False, False): 2, (True, True): 3, (True, False): 4}[large, similar]


def test_cuts_that_cannot_be_told_apart_count_as_similar():
    y = labels(90)
    same = made(y, 2.0)
    assert propose({"early": same, "late": same}, y).similar
    perfect = propose(cuts(y, 30.0, 30.0, 30.0), y)
    assert perfect.similar and perfect.numbers["best"] == "late"


def test_features_no_better_than_raw_pixels_or_the_largest_class_are_different():
    y = labels(120)
    useless = propose({"early": np.ones((120, 4)), "late": np.ones((120, 4))}, y)
    assert (
        not useless.similar
        and "Different: late is not clearly better than largest class (+0.0 ± 0.0 points)" in useless.why
    )
    good = cuts(y, 0.5, 1.0, 2.0)
    assert propose(good, y).similar
    told = propose(good, y, pixels=made(y, 6.0, seed=9))
    assert not told.similar and "not clearly better than pixels" in told.why


def test_the_paragraph_holds_every_number():
    y = labels(90)
    found = propose(cuts(y, 0.5, 1.5, 6.0), y)
    assert "\n" not in found.why
    assert found.why.startswith("Case 3, a large data set, similar to the old one. 90 training images of 3 classes: ")
    for name, cut in found.numbers["cuts"].items():
        assert f"{name} {100 * cut['accuracy']:.1f} ± {100 * cut['spread']:.1f} %" in found.why
    assert "Similar: no cut is better than late. Large: 30 images per class, more than the 13 up to" in found.why
    assert "With half the images late reaches" in found.why


def test_the_probe_is_scikit_learns_own_cross_validation():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = labels(60)
    x = made(y, 1.5)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    expected = cross_val_score(model, x.astype(float), y, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    np.testing.assert_allclose(probe({"late": x}, y).cuts[0].accuracies, expected)


def test_the_standard_error_of_a_paired_difference():
    first, second = (Probe("x", 1, np.array(values)) for values in ([0.9, 0.8, 0.7, 0.8], [0.6, 0.7, 0.6, 0.5]))
    found = paired(first, second)  # differences 0.3, 0.1, 0.1, 0.3: variance 0.04 / 3
    assert found.mean == pytest.approx(0.2)
    assert found.error == pytest.approx((0.04 / 3 * (1 / 4 + 1 / 3)) ** 0.5)


def test_groups_stay_in_one_fold_and_are_what_counts_for_the_size():
    groups = np.repeat(np.arange(30), 6)
    y = groups % 3
    for train, test in _folds(y, groups, ProbeSettings()):
        assert not set(groups[train]) & set(groups[test])
    half = _half(y, groups, 0)
    assert len(half) == 90 and not set(groups[half]) & set(np.delete(groups, half))
    found = propose(cuts(y, 0.5, 1.0, 6.0), y, groups=groups.astype(str))
    assert not found.large and "Small: 10 groups per class" in found.why


def test_identities_of_patients_do_not_pass_for_knowledge_of_classes():
    groups = np.repeat(np.arange(40), 5)
    y = np.random.default_rng(0).permutation(np.arange(40) % 2)[groups]
    x = np.random.default_rng(1).normal(size=(40, 30))[groups]  # tells patients apart, nothing else
    assert probe({"late": x}, y).cuts[0].mean > 0.95
    assert probe({"late": x}, y, groups=groups).cuts[0].mean < 0.75


def test_a_class_too_small_for_the_folds_lowers_their_number_and_one_example_is_left_out():
    y = np.concatenate([labels(60), [3, 3, 3], [4]])
    found = probe({"late": made(y, 3.0)}, y, class_names=["a", "b", "c", "rare", "single"])
    assert (found.folds, found.probed) == (3, 63)
    assert found.notes == ("Left out of the probes, with one example each: single.",)


def test_one_class_or_single_examples_are_refused_with_the_way_out():
    for y in (np.zeros(20, int), np.array([0] * 20 + [1])):
        with pytest.raises(DataError, match=r"two classes with at least two examples .* yourself with --case"):
            propose({"late": made(y, 1.0)}, y)


def test_features_that_are_not_finite_are_named():
    y = labels(30)
    found = cuts(y, 1.0, 1.0, 1.0)
    found["middle"][7, 2] = np.nan
    with pytest.raises(
        DataError, match=r"Features of cut middle are not finite in 1 example of 30, the first in row 7"
    ):
        propose(found, y)


def test_features_with_positions_and_other_lengths_are_refused():
    y = labels(30)
    with pytest.raises(DataError, match=r"pooled to \(n, width\). Received: late of shape \(30, 2, 6\)"):
        propose({"late": made(y, 1.0).reshape(30, 2, 6)}, y)
    with pytest.raises(DataError, match=r"must have one length. Received: {'late': 30, 'y': 29}"):
        propose({"late": made(y, 1.0)}, y[1:])


def test_a_large_set_is_probed_on_a_stratified_subset_but_counted_whole():
    y = np.repeat([0, 1], [3000, 1000])
    found = propose({"late": made(y, 3.0)}, y, settings=ProbeSettings(max_examples=400))
    assert (found.numbers["n"], found.numbers["probed"], found.numbers["per_class"]) == (4000, 400, 2000)
    assert found.numbers["baseline"]["accuracy"] == pytest.approx(0.75)
    assert ", 400 of them probed:" in found.why


def test_thumbnails_are_means_of_cells(rng):
    images = rng.integers(0, 256, (3, 16, 24, 2)).astype(np.uint8)
    expected = images.reshape(3, 8, 2, 8, 3, 2).mean(axis=(2, 4)).reshape(3, -1)
    np.testing.assert_allclose(thumbnails(images, batch_size=2), expected, rtol=1e-5)
    assert thumbnails(images[:, :5, :5]).shape == (3, 5 * 5 * 2)
