"""Predictions in, report out: the room that any framework's predictions may enter.

It reads a file of predictions (or takes arrays), computes exact numbers with their intervals and denominators, and
writes a report that its user can defend. It imports no other room and no deep-learning framework; the two names
below load their modules when they are first used, so that `python -m evaluation --help` is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.predictions import read_predictions
    from evaluation.report import write_report

__all__ = ["read_predictions", "write_report"]

_HOMES = {"read_predictions": "evaluation.predictions", "write_report": "evaluation.report"}


def __getattr__(name: str) -> Any:
    """Loads a public function's module on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'evaluation' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
