"""What a prediction leaves: a file of predictions, a list of bad files, a report where truth is known, words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tabulate import tabulate

from evaluation.files import write_atomically
from evaluation.options import ReportOptions
from evaluation.predictions import Predictions
from evaluation.reading.csv_text import csv_text
from evaluation.report import Report, ReportContext, write_report
from training.datasets.decode import BadImage, decode
from training.datasets.text import counted, listed, printable
from training.predict.inputs import Inputs
from training.predict.journal import Journal
from training.trained import Trained

SPLIT = "new images"


def write_table(path: Path, trained: Trained, inputs: Inputs, journal: Journal) -> Predictions | None:
    """Writes the file of predictions, the good files only.

    The columns are those of every file of predictions, `id`, `y_true` where folders name it, `p_<class>`; and
    `y_pred`, the class decided, which readers of such files pass over.

    Returns:
        The predictions where the truth is known, else None.
    """
    scores = journal.scores()
    good = np.array([row for row in range(len(inputs)) if row not in journal.bad], dtype=np.int64)
    kept, names = np.asarray(scores[good]), np.asarray(trained.class_names, dtype=object)
    ids = np.array([inputs.ids[row] for row in good], dtype=object)
    columns: dict[str, np.ndarray] = {"id": ids}
    if inputs.y_true is not None:
        columns["y_true"] = names[inputs.y_true[good]]
    if inputs.groups is not None:
        columns["group"] = inputs.groups[good]
    columns |= {f"p_{name}": kept[:, index] for index, name in enumerate(trained.class_names)}
    columns["y_pred"] = names[trained.decide(kept)]
    write_atomically(path, csv_text(columns))
    if inputs.y_true is None:
        return None
    return Predictions(
        ids=ids.astype(str),
        y_true=inputs.y_true[good],
        y_score=kept,
        labels=trained.class_names,
        positive=trained.positive,
        groups=None if inputs.groups is None else inputs.groups[good],
    )


def write_bad(path: Path, inputs: Inputs, bad: dict[int, str]) -> None:
    """Lists every file that could not be read, with the reason; no list where all could."""
    path.unlink(missing_ok=True)
    if bad:
        rows = sorted(bad)
        files = np.array([inputs.ids[row] for row in rows], dtype=object)
        reasons = np.array([bad[row] for row in rows], dtype=object)
        write_atomically(path, csv_text({"file": files, "reason": reasons}))


def report_on(folder: Path, trained: Trained, inputs: Inputs, found: Predictions, notes: list[str]) -> Report:
    """Writes `report/` beside the predictions, at the run's operating point."""
    paths = dict(zip(inputs.ids, inputs.paths, strict=True))
    settings = trained.decode

    def image_of(example: str) -> np.ndarray | None:
        try:
            return decode(
                paths[example],
                image_size=settings.image_size,
                resize=settings.resize,
                color_mode=settings.color_mode,
            )
        except (BadImage, KeyError):
            return None

    details = {"model": f"{trained.name}, {trained.model.count_params():,} parameters", "images": inputs.name}
    threshold = trained.point.threshold if trained.point else None
    if threshold is not None and not 0 <= threshold <= 1:
        notes = [*notes, f"The run's threshold, {threshold}, is no score: the report takes 0.5."]
        threshold = None
    context = ReportContext(details=details, notes=[*inputs.notes, *notes], image_of=image_of)
    options = replace(ReportOptions(), threshold=threshold)
    return write_report({SPLIT: found}, folder / "report", title=f"{trained.name}: {inputs.name}", context=context,
                        options=options)  # fmt: skip


def describe(trained: Trained, inputs: Inputs, journal: Journal, *, top_k: int, show: int) -> Iterator[str]:
    """The lines that a user reads: the first images with their classes, and how often each class was decided."""
    scores = journal.scores()
    good = [row for row in range(len(inputs)) if row not in journal.bad]
    shown, names = good[:show], trained.class_names
    table = [[printable(inputs.ids[row]), *_best(scores[row], trained, top_k)] for row in shown]
    if table:
        yield tabulate(table, headers=["image", "class", *["score"] * min(top_k, len(names))], tablefmt="plain")
    if len(good) > len(shown):
        yield f"… and {counted(len(good) - len(shown), 'image')} more"
    decided = np.bincount(trained.decide(np.asarray(scores[good])), minlength=len(names))
    order = np.argsort(decided)[::-1]
    yield "decided: " + listed((f"{names[i]} {decided[i]:,}" for i in order if decided[i]), limit=12)


def _best(row: np.ndarray, trained: Trained, top_k: int) -> list[str]:
    """The class decided, and the highest scores with their classes."""
    order = np.argsort(row)[::-1][:top_k]
    decided = trained.class_names[int(trained.decide(row[None])[0])]
    return [printable(decided), *(f"{printable(trained.class_names[i])} {100 * row[i]:.1f} %" for i in order)]
