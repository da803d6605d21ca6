"""What a case ends with: curves, verdict, predictions, report and manifest."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.report import Report
from evaluation.uncertainty.intervals import wilson_limits
from training.checks import TrainingDiverged
from training.diagnostics import FEWEST_EPOCHS, Verdict, diagnose, draw_curves
from training.finish import baseline_of, clues_of
from training.predictions import predict_run
from training.results import report_run
from training.run import Run
from transfer.choice import Choice
from transfer.config import TransferConfig, training_config
from transfer.fitting.casework import Trained, Work
from transfer.fitting.sections import sections_of


@dataclass(frozen=True)
class TransferResult:
    """What a run ended with.

    Attributes:
        run: The run directory.
        choice: The case, and why.
        accuracy: Of the best epoch's network on the validation images, 0…1; None where no epoch was finished.
        correct, total: What was counted.
        seconds: Of training; those of computing features, once for all cases, stand in `transfer.features` of run.json.
        trainable: Weights that were trained, at most.
        history: Columns of `history.csv`, one value per epoch of all phases.
        best_epoch: Epoch of the saved weights, from 1.
        verdict: What the curves say.
        report: Numbers, text and path of the report; None where no epoch was finished.
        ended: `finished`, `stopped early`, `interrupted` (Ctrl-C) or `terminated` (SIGTERM).
    """

    run: Run
    choice: Choice
    accuracy: float | None
    correct: int
    total: int
    seconds: float
    trainable: int
    history: Mapping[str, list[float]]
    best_epoch: int
    verdict: Verdict
    report: Report | None
    ended: str

    @classmethod
    def of(cls, run: Run, choice: Choice, report: Report) -> TransferResult:
        """The result of a run that ended before, from its files."""
        record = run.read_record()
        correct, total = known_accuracy(record)
        verdict = Verdict(record["verdict"]["kind"], record["verdict"]["epoch"], record["verdict"]["text"])
        return cls(
            run,
            choice,
            correct / total,
            correct,
            total,
            float(record["seconds"]),
            int(record["transfer"]["trainable"]),
            read_history(run.history),
            int(record["best_epoch"]),
            verdict,
            report,
            str(record["ended"]),
        )

    @property
    def limits(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy."""
        return wilson_limits(self.correct, self.total)

    @property
    def text(self) -> str:
        """One line for the user: the validation accuracy with its interval."""
        if self.accuracy is None:
            return "validation accuracy: none, no epoch was finished"
        low, high = (100 * limit for limit in self.limits)
        return (
            f"validation accuracy {100 * self.accuracy:.1f}% ({self.correct:,} of {self.total:,} images, 95% interval "
            f"{low:.1f}% to {high:.1f}%)"
        )


def finish_case(work: Work, trained: Trained, choice: Choice, reported: Sequence[str]) -> TransferResult:
    """Curves, verdict, predictions, report and manifest.

    Args:
        work: The case.
        trained: What its phases left.
        choice: Why this case.
        reported: Splits that are predicted and reported: `validation`, and `test` unless a choice is still to come.

    Raises:
        TrainingDiverged: The loss was lost.
    """
    run, watch, data = work.run, trained.watch, work.source.data
    verdict = _verdict(work, trained)
    _draw(work, trained, verdict)
    seconds = run.read_record().get("seconds", 0.0)
    run.update_record(
        seconds=round(seconds, 1),
        reported=list(reported),
        verdict={"kind": verdict.kind, "epoch": verdict.epoch, "text": verdict.text},
        model=f"{work.config.backbone}, case {work.case.name}",
        details=_details(work, trained),
        transfer=run.read_record()["transfer"] | _facts(work, trained),
    )
    correct, total, report = 0, len(data.validation), None
    if watch.best.epoch and not watch.guard.where:
        found = predict_run(run, data, reported)
        correct = count_correct(found["validation"])
        run.update_record(validation={"correct": correct, "total": total})
        report = write_report(work.config, work, choice, found)
    run.write_manifest()
    if watch.guard.where:
        raise TrainingDiverged(_divergence(work, trained))
    return TransferResult(
        run,
        choice,
        correct / total if report else None,
        correct,
        total,
        round(seconds, 1),
        trained.trainable,
        watch.writer.history,
        watch.best.epoch,
        verdict,
        report,
        trained.ended,
    )


def write_report(config: TransferConfig, work: Work, choice: Choice, found: Mapping[str, Any]) -> Report:
    """The report of all predicted splits, test first, with the sections of a transfer."""
    order = {name: found[name] for name in ("test", "validation") if name in found}
    return report_run(
        work.run,
        training_config(config),
        work.source.data,
        order,
        sections=sections_of(work, choice, full="test" in found),
    )


def count_correct(predictions: Any) -> int:
    """Examples whose highest score is that of their class."""
    return int((predictions.y_score.argmax(axis=1) == predictions.y_true).sum())


def _verdict(work: Work, trained: Trained) -> Verdict:
    """What the curves of the last phase say: phases differ in what is trained, and in augmentation."""
    watch, phases = trained.watch, trained.phases
    if not watch.epochs:
        return Verdict("too few epochs", 0, "no epoch was finished.")
    first = max(phase["first_epoch"] for phase in phases if phase["first_epoch"] <= watch.epochs) - 1
    settings = training_config(work.config)
    history = {name: watch.writer.history[name][first:] for name in ("loss", "val_loss", "accuracy")}
    data = work.source.data
    verdict = diagnose(history, baseline_loss=baseline_of(settings, data), clues=clues_of(data))
    if len(trained.phases) == 1 or len(history["loss"]) < FEWEST_EPOCHS:
        return verdict
    name = trained.phases[-1]["name"]
    text = f"in the phase {name}, whose first epoch is {first + 1}: {verdict.text}" if first else verdict.text
    return dataclasses.replace(verdict, epoch=verdict.epoch + first, text=text)


def _draw(work: Work, trained: Trained, verdict: Verdict) -> None:
    """Curves of all phases with the borders between them."""
    if not trained.watch.epochs:
        return
    phases = [phase for phase in trained.phases if phase["first_epoch"] <= trained.watch.epochs]
    draw_curves(
        trained.watch.writer.history,
        verdict,
        work.run.curves,
        title=f"{work.config.backbone} on {work.config.dataset}, case {work.case.name}",
        best=trained.watch.best.epoch,
        borders=[(phase["first_epoch"], phase["name"]) for phase in phases] if len(phases) > 1 else (),
    )


def _facts(work: Work, trained: Trained) -> dict[str, Any]:
    """What `run.json` says of the case and of the features."""
    last = trained.phases[-1]
    facts: dict[str, Any] = {
        "title": work.case.title,
        "cut": work.case.cut,
        "initialisation": work.case.initialisation,
        "frozen_up_to": last["frozen_up_to"],
        "frozen_layers": last["frozen_layers"],
        "trainable": trained.trainable,
    }
    if any(step.cached for step in work.steps):
        facts["features"] = {name: _feature_facts(one) for name, one in work.source.features.items()}
    return facts


def _feature_facts(found: Any) -> dict[str, Any]:
    """Where features came from, and what they cost."""
    return {
        "key": found.key,
        "seconds": round(found.seconds, 3),
        "from_cache": found.from_cache,
        "megabytes": round(found.array.nbytes / 1e6, 3),
        "note": found.note,
    }


def _details(work: Work, trained: Trained) -> dict[str, str]:
    """Lines for the report's table of what was evaluated."""
    facts = work.run.read_record()["transfer"]
    digest = f"SHA-256 {facts['weights_digest'][:12]}…"
    return {
        "case": f"{work.case.name}: {work.case.title}",
        "pre-trained weights": f"{facts['weights']}, {digest}, licence {facts['licence']}",
        "weights trained": f"{trained.trainable:,}, at most",
    }


def _divergence(work: Work, trained: Trained) -> str:
    watch, rate = trained.watch, trained.phases[-1]["learning_rate"]
    best, last = watch.best.epoch, len(trained.phases) == len(work.steps)
    flag = "--learning-rate" if last else "--head-learning-rate"
    kept = f"the weights of epoch {best} are kept in {work.run.model}" if best else "no epoch was finished before"
    return (
        f"the loss became NaN or infinite in {watch.guard.where}; {kept}. Try to lower {flag} (it was {rate:g}), or "
        "look for extreme inputs."
    )


def known_accuracy(record: Mapping[str, Any]) -> tuple[int, int]:
    """Correct and total of a run's validation images, as its `run.json` keeps them."""
    found = record.get("validation", {})
    return int(found.get("correct", 0)), int(found.get("total", 0))


def read_history(path: Path) -> dict[str, list[float]]:
    """Columns of a whole `history.csv`."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return {name: [float(row[place]) for row in rows] for place, name in enumerate(header)}
