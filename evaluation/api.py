"""The door for Python: arrays of any framework in, a report out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.options import ReportOptions
    from evaluation.reading.arrays import ExampleColumns
    from evaluation.reading.options import ReadOptions
    from evaluation.report import Report


def evaluate(
    y_true: Any,
    y_score: Any,
    *,
    labels: Any = None,
    positive: str | None = None,
    columns: ExampleColumns | None = None,
    options: ReportOptions | None = None,
    reading: ReadOptions | None = None,
) -> Report:
    """Evaluates scores against the truth.

    Args:
        y_true: True classes, shape (n,): names, or integers that count `labels` from 0.
        y_score: Probabilities: shape (n,) for the positive one of two classes, or (n, K), rows summing to 1. Lists,
            NumPy, pandas, and arrays of other frameworks on the CPU.
        labels: The K class names, in the order of the columns; by default the sorted names in y_true, or "0", "1", ….
        positive: Two classes: the condition looked for; by default the second label.
        columns: Ids, groups (patients), weights, subgroups and picture files of the examples.
        options: Operating point, prevalence and intervals.
        reading: Whether the scores are logits, and what becomes of missing ones.

    Returns:
        The report: `.data` holds every number, `.text` a table for the console, and `.save(folder)` writes index.html,
        report.json, report.md and figures/; a notebook shows the page.

    Raises:
        PredictionsError: If the arrays contradict one another; the message names index, value and reason.

    Example:
        >>> report = evaluate([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], labels=["benign", "malignant"])
        >>> report.data["splits"]["predictions"]["per_class"][1]["auc"]["estimate"]
        0.75
        >>> report.save("report").html_path
        PosixPath('report/index.html')
    """
    from evaluation.pictures import picture_finder
    from evaluation.reading.arrays import predictions_from_arrays
    from evaluation.report import ReportContext, build_report

    predictions = predictions_from_arrays(
        y_true, y_score, labels=labels, positive=positive, columns=columns, options=reading
    )
    context = ReportContext(image_of=picture_finder(predictions, Path.cwd()))
    return build_report({"predictions": predictions}, title="Evaluation", context=context, options=options)
