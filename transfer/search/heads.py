"""Searches the head of a pre-trained network: its features are computed once, a trial trains on them alone.

That is the notes' case 1 (`cut` last) or case 2 (`cut` early) with the head as the question: which penalty, optimizer,
rate, batch or hidden layers. The search itself is that of `make tune`, on a table of features, so that a trial takes
a moment; at its end the winning head is put on the network, which takes raw pixels.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training.checkpoint import load_model, save_model
from training.checks import ConfigError
from training.datasets.dataset import Dataset, digest_of
from training.files import write_atomic
from training.job import metadata_of
from training.resume import AlreadyFinished
from training.run import Run, RunError, open_run
from training.tuning import session
from training.tuning.config import read_settings
from training.tuning.resume import ResumeTuneConfig, refuse_complete
from training.tuning.session import TuneResult
from transfer.bottleneck.taps import taps
from transfer.features import Features, features_of
from transfer.pretrained.catalog import cut_layer
from transfer.search.config import FINE_TUNED, RECORD, HeadPlace, PretrainedSearchConfig, read_place_of_head
from transfer.source import Source, load_source

NETWORK = "network.keras"
CHECKED = 8  # images on which the whole network is compared with the head on stored features
TOLERANCE = 1e-4
LAST = ("logits", "probabilities")


@dataclass(frozen=True)
class HeadResult:
    """What a search of heads ended with.

    Attributes:
        search: Trials, conclusion and directory.
        network: The pre-trained network with the winning head, from raw pixels; None where nothing was concluded.
    """

    search: TuneResult | None
    network: Path | None


def tune_head(config: PretrainedSearchConfig) -> HeadResult:
    """Computes features, searches, and puts the winning head on the network.

    Args:
        config: All settings.

    Raises:
        ConfigError, DataError, TransferError, KeyboardInterrupt, OSError: As `transfer` and `tune`.
    """
    place = config.place
    source, table = prepare(place)
    what = Path(config.data_dir).name if config.data_dir else config.dataset
    result = session.tune(
        config.on_features(table, source.data.positive),
        files={RECORD: place.to_yaml()},
        subject=f"head of {config.backbone} at its {config.cut} cut ({config.model}) on {what}",
    )
    return HeadResult(result, attach(result.run, place, source))


def go_on(request: ResumeTuneConfig) -> HeadResult:
    """Goes on with a search of heads that was interrupted, or finishes what it lacks.

    Raises:
        As `tune_head`; RunError where the directory is none, AlreadyFinished where nothing is lacking.
    """
    run = open_run(request.resume)
    if not (run.path / RECORD).exists() and _fine_tunes(run):
        return HeadResult(session.go_on(request), None)
    if (run.path / NETWORK).is_file():
        refuse_complete(run, request)
    place = read_record(run, data_dir=request.data_dir)
    source, table = prepare(place)
    try:
        result = session.go_on(dataclasses.replace(request, data_dir=str(table)))
    except AlreadyFinished:  # but for the network
        return HeadResult(None, attach(run, place, source))
    return HeadResult(result, attach(run, place, source))


def _fine_tunes(run: Run) -> bool:
    """Whether it is a search of fine-tuning, which `training.tuning` goes on with."""
    try:
        return read_settings(run.config, for_page=True).model == FINE_TUNED
    except ConfigError:
        return False


def read_record(run: Run, *, data_dir: str | None = None) -> HeadPlace:
    """Which network's head a search is for.

    Raises:
        RunError: It is no search of heads, or its record is torn.
    """
    try:
        return read_place_of_head(run.path / RECORD, **({} if data_dir is None else {"data_dir": data_dir}))
    except ConfigError as error:
        raise RunError(f"{error} Is {run.path} a search of make tune BACKBONE=…?") from error


def prepare(place: HeadPlace) -> tuple[Source, Path]:
    """Images and network, and the table of its features in an `.npz` file, written anew where it is missing.

    Raises:
        DataError, TransferError, OSError: Data, weights or disk cannot be used.
    """
    source = load_source(place.transfer)
    model = features_model(source, place.cut)
    names = ("train", "validation", "test")
    found = features_of(model, source.data, names=names, settings=source.feature_settings)
    if place.transfer.verbose != "silent":
        for one in found.values():
            print(one.note, flush=True)
    path = _table_path(place, source.data, found)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = _arrays(source.data, found)
        write_atomic(path, lambda temporary: np.savez(temporary, **arrays))
    return source, path.resolve()


def features_model(source: Source, cut: str) -> keras.Model:
    """From raw pixels to the mean of the feature map at a cut."""
    return taps(source.backbone, {cut: cut_layer(source.config.backbone, cut)})[0]


def _table_path(place: HeadPlace, data: Dataset, found: dict[str, Features]) -> Path:
    """Outside the cache: what a search stands on is not removed for want of room."""
    key = digest_of([one.key for one in found.values()] + [split.y for split in data.splits.values()])
    config = place.transfer
    return Path(config.runs_dir).expanduser() / "features" / f"{config.backbone}-{place.cut}-{key[:12]}.npz"


def _arrays(data: Dataset, found: dict[str, Features]) -> dict[str, Any]:
    """What the npz source reads: features, labels, names and groups."""
    arrays: dict[str, Any] = {"class_names": np.array(data.class_names)}
    for name, split in data.splits.items():
        arrays |= {f"x_{name}": found[name].array, f"y_{name}": split.y, f"id_{name}": split.ids.astype(str)}
        if split.groups is not None:
            arrays[f"group_{name}"] = split.groups.astype(str)
    return arrays


def joined(body: keras.Model, head: keras.Model, *, name: str) -> keras.Model:
    """The head behind the body, whose layers are frozen: training further begins with the head alone.

    Args:
        body: From raw pixels to features.
        head: From features to probabilities; it is copied, with names of its own where the body has them too.
        name: Of the network.
    """
    body.trainable = False
    outputs = body.outputs[0]
    for layer in head.layers[1:]:
        called = layer.name if layer.name in LAST else f"head_{layer.name}"
        copy = layer.__class__.from_config(layer.get_config() | {"name": called})
        outputs = copy(outputs)
        copy.set_weights(layer.get_weights())
    return keras.Model(body.inputs[0], outputs, name=name)


def attach(run: Run, place: HeadPlace, source: Source) -> Path | None:
    """Puts the head that a search was concluded with on the pre-trained network, and saves the whole.

    Returns:
        The file; None where the search left the final run out.

    Raises:
        RuntimeError: The whole network does not say what the head says of stored features.
    """
    final = run.read_record().get("final_run")
    if final is None or not Run(Path(final)).model.is_file():
        return None
    head, body = load_model(Run(Path(final)).model), features_model(source, place.cut)
    whole = joined(body, head, name=f"{place.transfer.backbone}_{place.cut}_{head.name}")
    images = np.asarray(source.data.validation.x[np.arange(min(CHECKED, len(source.data.validation)))])
    expected = head.predict(body.predict(images, verbose=0), verbose=0)
    difference = float(np.abs(whole.predict(images, verbose=0) - expected).max())
    if not difference <= TOLERANCE:
        raise RuntimeError(f"the network with its head differs by {difference:g} from the head on its features.")
    path = run.path / NETWORK
    save_model(whole, path, metadata_of(source.data))
    return path
