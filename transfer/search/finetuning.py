"""Searches how a pre-trained network is fine-tuned: its head is trained once, and every trial goes on from there.

That is the notes' case 3 with its second phase as the question: how much of the network learns, at which rate, on
images changed in which way. The search is that of `make tune`, of the model `saved`; its final run is the network.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from evaluation.files import write_atomically
from training.checks import ConfigError
from training.results import relative
from training.run import Run
from training.tuning import session
from training.tuning.session import TuneResult
from training.unfinished import DONE
from transfer.finetune import begin, complete
from transfer.pretrained.catalog import entry
from transfer.search.config import RATE, PretrainedSearchConfig
from transfer.source import load_source

SPACE = "fine_tuning_space.yaml"
NO_HEAD_FASTER: dict[str, Any] = {"rate_multipliers": {}}
HEAD_FASTER = {"rate_multipliers": {"logits/*": 10.0}}


def tune_fine_tuning(config: PretrainedSearchConfig) -> TuneResult:
    """Trains the head, then searches.

    Args:
        config: All settings; `fine_tune` is set.

    Raises:
        ConfigError, DataError, TransferError, KeyboardInterrupt, OSError: As `transfer` and `tune`.
    """
    _check(config)
    head = _train_head(config)
    what = Path(config.data_dir).name if config.data_dir else config.dataset
    return session.tune(
        config.on_images(head.model.resolve(), head.path / SPACE), subject=f"fine-tuning of {config.backbone} on {what}"
    )


def _check(config: PretrainedSearchConfig) -> None:
    """Refuses a search that could not begin, before the head is trained for it."""
    with TemporaryDirectory() as folder:
        space = Path(folder) / SPACE
        space.write_text(space_of(config.backbone), encoding="utf-8")
        try:
            session.check(config.on_images(Path(folder) / "head.keras", space))
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(space), "the ranges of fine-tuning")) from error


def _train_head(config: PretrainedSearchConfig) -> Run:
    """A transfer of case 1, whose network every trial starts from; its test images are not read."""
    place = config.place.transfer
    source = load_source(place)
    with begin(place, source) as run:
        write_atomically(run.path / SPACE, space_of(config.backbone))
        result = complete(run, place, source, reported=("validation",))
    if result.ended not in DONE:
        stopped = KeyboardInterrupt(result.ended)
        stopped.add_note("The head was not trained to its end, and no trial was begun: give the same command again.")
        raise stopped
    if config.verbose != "silent":
        print(f"the head alone: {result.text}\nspace of the search: {config.space or relative(run.path / SPACE)}\n")
    return run


def space_of(backbone: str) -> str:
    """The ranges of fine-tuning, as a file that can be changed and given as `--space`.

    Args:
        backbone: Its cuts are where freezing may end.
    """
    cuts = [cut.layer for cut in entry(backbone).cuts[:-1]]
    ranges: dict[str, Any] = {
        "frozen_up_to": ["nothing", *cuts],
        "learning_rate": {"low": 1e-5, "high": 1e-3, "sampling": "log", "default": RATE},
        "head": {"sets": {"as_the_rest": NO_HEAD_FASTER, "ten_times_faster": HEAD_FASTER}},
        "batch_size": [32, 16, 64],
        "weight_decay": [0.0, 1e-4, 1e-2],
        "label_smoothing": [0.0, 0.1],
        "shift": [0.1, 0.0],
        "flip": ["horizontal", "none"],
        "rotation": [0.0, 15.0],
        "zoom": [0.0, 0.1],
    }
    return yaml.safe_dump(ranges, sort_keys=False)
