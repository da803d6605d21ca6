"""Estimates as report.json holds them: plain values, null with a reason where a number is undefined or infinite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation.uncertainty.intervals import Estimate


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """An estimate with every key that the schema asks for.

    Args:
        estimate: The number. An infinite one, which JSON cannot hold, becomes null with a reason; its lower limit
            stays.

    Returns:
        {"estimate", "low", "high", "method", "numerator", "denominator", "reason", "note"}.
    """
    value, reason = estimate.value, estimate.reason
    if value is not None and math.isinf(value):
        value, reason = None, f"infinite: {reason or 'its denominator is 0'}"
    return {
        "estimate": plain(value),
        "low": plain(estimate.low),
        "high": plain(estimate.high),
        "method": estimate.method,
        "numerator": plain(estimate.numerator),
        "denominator": plain(estimate.denominator),
        "reason": reason,
        "note": estimate.note,
    }


def optional_json(estimate: Estimate | None) -> dict[str, Any] | None:
    """An estimate, or null where the number does not apply."""
    return None if estimate is None else estimate_json(estimate)


def plain(value: Any) -> Any:
    """A NumPy or Python number as JSON holds it: whole numbers as integers, null for what is not finite."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else None


def plain_tree(value: Any) -> Any:
    """Mappings, sequences and arrays of such numbers, at any depth, as JSON holds them."""
    if isinstance(value, Mapping):
        return {str(key): plain_tree(one) for key, one in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    return [plain_tree(one) for one in value] if isinstance(value, (list, tuple)) else plain(value)


def numbers_json(values: Any) -> list[Any]:
    """A sequence of numbers as JSON holds it; infinity becomes null."""
    return [plain(value) for value in np.asarray(values).tolist()]
