"""Logits as probabilities, for models with one logit and with several."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from evaluation.explain.gradients import scores_of


def probabilities(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Softmax of the logits; of one logit sigmoid, and its complement first.

    Args:
        logits: `(n, K)`.

    Returns:
        `(n, max(2, K))`, rows sum to 1.
    """
    return np.exp(log_softmax(both_logits(logits), axis=1))


def both_logits(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """`(n, K)` float64; one logit becomes two, the first of them 0."""
    values = np.asarray(logits, dtype=np.float64)
    return np.concatenate([np.zeros_like(values), values], axis=1) if values.shape[1] == 1 else values


def margins(logits: NDArray[np.floating], class_index: NDArray[np.integer]) -> NDArray[np.float64]:
    """The log-odds of a class against all others, `(n,)`: positive where it has more than half of the probability."""
    values = both_logits(logits)
    others = values.copy()
    others[np.arange(len(values)), class_index] = -np.inf
    return values[np.arange(len(values)), class_index] - logsumexp(others, axis=1)


def scores(logits: NDArray[np.float32], class_index: NDArray[np.int32], kind: str) -> NDArray[np.float64]:
    """The probability or the logit of a class in each row, `(n,)`."""
    if kind == "logit":
        return scores_of(logits, class_index).astype(np.float64)
    return probabilities(logits)[np.arange(len(logits)), class_index]
