"""The file that a training goes on from: `--model saved --start FILE.keras`."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import keras

from evaluation.files import sha256
from training.checkpoint import load_model, read_metadata
from training.checks import ConfigError
from training.config import TrainConfig
from training.datasets.dataset import Dataset
from training.datasets.text import printable
from training.modelfile import check_model_file
from training.results import trainable_count
from training.run import Run, RunError

NOTED = "The network to start from "


def load_start(config: TrainConfig) -> keras.Model:
    """The network that the training starts from, in float32.

    Raises:
        RunError: The file is gone, torn, or could run code.
    """
    return load_model(_path(config))


def start_facts(config: TrainConfig) -> dict[str, dict[str, str]]:
    """What `run.json` says of the file: nothing for a training that begins anew.

    Raises:
        RunError: The file is gone.
    """
    if config.start is None:
        return {}
    path = _path(config)
    try:
        return {"start": {"sha256": sha256(path)}}
    except OSError as error:
        raise RunError(f"the network to start from cannot be read: {path} ({error.strerror}).") from error


def record_of_start(config: TrainConfig, data: Dataset, model: keras.Model) -> dict[str, Any]:
    """What `run.json` and the report say of a training that goes on: nothing of one that begins anew.

    Args:
        config: Its settings.
        data: With the notes of `check_start`, which an evaluation of later days cannot find out again.
        model: The copy of the network.
    """
    if config.start is None:
        return {}
    facts, notes = start_facts(config)["start"], [note for note in data.notes if note.startswith(NOTED)]
    details = {
        "trained further from": f"{_path(config).resolve()}, SHA-256 {facts['sha256'][:12]}…",
        "weights trained": f"{trainable_count(model):,}",
    }
    return {"start": facts | {"notes": notes}, "model": f"{model.name}, trained further", "details": details}


def check_same_start(run: Run, record: dict[str, Any], config: TrainConfig) -> None:
    """Refuses to go on, or to train again, from another network than the run's.

    Raises:
        RunError: It says which file changed.
    """
    known = record.get("start", {}).get("sha256")
    if known is None or config.start is None:
        return
    now = start_facts(config)["start"]["sha256"]
    if now != known:
        raise RunError(
            f"{config.start} is not the network that {run.path.name} started from: SHA-256 {now[:12]}… where the run "
            f"has {known[:12]}…. Put it back, or start a new run."
        )


def check_start(config: TrainConfig, data: Dataset) -> Dataset:
    """Refuses a network that has learned from the images that are to judge it.

    Args:
        config: Settings of the training.
        data: Its splits.

    Returns:
        The data set, with a note where the network was trained for classes of other names, where nobody can say which
        part of this very data it has learned from, or where files of a folder bear names of files that it has.

    Raises:
        RunError: The file is gone, torn, or could run code.
        ConfigError: The network was trained on the same data, split in another way.
    """
    if config.start is None:
        return data
    path = _path(config)
    check_model_file(path)
    known = read_metadata(path)
    judge = _split_note if known.get("data_digest") == data.digest else _files_note
    notes = [_names_note(known.get("class_names"), data), judge(path, data, config)]
    return dataclasses.replace(data, notes=(*data.notes, *(note for note in notes if note)))


def _names_note(known: Any, data: Dataset) -> str | None:
    """Another number of classes is refused when the network is built."""
    names = [printable(name) for name in known] if isinstance(known, list) else []
    if len(names) != data.num_classes or names == list(data.class_names):
        return None
    return (
        f"The network to start from was trained for {', '.join(names)}; the classes are now "
        f"{', '.join(data.class_names)}, in this order."
    )


def _files_note(path: Path, data: Dataset, config: TrainConfig) -> str | None:
    """Other data may hold some of the old files: a folder that has grown is split anew."""
    learned = _training_ids(path.parent / "splits.csv") if config.dataset == "folder" else None
    shared = sum(len(_shared(learned or set(), data, name)) for name in _judging(config))
    if not shared:
        return None
    total = sum(len(data.splits[name]) for name in _judging(config))
    return (
        f"The network to start from has learned from files of the names that {shared:,} of the {total:,} examples of "
        f"{' and '.join(_judging(config))} bear; where they are the same images, their scores flatter."
    )


def _judging(config: TrainConfig) -> tuple[str, ...]:
    """The splits that judge."""
    return ("test",) if config.final_fit else ("validation", "test")


def _shared(learned: set[str], data: Dataset, name: str) -> set[str]:
    """Names in a split that are among those that were learned from."""
    return learned.intersection(str(one) for one in data.splits[name].ids)


def _split_note(path: Path, data: Dataset, config: TrainConfig) -> str | None:
    """Compares the training examples of the network's own run with those that judge now: the data is the same."""
    learned = _training_ids(path.parent / "splits.csv")
    if learned is None:
        return (
            f"The network to start from was trained on this data; no splits.csv beside {path.name} says on which part, "
            "so validation and test may hold what it has learned."
        )
    for name in _judging(config):
        shared = _shared(learned, data, name)
        if shared:
            raise ConfigError(
                f"the network to start from has learned from {len(shared):,} of the {len(data.splits[name]):,} {name} "
                f"examples: it was trained on the same data, split in another way (or with --final-fit). Give the "
                f"split_seed and the fractions of {path.parent / 'config.yaml'}."
            )
    return None


def _training_ids(path: Path) -> set[str] | None:
    """Names of the training examples in a run's `splits.csv`; None where there is none."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return {row["id"] for row in csv.DictReader(file) if row["split"] == "train"}
    except (OSError, UnicodeDecodeError, KeyError, csv.Error):
        return None


def _path(config: TrainConfig) -> Path:
    if config.start is None:
        raise ValueError("a training that begins anew has no file to start from.")
    return Path(config.start).expanduser()
