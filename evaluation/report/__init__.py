"""Reports: from predictions to one page that opens offline, with the same numbers as JSON, Markdown and text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.files import write_atomically
from evaluation.predictions import Predictions, RegressionPredictions


@dataclass(frozen=True)
class ReportContext:
    """What surrounds the numbers of a report.

    Attributes:
        details: Name and value of what was evaluated: model, data, digest, versions. Shown as a table.
        notes: Sentences for the end of the report.
        training_curves: A PNG of the training curves, or None.
        verdict: What the training curves say, in words, or None.
        image_of: Gives the image of an example by its id, uint8 of shape (h, w, c) or (h, w), or None.
        max_mistakes: Largest number of mistakes shown per split.
    """

    details: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    training_curves: bytes | None = None
    verdict: str | None = None
    image_of: Callable[[str], np.ndarray | None] | None = None
    max_mistakes: int = 24


@dataclass(frozen=True)
class Report:
    """A written report.

    Attributes:
        data: Every number shown, as in report.json.
        text: Table of the first split for a console.
        html_path: The page.
    """

    data: dict[str, Any]
    text: str
    html_path: Path


def write_report(
    splits: Mapping[str, Predictions | RegressionPredictions],
    output_dir: str | Path,
    *,
    title: str,
    context: ReportContext | None = None,
) -> Report:
    """Writes index.html, report.json, report.md and figures/ (PNG and SVG) into a folder.

    Everything is computed before the first file is written, and every file appears whole or not at all.

    Args:
        splits: Predictions by the split's name, such as {"test": …, "validation": …}; the first is shown first.
        output_dir: The folder; created where it is missing.
        title: Heading of the report.
        context: Details, notes, training curves and images.

    Returns:
        The report.

    Raises:
        ValueError: If `splits` is empty.
        OSError: If the folder cannot be written.

    Example:
        >>> report = write_report({"test": predictions}, "report", title="Breast cancer")
        >>> print(report.text)
    """
    from evaluation.report.figures import split_figures
    from evaluation.report.markdown import render_markdown
    from evaluation.report.numbers import report_numbers
    from evaluation.report.page import render_page
    from evaluation.report.text import render_text

    if not splits:
        raise ValueError("splits must hold at least one split. Received: none.")
    context = context or ReportContext()
    data = report_numbers(splits, title=title, context=context)
    figures = {name: split_figures(name, predictions, data["splits"][name]) for name, predictions in splits.items()}
    files: dict[str, bytes | str] = {
        "report.json": _to_json(data),
        "report.md": render_markdown(data, figures),
    }
    for figure in (one for group in figures.values() for one in group):
        files[f"figures/{figure.name}.png"] = figure.png
        files[f"figures/{figure.name}.svg"] = figure.svg
    if context.training_curves:
        files["figures/training-curves.png"] = context.training_curves
    files["index.html"] = render_page(data, figures, context)
    folder = Path(output_dir)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomically(folder / name, content)
    return Report(data, render_text(data), folder / "index.html")


def _to_json(data: dict[str, Any]) -> str:
    """Strict JSON; indented unless a large confusion matrix would fill a line per cell."""
    large = any(len(split.get("labels", ())) > 50 for split in data["splits"].values())
    return json.dumps(data, indent=None if large else 1, ensure_ascii=False, allow_nan=False) + "\n"
