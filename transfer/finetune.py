"""`transfer(config)`: images in, a run directory with the adapted network, its predictions and its report out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluation.files import write_atomically
from training.checks import ConfigError
from training.config import to_yaml as training_yaml
from training.results import REPORTED, relative, write_splits
from training.run import Run, new_run
from training.state import State
from training.train import beginning, data_facts
from transfer.choice import Choice, choose, record, recorded
from transfer.config import (
    AUGMENTATION,
    TransferConfig,
    to_yaml,
    training_config,
    with_absolute_paths,
    without_effect,
)
from transfer.fitting.casework import COMMAND, Work, train_case
from transfer.fitting.outcome import TransferResult, finish_case
from transfer.pretrained.catalog import entry
from transfer.source import Source, load_source

TASK = "transfer"


def transfer(config: TransferConfig) -> TransferResult:
    """Adapts a pre-trained network to new images by one of the notes' cases.

    Args:
        config: All settings; the test split is read once, by the report, and chooses nothing.

    Returns:
        The finished (or interrupted) run; `accuracy` is that of the validation images.

    Raises:
        ConfigError: The settings do not fit the backbone or the data, or name several cases.
        DataError: The data cannot be used.
        TrainingDiverged: The loss became NaN or infinite.
        OSError: The disk is full or not writable; the last good files stay.
    """
    if len(config.cases) > 1:
        raise ConfigError(f"case {config.case} names several; transfer.comparison.allcases.transfer_cases trains them.")
    config = with_absolute_paths(config)
    source = load_source(config)
    with begin(config, source) as run:
        return complete(run, config, source)


@contextmanager
def begin(config: TransferConfig, source: Source, **facts: Any) -> Iterator[Run]:
    """A new run directory, locked, that can be resumed from now on.

    Args:
        config: Settings of the run, with absolute paths: what is recorded is what a resumed run is compared with.
        source: Data and network.
        **facts: Further entries of `run.json`.
    """
    run = new_run(config.runs_dir, TASK, config.backbone, config.dataset)
    with run.lock():
        write_atomically(run.config, to_yaml(config))
        write_atomically(run.path / "training.yaml", training_yaml(training_config(config)))
        record_beginning(run, config, source, **facts)
        _describe(config, source, run)
        yield run


def record_beginning(run: Run, config: TransferConfig, source: Source, **facts: Any) -> None:
    """Writes `splits.csv`, and into `run.json` time, versions, hardware, data and network."""
    write_splits(run, source.data)
    known = entry(config.backbone)
    network = {"backbone": config.backbone, "weights": config.weights, "weights_digest": source.weights_digest}
    network |= {"licence": known.licence, "citation": known.citation}
    general = {"task": TASK, "model": config.backbone, "seed": config.seed, "ended": "running"}
    run.update_record(**beginning(), **data_facts(source.data), **general, transfer=network, **facts)


def complete(
    run: Run,
    config: TransferConfig,
    source: Source,
    *,
    choice: Choice | None = None,
    reported: Sequence[str] = REPORTED,
    start: tuple[State | None, Path | None] = (None, None),
) -> TransferResult:
    """Chooses, trains and reports; the caller holds the run's lock.

    Args:
        run: A run that `begin` made.
        config: Its settings.
        source: Data and network.
        choice: The case, where it is known; default: the recorded one, else chosen now.
        reported: Splits that are predicted and reported.
        start: The checkpoint to go on from, and its file.

    Raises:
        TrainingDiverged, DataError, ConfigError, OSError: As `transfer`; a note on the exception says how to resume.
    """
    try:
        choice = choice or recorded(run) or choose(config, source)
        record(run, choice)
        _tell(config, choice)
        work = Work(source, config, choice.case, run)
        trained = train_case(work, *start)
    except Exception as error:
        with contextlib.suppress(OSError):  # a full disk may be the reason itself
            run.update_record(ended="failed", error=" ".join(str(error).split())[:500])
        if not getattr(error, "__notes__", None):
            error.add_note(f"Go on with: {COMMAND} RESUME={relative(run.path)}")
        raise
    return finish_case(work, trained, choice, reported)


def _describe(config: TransferConfig, source: Source, run: Run) -> None:
    """What a user wants to see first: data, notes, network, place."""
    if config.verbose == "silent":
        return
    data = source.data
    sizes = ", ".join(f"{name} {len(split):,}" for name, split in data.splits.items())
    shape = "×".join(str(size) for size in data.input_shape)
    print(f"{data.name}: {shape} pixels, {data.num_classes} classes ({sizes})")
    for note in data.notes:
        print(f"note: {note}")
    print(f"{config.backbone}: {source.backbone.count_params():,} parameters, weights: {config.weights}")
    print(f"run: {run.path}", flush=True)


def _tell(config: TransferConfig, choice: Choice) -> None:
    """The measurement in a paragraph, and the case in a line."""
    if config.verbose == "silent":
        return
    if choice.proposal is not None:
        print(f"\n{choice.proposal['why']}\n")
    print(choice.text, flush=True)
    idle = without_effect(config, choice.case)
    if idle:
        views = "; --augmented-passes N trains the head on random views" if set(idle) & set(AUGMENTATION) else ""
        print(f"note: without effect in case {choice.case.name}: {', '.join(idle)}{views}.", flush=True)
