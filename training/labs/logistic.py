"""The sigmoid and the log-loss of one unit, written out for the labs that look inside."""

from __future__ import annotations

import numpy as np


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + e⁻ᶻ), without overflow."""
    return np.exp(-np.logaddexp(0, -z))


def log_loss(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean of −ln P(truth) of a unit without a bias, in nats.

    Args:
        weights: `(…, features)`, at many places at once.
        x: Points `(n, features)`.
        y: Classes `(n,)`, 0 or 1.

    Returns:
        `(…,)`.
    """
    return np.mean(np.logaddexp(0, -(2 * y - 1) * (weights @ x.T)), axis=-1)


def mistakes(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points that the step of such a unit misclassifies, `(…,)`; arguments as for `log_loss`."""
    return np.sum((weights @ x.T >= 0) != y, axis=-1)


def with_one(x: np.ndarray) -> np.ndarray:
    """The inputs with a constant one, whose weight is the bias: `(n, features + 1)`."""
    return np.column_stack([np.asarray(x, dtype=float), np.ones(len(x))])
