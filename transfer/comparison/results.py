"""What each of the notes' four cases reached on one data set: in words, and as CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluation.files import write_all
from evaluation.report.markdown import escape
from evaluation.report.words import count, listed, percent, points
from transfer.cases import CASES

SCHEMA = 1
BEST, PROPOSED = "★ best on validation", "▶ proposed by the measurement"


@dataclass(frozen=True)
class CaseResult:
    """What one case reached on the validation images.

    Attributes:
        case: `1`, `2`, `3`, `4a` or `4b`.
        title: What it does, in few words.
        accuracy: On validation, 0…1; NaN where the training diverged.
        low, high: Its 95% Wilson interval.
        correct, total: What was counted.
        seconds: Of the training, without reading the data.
        trainable: Weights that were trained, at most.
        run: Where its run stands.
        proposed: Whether the measurement on the training images proposed it.
    """

    case: str
    title: str
    accuracy: float
    low: float
    high: float
    correct: int
    total: int
    seconds: float
    trainable: int
    run: str
    proposed: bool

    def __post_init__(self) -> None:
        """Refuses a case that the notes do not have, and numbers that contradict one another."""
        if self.case not in CASES:
            raise ValueError(f"case must be one of {', '.join(CASES)}. Received: case={self.case!r}.")
        if self.is_known and not 0 <= self.low <= self.accuracy <= self.high <= 1:
            received = f"{self.low}, {self.accuracy}, {self.high}"
            raise ValueError(f"low, accuracy and high must ascend between 0 and 1. Received: {received}.")

    @property
    def is_known(self) -> bool:
        """Whether there is an accuracy."""
        return math.isfinite(self.accuracy)


def best_cases(results: Sequence[CaseResult]) -> list[str]:
    """Names of the cases with the highest accuracy on validation: several where they are equal."""
    known = [one for one in results if one.is_known]
    highest = max((one.accuracy for one in known), default=math.nan)
    return [one.case for one in known if one.accuracy == highest]


def verdict(results: Sequence[CaseResult]) -> str:
    """Which case is the best, and whether the proposed one is among the best, in words with the numbers.

    Args:
        results: At least one.
    """
    best = best_cases(results)
    if not best:
        return "No case reached an accuracy: every training diverged."
    first = next(one for one in results if one.case == best[0])
    were = f"case {best[0]}" if len(best) == 1 else f"cases {listed(best)} alike"
    text = f"Best on validation: {were}, {share(first)}."
    proposed = [one for one in results if one.proposed]
    if not proposed:
        return text
    names = listed([one.case for one in proposed])
    if any(one.case in best for one in proposed):
        return (
            f"{text} The measurement had proposed case {names}: it is {'the' if len(best) == 1 else 'among the'} best."
        )
    own = max(proposed, key=lambda one: one.accuracy if one.is_known else -1.0)
    if not own.is_known:
        return f"{text} The measurement had proposed case {names}, whose training diverged."
    behind = points(own.accuracy - first.accuracy)
    return f"{text} The measurement had proposed case {names}, which reached {share(own)}: {behind} percentage points."


def write_cases(results: Sequence[CaseResult], folder: Path) -> tuple[Path, Path, Path]:
    """Writes `cases.csv`, `cases.json` and `cases.md`: all of them or none.

    Args:
        results: One for each case that was trained.
        folder: Where they go; created where it is missing.

    Returns:
        The three files.

    Raises:
        ValueError: If there are no results, or two of the same case.
        OSError: If the folder cannot be written.
    """
    check_cases(results)
    rows = quadrant_table(results)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    record = {"schema": SCHEMA, "split": "validation", "confidence": 0.95, "cases": rows, "verdict": verdict(results)}
    files = {
        "cases.csv": text.getvalue(),
        "cases.json": json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "cases.md": f"{cases_markdown(results)}\n\n{escape(verdict(results))}\n",
    }
    write_all(folder, files)
    csv_path, json_path, markdown_path = (folder / name for name in files)
    return csv_path, json_path, markdown_path


def quadrant_table(results: Sequence[CaseResult]) -> list[dict[str, Any]]:
    """The fields of each result as plain values, and whether it is the best; an unknown accuracy is None."""
    best = best_cases(results)
    numbers = ("accuracy", "low", "high")
    unknown: dict[str, Any] = dict.fromkeys(numbers)
    return [asdict(one) | ({} if one.is_known else unknown) | {"best": one.case in best} for one in _sorted(results)]


def cases_markdown(results: Sequence[CaseResult]) -> str:
    """A table of the results for a page or a README."""
    from tabulate import tabulate

    best = best_cases(results)
    header = ("case", "what is done", "validation accuracy (95% interval)", "n", "weights trained", "time", "", "run")
    rows = [
        (one.case, escape(one.title), share(one), counts(one), f"{one.trainable:,}", duration(one))
        + (", ".join(_marks(one, best)), escape(one.run))
        for one in _sorted(results)
    ]
    align = ("left", "left", "right", "right", "right", "right", "left", "left")
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=align)


def check_cases(results: Sequence[CaseResult]) -> None:
    """Refuses nothing to show, and a case that is there twice."""
    names = [one.case for one in results]
    if not names:
        raise ValueError("results must hold at least one case. Received: none.")
    if len(set(names)) < len(names):
        raise ValueError(f"every case may have one result. Received: {', '.join(names)}.")


def _sorted(results: Sequence[CaseResult]) -> list[CaseResult]:
    """In the order of the notes."""
    return sorted(results, key=lambda one: list(CASES).index(one.case))


def _marks(one: CaseResult, best: Sequence[str]) -> list[str]:
    """What is to be said of a result beside its numbers."""
    return [*([BEST] if one.case in best else []), *([PROPOSED] if one.proposed else [])]


def share(one: CaseResult) -> str:
    """Accuracy with its interval."""
    if not one.is_known:
        return "none: diverged"
    return f"{percent(one.accuracy)} ({percent(one.low).rstrip('%')}–{percent(one.high).rstrip('%')})"


def counts(one: CaseResult) -> str:
    """What was counted."""
    return f"{count(one.correct)} of {count(one.total)}"


def duration(one: CaseResult) -> str:
    """How long the training took."""
    return f"{one.seconds:,.0f} s" if one.seconds >= 10 else f"{one.seconds:.1f} s"
