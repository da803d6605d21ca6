"""Small predictions that several tests share."""

from __future__ import annotations

import numpy as np

from evaluation.predictions import Predictions, RegressionPredictions


def ids(n: int) -> np.ndarray:
    """Names of n examples."""
    return np.array([f"case-{index}" for index in range(n)], dtype=object)


def binary(n: int = 60, seed: int = 0, labels: tuple[str, str] = ("benign", "malignant")) -> Predictions:
    """Two classes, scored fairly well."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, n)
    score = np.clip(0.3 * rng.normal(size=n) + 0.3 + 0.4 * y_true, 0, 1)
    return Predictions(ids(n), y_true, np.column_stack([1 - score, score]), labels, labels[1])


def several(n: int = 120, k: int = 4, seed: int = 0, labels: tuple[str, ...] | None = None) -> Predictions:
    """K classes, of which the last never occurs."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k - 1, n)
    names = labels or tuple("abcdefghijklmnopqrstuvwxyz"[:k])
    score = rng.dirichlet(np.ones(k), n) + 0.3 * np.eye(k)[y_true]
    return Predictions(ids(n), y_true, score / score.sum(axis=1, keepdims=True), names, None)


def regression(n: int = 50, seed: int = 0) -> RegressionPredictions:
    """A number, predicted with noise."""
    rng = np.random.default_rng(seed)
    y_true = rng.normal(size=n)
    return RegressionPredictions(ids(n), y_true, y_true + 0.2 * rng.normal(size=n))
