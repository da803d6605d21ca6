"""Predictions in, report out: the room that any framework's predictions may enter.

It reads a file of predictions (or takes arrays), computes exact numbers with their intervals and denominators, and
writes a report that its user can defend. It imports no other room and no deep-learning framework; the names
below load their modules when they are first used, so that `python -m evaluation --help` is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.api import evaluate
    from evaluation.options import ReportOptions
    from evaluation.predictions import read_predictions
    from evaluation.reading.arrays import ExampleColumns
    from evaluation.reading.options import ReadOptions
    from evaluation.report import write_report
    from evaluation.uncertainty.intervals import IntervalSettings

__all__ = [
    "ExampleColumns",
    "IntervalSettings",
    "ReadOptions",
    "ReportOptions",
    "evaluate",
    "read_predictions",
    "write_report",
]

_HOMES = {
    "ExampleColumns": "evaluation.reading.arrays",
    "IntervalSettings": "evaluation.uncertainty.intervals",
    "ReadOptions": "evaluation.reading.options",
    "ReportOptions": "evaluation.options",
    "evaluate": "evaluation.api",
    "read_predictions": "evaluation.predictions",
    "write_report": "evaluation.report",
}


def __getattr__(name: str) -> Any:
    """Loads a public function's module on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'evaluation' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
