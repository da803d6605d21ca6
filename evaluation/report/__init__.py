"""Reports: from predictions to one page that opens offline, with the same numbers as JSON, Markdown and text."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.files import write_all
from evaluation.options import ReportOptions
from evaluation.predictions import Predictions, RegressionPredictions
from evaluation.report.sections import Section, sections_json

if TYPE_CHECKING:
    from evaluation.studies.readers import Readers


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
        sections: What else the report shows, between the training and the methods.
    """

    details: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    training_curves: bytes | None = None
    verdict: str | None = None
    image_of: Callable[[str], np.ndarray | None] | None = None
    max_mistakes: int = 24
    sections: Sequence[Section] = ()


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        data: Every number shown, as in report.json (evaluation/report/schema.json describes it).
        text: Table of the first split for a console.
        files: Content of every file by its name, such as "index.html" and "figures/test-roc.png".
        folder: Where the report was saved; None before.
    """

    data: dict[str, Any]
    text: str
    files: Mapping[str, bytes | str] = field(repr=False)
    folder: Path | None = None

    @property
    def html_path(self) -> Path:
        """The page of a saved report; ValueError before."""
        if self.folder is None:
            raise ValueError("the report has not been saved, so it has no page. Call save(folder) first.")
        return self.folder / "index.html"

    def save(self, output_dir: str | Path) -> Report:
        """Writes all files into a folder, which is created where it is missing.

        Nothing in the folder changes before every file has been written under another name, so that a full disk
        leaves the old report.

        Args:
            output_dir: The folder.

        Returns:
            The report with its folder.

        Raises:
            OSError: If the folder cannot be written.
        """
        folder = Path(output_dir)
        write_all(folder, self.files)
        return replace(self, folder=folder)

    def _repr_html_(self) -> str:
        """The page inside a notebook."""
        page = self.files["index.html"]
        text = page.decode("utf-8") if isinstance(page, bytes) else page
        source = html.escape(text, quote=True)
        return f'<iframe srcdoc="{source}" style="width:100%;height:80vh;border:1px solid #ccc"></iframe>'


def build_report(
    splits: Mapping[str, Predictions | RegressionPredictions],
    *,
    title: str,
    context: ReportContext | None = None,
    options: ReportOptions | None = None,
    compared: Mapping[str, Predictions] | None = None,
    readers: Readers | None = None,
) -> Report:
    """Computes a report and renders its page, tables and figures; nothing is written.

    Args:
        splits: Predictions by the split's name, such as {"test": …, "validation": …}; the first is shown first. An
            operating point that a rule chooses is chosen on the split named "validation".
        title: Heading of the report.
        context: Details, notes, training curves and images.
        options: Operating point, prevalence and intervals.
        compared: Other models' predictions of the first split's examples, by name; each is compared with each.
        readers: Decisions or ratings of people about the first split's examples.

    Returns:
        The report.

    Raises:
        ValueError: If `splits` is empty, or an operating point cannot be chosen as asked.
        PredictionsError: If models or readers do not speak of the same examples.

    Example:
        >>> report = build_report({"test": predictions}, title="Breast cancer")
        >>> print(report.text)
    """
    from evaluation.report.figures import comparison_figures, split_figures
    from evaluation.report.markdown import render_markdown
    from evaluation.report.numbers import ReportInput, report_numbers
    from evaluation.report.page import render_page
    from evaluation.report.text import render_text

    if not splits:
        raise ValueError("splits must hold at least one split. Received: none.")
    context, options = context or ReportContext(), options or ReportOptions()
    data = report_numbers(ReportInput(splits, compared or {}, readers), title=title, context=context, options=options)
    data["sections"], pictures = sections_json(context.sections)
    figures = {
        name: split_figures(name, data["splits"][name], predictions=predictions) for name, predictions in splits.items()
    }
    first = next(iter(splits.values()))
    if compared and isinstance(first, Predictions):
        models = {title: first, **compared}
        figures["comparison"] = comparison_figures(data, models)
    files: dict[str, bytes | str] = {"report.json": _to_json(data), "report.md": render_markdown(data, figures)}
    for figure in (one for group in figures.values() for one in group):
        files[f"figures/{figure.name}.png"] = figure.png
        files[f"figures/{figure.name}.svg"] = figure.svg
    if context.training_curves:
        files["figures/training-curves.png"] = context.training_curves
    files |= {name: picture.content for name, picture in pictures.items()}
    files["index.html"] = render_page(data, figures, context, pictures=pictures)
    return Report(data, render_text(data), files)


def write_report(
    splits: Mapping[str, Predictions | RegressionPredictions],
    output_dir: str | Path,
    *,
    title: str,
    context: ReportContext | None = None,
    options: ReportOptions | None = None,
    compared: Mapping[str, Predictions] | None = None,
    readers: Readers | None = None,
) -> Report:
    """Builds a report and writes index.html, report.json, report.md and figures/ (PNG and SVG) into a folder.

    Everything is computed before the first file is written. Arguments and errors are those of `build_report` and
    `Report.save`.

    Args:
        splits: Predictions by the split's name.
        output_dir: The folder; created where it is missing.
        title: Heading of the report.
        context: Details, notes, training curves and images.
        options: Operating point, prevalence and intervals.
        compared: Other models' predictions of the same examples.
        readers: People's decisions about the same examples.

    Returns:
        The report.

    Example:
        >>> report = write_report({"test": predictions}, "report", title="Breast cancer")
        >>> print(report.text)
    """
    report = build_report(splits, title=title, context=context, options=options, compared=compared, readers=readers)
    return report.save(output_dir)


def _to_json(data: dict[str, Any]) -> str:
    """Strict JSON; indented unless a large confusion matrix would fill a line per cell."""
    large = any(len(split.get("labels", ())) > 50 for split in data["splits"].values())
    return json.dumps(data, indent=None if large else 1, ensure_ascii=False, allow_nan=False) + "\n"
