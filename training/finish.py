"""What a run ends with: curves, verdict, predictions, report and manifest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluation.predictions import Predictions, write_predictions
from evaluation.report import Report
from training.callbacks import BestModel, HistoryWriter, StopOnNonFinite
from training.checkpoint import load_model
from training.checks import TrainingDiverged
from training.config import TrainConfig
from training.datasets.dataset import Dataset
from training.diagnostics import Clues, Verdict, baseline_loss, best_epoch, diagnose, draw_curves, loss_floor
from training.finalfit import VERDICT
from training.predictions import LogitScorer, predict_run
from training.results import report_run, reported_splits
from training.run import Run
from training.views import predict_views, views_section


@dataclass(frozen=True)
class Watch:
    """The callbacks that remember what happened."""

    guard: StopOnNonFinite
    writer: HistoryWriter
    best: BestModel

    @property
    def epochs(self) -> int:
        """Epochs that were finished."""
        return len(self.writer.history.get("loss", ()))


@dataclass(frozen=True)
class RunResult:
    """What a run ended with.

    Attributes:
        run: The run directory.
        history: Columns of `history.csv`, one value per epoch.
        best_epoch: Epoch of the saved weights, from 1.
        verdict: What the curves say.
        report: Numbers, text and path of the report; None where no epoch was finished.
        ended: `finished`, `stopped early`, `interrupted` (Ctrl-C) or `terminated` (SIGTERM).
        is_chief: False in a worker process that leaves all files to another one.
    """

    run: Run
    history: Mapping[str, list[float]]
    best_epoch: int
    verdict: Verdict
    report: Report | None
    ended: str
    is_chief: bool = True


def finish(config: TrainConfig, data: Dataset, run: Run, watch: Watch, ended: str) -> RunResult:
    """Curves, verdict, predictions, report and manifest; raises where the loss was lost."""
    history, best, guard = watch.writer.history, watch.best, watch.guard
    verdict = Verdict("too few epochs", 0, "no epoch was finished.")
    if watch.epochs and config.final_fit:
        verdict = Verdict("final fit", watch.epochs, VERDICT)
    elif watch.epochs:
        floor = loss_floor(data.num_classes, config.label_smoothing)
        verdict = diagnose(history, baseline_loss=baseline_of(config, data), floor=floor, clues=clues_of(data))
    if watch.epochs:
        marked = 0 if config.final_fit else best.epoch  # the last epoch of a final fit is none that was chosen
        draw_curves(history, verdict, run.curves, title=f"{config.model} on {config.dataset}", best=marked)
        run.update_record(verdict={"kind": verdict.kind, "epoch": verdict.epoch, "text": verdict.text})
    report = _report(run, config, data) if best.epoch and not guard.where else None
    run.write_manifest()
    if guard.where:
        raise TrainingDiverged(_divergence_message(config, run, guard, best))
    chosen = best.epoch if config.final_fit else best_epoch(history, config.monitor)
    return RunResult(run, history, chosen, verdict, report, ended)


def _report(run: Run, config: TrainConfig, data: Dataset) -> Report:
    """Predictions and report; scores from several views stand in a file and a section of their own."""
    found = predict_run(run, data, reported_splits(config))
    plain = found["test"]
    if config.tta == "none" or not isinstance(plain, Predictions):
        return report_run(run, config, data, found)
    several = predict_views(LogitScorer(load_model(run.model)), data.test, data, config.tta)
    write_predictions(run.predictions / "test_views.csv", several)
    section = views_section(plain, several, config.tta)
    run.update_record(views=dict(section.numbers))
    return report_run(run, config, data, found, sections=[section])


def baseline_of(config: TrainConfig, data: Dataset) -> float:
    """Loss of the best constant guess; with balanced weights that is one class as likely as another."""
    if config.class_weight == "balanced":
        return math.log(data.num_classes)
    return baseline_loss(data.train.y, data.num_classes, config.label_smoothing)


def clues_of(data: Dataset) -> Clues:
    """How frequent the most frequent class is; what it costs to find the rest, a run does not spend."""
    if data.task != "classification":
        return Clues()
    return Clues(majority=float(np.bincount(data.train.y).max() / len(data.train)))


def _divergence_message(config: TrainConfig, run: Run, guard: StopOnNonFinite, best: BestModel) -> str:
    kept = (
        f"the weights of epoch {best.epoch} are kept in {run.model}" if best.epoch else "no epoch was finished before"
    )
    rate = "lower --learning-rate" + (f" (it was {config.learning_rate:g})" if config.learning_rate else "")
    return f"the loss became NaN or infinite in {guard.where}; {kept}. Try to {rate}, or look for extreme inputs."
