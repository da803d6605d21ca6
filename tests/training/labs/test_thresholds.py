"""Thresholds in their small form, and the numbers against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from tests.training.labs.small import small
from training.labs.thresholds import LAB, ThresholdParameters, _carried


def test_the_claims_hold_in_the_small_form():
    findings = small(LAB)
    assert list(findings.numbers["rates"]) == ["0.5", "0.25"]
    assert all(0.6 < area < 0.95 for area in findings.numbers["auc"])


def test_carrying_a_test_to_a_screening_is_weighing_its_people(rng):
    truth = (rng.random(400) < 0.4).astype(int)
    scores = np.clip(0.3 * truth + 0.7 * rng.random(400), 0, 1)
    called, weights = scores >= 0.5, np.where(truth == 1, 0.01 / truth.mean(), 0.99 / (1 - truth.mean()))
    found = _carried(truth, scores, ThresholdParameters(prevalence=0.01))
    assert found["clinic"] == pytest.approx(precision_score(truth, called))
    assert found["screening"] == pytest.approx(precision_score(truth, called, sample_weight=weights))
    assert recall_score(truth, called, sample_weight=weights) == pytest.approx(recall_score(truth, called))
