"""Several of the notes' cases on the same data: a run each, ranked on validation; test for the best one alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.files import write_atomically
from evaluation.uncertainty.intervals import wilson_limits
from training.checks import TrainingDiverged
from training.datasets.dataset import DataError
from training.predictions import predict_run
from training.results import REPORTED, relative
from training.run import Run, RunError, new_run, open_run
from training.unfinished import DONE, is_reported
from transfer.cases import CASES
from transfer.choice import Choice, measure
from transfer.comparison.group import read_group, update_group
from transfer.comparison.page import group_page
from transfer.comparison.quadrant import CaseResult, draw_quadrant, verdict, write_cases
from transfer.config import TransferConfig, for_case, to_yaml, with_absolute_paths
from transfer.finetune import TASK, begin, complete
from transfer.fitting.casework import Work
from transfer.fitting.outcome import TransferResult, known_accuracy, write_report
from transfer.resume import resume_run
from transfer.source import Source, load_source

VALIDATION = ("validation",)
STOPPED = ("interrupted", "terminated")


@dataclass(frozen=True)
class GroupResult:
    """What the cases ended with.

    Attributes:
        folder: Of the group: figure, tables and a page that links the runs.
        results: One for each case that was trained.
        best: The run of the best case on validation, its test set read once; None where the training was cut.
        ended: `finished`, `interrupted` or `terminated`.
    """

    folder: Path
    results: tuple[CaseResult, ...]
    best: TransferResult | None
    ended: str

    @property
    def text(self) -> str:
        """A line for each case, and the verdict."""
        lines = [f"case {one.case}: {_accuracy(one)}, {one.title} ({one.run})" for one in self.results]
        return "\n".join([*lines, *([verdict(self.results)] if self.best else [])])


def transfer_cases(config: TransferConfig) -> GroupResult:
    """Trains every case that the settings name.

    Args:
        config: All settings; `case` names several (`all`, `4`). Features are computed once for all of them.

    Raises:
        ConfigError, DataError, OSError: As `transfer.finetune.transfer`. A case that diverges is said in the table.
    """
    config = with_absolute_paths(config)
    source = load_source(config)
    folder = new_run(config.runs_dir, TASK, config.backbone, f"{config.dataset}-{config.case}").path
    write_atomically(folder / "config.yaml", to_yaml(config))
    update_group(folder, case=config.case, runs={}, ended="running", **_began_with(source))
    return _train(folder, config, source)


def go_on_with_cases(folder: Path, config: TransferConfig) -> GroupResult:
    """Goes on with a group: complete cases are kept, the one that was cut goes on, the rest follow.

    Raises:
        As `transfer_cases`; RunError where another process is at work, or data or weights are others than before.
    """
    source, known = load_source(config), read_group(folder)
    for name, found in _began_with(source).items():
        if known.get(name, found) != found:
            what = name.removesuffix("_digest")
            raise RunError(
                f"the {what} of {folder.name} changed: SHA-256 {found[:12]}… where its cases began with "
                f"{known[name][:12]}…, and cases on different {what} do not compare. Restore what they began with, or "
                "start anew."
            )
    return _train(folder, config, source)


def _began_with(source: Source) -> dict[str, str]:
    """What all cases of a group have in common."""
    return {"data_digest": source.data.digest, "weights_digest": source.weights_digest}


def _train(folder: Path, config: TransferConfig, source: Source) -> GroupResult:
    """All cases of a group, in order."""
    with Run(folder).lock():
        update_group(folder, ended="running")
        proposal = read_group(folder).get("proposal")
        if proposal is None:
            proposal = _measured(source)
            computed = not all(one.from_cache for one in source.features.values())
            update_group(folder, proposal=proposal, feature_seconds=source.feature_seconds if computed else None)
        done: dict[str, TransferResult | None] = {}
        for case in config.cases:
            own = for_case(config, case)
            _say(config, f"\ncase {case.name}: {case.title}")
            result = _one(folder, own, source, Choice(case, proposal, "as asked (all cases)"))
            done[case.name] = result
            if result is not None and result.ended in STOPPED:
                update_group(folder, ended=result.ended)
                return GroupResult(folder, _results(folder, config, proposal), None, result.ended)
        return _finish(folder, config, source, proposal)


def _measured(source: Source) -> dict[str, Any] | None:
    """What the chooser would propose; it decides nothing here, so data that it refuses is no reason to stop."""
    try:
        return measure(source)
    except DataError as error:
        _say(source.config, f"note: no case is proposed: {error}")
        return None


def _one(folder: Path, config: TransferConfig, source: Source, choice: Choice) -> TransferResult | None:
    """Trains one case, or goes on with it; None where it is complete already, or its loss was lost."""
    known = _member(folder, choice.case.name)
    try:
        with _run_of(folder, config, source, choice) if known is None else _opened(known) as run:
            if known is None:
                return complete(run, config, source, choice=choice, reported=VALIDATION)
            if _is_done(run):
                _say(config, f"complete: {relative(run.path)}")
                return None
            return resume_run(run, config, source, reported=VALIDATION)
    except TrainingDiverged as error:
        _say(config, f"note: {error}")
        return None


@contextmanager
def _run_of(folder: Path, config: TransferConfig, source: Source, choice: Choice) -> Iterator[Run]:
    """A new run of the group."""
    with begin(config, source, group=folder.name, reported=list(VALIDATION)) as run:
        runs = read_group(folder)["runs"]
        update_group(folder, runs=runs | {choice.case.name: run.path.name})
        yield run


@contextmanager
def _opened(path: Path) -> Iterator[Run]:
    """A run of the group that began before."""
    run = open_run(path)
    with run.lock():
        yield run


def _member(folder: Path, case: str) -> Path | None:
    """Where the run of a case stands, if it began; one that was removed begins anew."""
    name = read_group(folder)["runs"].get(case)
    path = folder.parent / str(name)
    return path if name and (path / "run.json").is_file() else None


def _is_done(run: Run) -> bool:
    """Whether nothing is left to do: reported, or diverged."""
    record = run.read_record()
    return record.get("ended") == "diverged" or (record.get("ended") in DONE and is_reported(run))


def _results(folder: Path, config: TransferConfig, proposal: Mapping[str, Any] | None) -> tuple[CaseResult, ...]:
    """One result for each case that is complete, from its run."""
    found = []
    for case in config.cases:
        path = _member(folder, case.name)
        if path is None or not _is_done(Run(path)):
            continue
        record = Run(path).read_record()
        correct, total = known_accuracy(record)
        low, high = wilson_limits(correct, total) if total else (math.nan, math.nan)
        found.append(
            CaseResult(
                case.name,
                case.title,
                correct / total if total else math.nan,
                low,
                high,
                correct,
                total,
                float(record.get("seconds", 0.0)),
                int(record["transfer"].get("trainable", 0)),
                path.name,
                proposal is not None and proposal["case"] == case.number,
            )
        )
    return tuple(found)


def _finish(folder: Path, config: TransferConfig, source: Source, proposal: Mapping[str, Any] | None) -> GroupResult:
    """Reports the best case on test too, and writes the figure, the tables and the page."""
    results = _results(folder, config, proposal)
    ranked = [one for one in results if one.is_known]
    best = None
    if ranked:  # of equal accuracies the one that trained fewer weights
        chosen = min(ranked, key=lambda one: (-one.accuracy, one.trainable))
        best = _report_best(folder, config, source, chosen)
    title = f"{config.backbone} on {Path(config.data_dir).name if config.data_dir else config.dataset}"
    if results:
        write_cases(results, folder)
        draw_quadrant(results, folder / "quadrant.png", title=title)
    seconds = read_group(folder).get("feature_seconds")
    page = group_page(
        results, title=title, why=proposal["why"] if proposal else None, best=best, feature_seconds=seconds
    )
    write_atomically(folder / "index.html", page)
    update_group(folder, ended="finished", best=best.choice.case.name if best else None)
    return GroupResult(folder, results, best, "finished")


def _report_best(folder: Path, config: TransferConfig, source: Source, one: CaseResult) -> TransferResult:
    """The full report of the best case, test included: validation has chosen, nothing is chosen any more."""
    path = folder.parent / one.run
    with _opened(path) as run:
        case = CASES[one.case]
        own = for_case(config, case)
        record = run.read_record()
        choice = Choice(case, record["transfer"].get("proposal"), "best of all on validation")
        run.update_record(reported=list(REPORTED))
        report = write_report(own, Work(source, own, case, run), choice, predict_run(run, source.data))
        run.write_manifest()
        return TransferResult.of(run, choice, report)


def _accuracy(one: CaseResult) -> str:
    return f"{100 * one.accuracy:.1f}% ({one.correct:,} of {one.total:,})" if one.is_known else "diverged"


def _say(config: TransferConfig, text: str) -> None:
    if config.verbose != "silent":
        print(text, flush=True)
