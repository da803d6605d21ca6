"""The parts of a search's page: what was compared, how it went, what mattered, all trials, and those that failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.report.tables import Cell, Table
from training.tuning import figures
from training.tuning.importance import FOLDS, REPEATS
from training.tuning.report import Material, Part, drawn
from training.tuning.table import Row, fixed
from training.words import in_words

Figure = tuple[str, str, str, bool]


def parts(material: Material) -> list[Part]:
    """Everything below the verdict, in order; what cannot be made is left out or says why."""
    shown = [_comparison(material)] if material.conclusion else []
    if material.ranked:
        shown += [_progress(material), _importance(material), _slices(material), _parallel(material)]
    return [*shown, _trials(material), *([_failed(material)] if _failures(material) else [])]


def details(material: Material) -> Table:
    """What was searched, with what, and where."""
    config, record = material.config, material.record
    hardware, versions = record.get("hardware", {}), record.get("versions", {})
    seeds = f"{config.folds} folds" if config.folds else f"trainings of each trial: {config.seeds}"
    entries = {
        "search": material.run.path.name,
        "algorithm": f"{config.algorithm}, seed {config.seed}, {seeds}",
        "space": config.space or f"of {config.model} (training/tuning/spaces.py); see space.yaml",
        "objective": f"{config.goal[0]} ({config.goal[1]}) at the epoch that {config.monitor} chose",
        "epochs of a trial": str(record.get("resolved", {}).get("epochs", "")),
        "ended": " – ".join(str(record[key]) for key in ("ended", "why") if record.get(key)),
        "sittings": str(1 + len(record.get("resumed", []))),
        "trial outside of fit": _seconds(record.get("seconds_outside_fit_per_trial")),
        "data SHA-256": record.get("data", {}).get("digest", ""),
        "hardware": f"{hardware.get('processor', '')}, {hardware.get('cores', '')} cores, workers {config.workers}",
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items()),
    }
    return Table("Details", ("Detail", "Value"), list(entries.items()), text_columns=2)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s in the mean"


def _comparison(material: Material) -> Part:
    """The finalists and the default by seed."""
    found: Mapping[str, Any] = material.conclusion or {}
    header = ("Setting", "Mean ± standard deviation", *(f"Seed {seed}" for seed in found["seeds"]))
    rows = [
        [one["name"], _cell(one["mean"], one["spread"]), *(_cell(value) for value in one["values"])]
        for one in found["candidates"]
    ]
    notice = (
        "The best trials and the setting before the search, each trained anew with the same seeds: compare within a "
        "column, where order and initial weights have the same seed. Intervals are Student's, of paired differences."
    )
    caution = "Validation chose among the trials and judges here too; the test set was read for the winner alone."
    reports = len(material.record.get("final_runs", []))
    if reports > 1:
        caution += (
            f" So far {reports} winners were tested, since the search was made longer: a result on test that was seen "
            "between two sittings may have had a say in going on."
        )
    table = Table(f"{found['objective']} on validation", header, rows)
    return Part("comparison", "Best against default", notice, tables=[table], caution=caution)


def _cell(value: float | None, spread: float | None = None) -> Cell:
    return Cell("failed") if value is None else Cell(fixed(value, spread), key=value)


def _figure(material: Material, title: str, alt: str, draw: Any, *given: Any) -> Figure:
    name, direction = material.config.goal
    return title, alt, drawn(draw, *given, direction, name), True


def _progress(material: Material) -> Part:
    best = material.ranked[0]
    ends = [row for row in material.rows if row.ended_seconds is not None]
    later = sum(row.number > best.number for row in ends)
    notice = (
        f"The best score came with trial {best.number}; {later} later trials did not beat it. A line that still climbs "
        "at its right end asks for more trials; one that has long been flat says that more of the same will not help."
    )
    alt = f"Scores of {len(material.ranked)} trials and the best so far, over trials and over minutes."
    figure = _figure(material, "Every trial, and the best so far", alt, figures.progress_figure, material.rows)
    return Part("progress", "How the search went", notice, [figure])


def _importance(material: Material) -> Part:
    found = material.importances
    if not found.entries:
        return Part("importance", "What mattered", caution=found.reason[0].upper() + found.reason[1:])
    clear = [one.name for one in found.entries if one.is_clear]
    notice = (
        f"A random forest explains {100 * (found.explained or 0):.0f}% of the order of trials that it did not see. "
        + (f"More than chance have {', '.join(clear)}. " if clear else "None of them does more than chance. ")
        + "Grey bars are no larger than those of shuffled columns. A parameter without importance may still matter "
        "outside the range that was searched."
    )
    alt = "Importance of each hyperparameter: " + ", ".join(f"{one.name} {one.mean:.2f}" for one in found.entries) + "."
    picture = drawn(figures.importance_figure, found)
    caution = (
        f"Permutation importance on held-out trials, {REPEATS} divisions into {FOLDS} parts; black lines span the "
        "divisions. Two parameters that share an effect share the importance."
    )
    title = "Importance of the hyperparameters"
    return Part("importance", "What mattered", notice, [(title, alt, picture, True)], caution=caution)


def _slices(material: Material) -> Part:
    alt = "Score of every trial against the values of each hyperparameter: " + ", ".join(material.names) + "."
    notice = (
        "The most important first, where that is known. A good value lifts the whole cloud and its median (black), not "
        "only its highest point; the star is the best trial. Points on the lower or upper edge lie beyond the axis. "
        "Where the star stands at the end of a range, widen it."
    )
    title = "Score against each hyperparameter"
    figure = _figure(material, title, alt, figures.slices_figure, material.rows, material.names)
    return Part("slices", title, notice, [figure])


def _parallel(material: Material) -> Part:
    best = material.ranked[0]
    values = ", ".join(f"{name} {figures.short(best.point[name])}" for name in material.names if name in best.point)
    notice = (
        "A line is a trial; its height on an axis is the value it had there. Where the bright lines run together, good "
        f"trials agree; where they spread, the value did not matter. The best, trial {best.number}, is red: {values}."
    )
    shown = min(len(material.names), figures.AXES_IN_PARALLEL)
    if shown < len(material.names):
        notice += f" Shown are {shown} of {len(material.names)} hyperparameters."
    alt = f"One line for each of {len(material.ranked)} trials over {shown} hyperparameters."
    title = "Trials over all hyperparameters"
    figure = _figure(material, title, alt, figures.parallel_figure, material.rows, material.names)
    return Part("parallel", title, notice, [figure])


def _trials(material: Material) -> Part:
    header = ("Trial", "Status", "Score", "Trainings", "Time", "Epochs", "Parameters", *material.names)
    rows = [_trial(row, material) for row in [*material.ranked, *_unranked(material)]]
    note = "A click on a heading sorts. The same, with seeds, stands in trials.csv."
    table = Table(f"{len(rows)} trials, the best first", header, rows, text_columns=2, note=note, sortable=True)
    return Part("trials", "All trials", tables=[table])


def _unranked(material: Material) -> list[Row]:
    ranked = {row.number for row in material.ranked}
    return [row for row in material.rows if row.number not in ranked]


def _trial(row: Row, material: Material) -> list[str | Cell]:
    score = Cell("–") if row.score is None else Cell(fixed(row.score, row.spread), key=row.score)
    seconds = Cell("–") if row.seconds is None else Cell(in_words(row.seconds), key=row.seconds)
    counts = [Cell("–") if one is None else Cell(f"{one:,}", key=one) for one in (row.epochs, row.parameters)]
    trainings = Cell("–") if row.n is None else Cell(str(row.n), key=row.n)
    return [str(row.number), row.status, score, trainings, seconds, *counts, *(_value(row, n) for n in material.names)]


def _value(row: Row, name: str) -> str | Cell:
    """A value as the trial had it; numbers sort as such."""
    text = row.point.get(name)
    if text is None:
        return Cell("–")
    numbers = figures.as_numbers([text])
    return str(text) if numbers is None else Cell(f"{numbers[0]:.4g}", key=numbers[0])


def _failures(material: Material) -> list[Row]:
    return [row for row in material.rows if row.reason]


def _failed(material: Material) -> Part:
    failed = [row for row in _failures(material) if row.status != "stopped"]
    stopped = [str(row.number) for row in _failures(material) if row.status == "stopped"]
    notice = "A reason that comes again and again marks a part of the space that should be left out. " if failed else ""
    if stopped:
        notice += f"Stopped, because they were worse than most others at the same epoch: trials {', '.join(stopped)}."
    header = ("Trial", "Status", "Reason", "Setting")
    rows = [[str(row.number), row.status, row.reason, _words(row)] for row in failed]
    tables = [Table("Why", header, rows, text_columns=len(header))] if rows else []
    return Part("failed", "Trials that failed or were stopped", notice, tables=tables)


def _words(row: Row) -> str:
    return ", ".join(
        f"{name} {figures.short(value)}" for name, value in row.point.items() if not name.startswith("tuner/")
    )
