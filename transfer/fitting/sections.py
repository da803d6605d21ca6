"""What the report of a transfer shows beside the evaluation: why this case, what was trained, the features on a map."""

from __future__ import annotations

from typing import Any

import numpy as np

from evaluation.report.sections import Section
from training.checkpoint import load_model
from training.datasets.text import listed
from training.pipeline import batches
from transfer.choice import Choice
from transfer.fitting.casework import Work
from transfer.fitting.embedding import Embedding, EmbeddingError, embed, embedding_section
from transfer.pretrained.catalog import cut_layer, entry
from transfer.surgery import slice_at

MAPPED = 1_000
BATCH = 64


def sections_of(work: Work, choice: Choice, *, full: bool) -> list[Section]:
    """The sections of a run.

    Args:
        work: The trained case; its run holds the model.
        choice: Why this case.
        full: Whether the features are drawn too, where the settings ask for it.
    """
    found = [_case_section(work, choice), _training_section(work)]
    if full and work.config.tsne:
        found.append(_map_section(work))
    return found


def _case_section(work: Work, choice: Choice) -> Section:
    """The case, and the measurement that proposed it."""
    case, start = work.case, f"Case {work.case.name}, {choice.reason}: {work.case.title} (meant for {work.case.when})."
    if choice.proposal is None:
        return Section("The case", [start, "Nothing was measured: the case was given."], numbers={"case": case.name})
    numbers = choice.proposal["numbers"]
    probes = {**numbers["cuts"], numbers["baseline"]["name"]: numbers["baseline"]}
    rows = [
        [name, f"{100 * one['accuracy']:.1f}%", f"{100 * one['spread']:.1f}", one["features"]]
        for name, one in probes.items()
    ]
    header = ["Features at", "Accuracy of a linear probe", "Standard deviation over the folds", "Features"]
    paragraphs = [start, choice.proposal["why"], "Measured on the training images alone, by cross-validation."]
    return Section("The case", paragraphs, table=(header, rows), numbers={"case": case.name, **choice.proposal})


def _training_section(work: Work) -> Section:
    """Network, cut, and the phases with what they trained."""
    facts, record = entry(work.config.backbone), work.run.read_record()
    random = work.case.initialisation == "random"
    start = "Its weights were random" if random else f"Its weights ({record['transfer']['weights']})"
    licence = "" if random else f" have the licence {facts.licence}."
    paragraphs = [
        f"{facts.summary}, {facts.citation}. {start}{licence or '.'} It is cut after "
        f"{cut_layer(work.config.backbone, work.case.cut)} ({work.case.cut}).",
        *_feature_sentences(work),
    ]
    header = ["Phase", "Trained on", "First epoch", "Epochs, at most", "Rate", "Layers frozen", "Weights trained"]
    rows = [
        [one["name"], one["on"], one["first_epoch"], one["epochs"], f"{one['learning_rate']:g}"]
        + [one["frozen_layers"], one["trainable"]]
        for one in record["phases"]
    ]
    for one in record["phases"]:
        if one["block_rates"]:
            rates = listed(f"{rate:.2g} up to {layer}" for layer, rate in one["block_rates"].items())
            paragraphs.append(f"In the phase {one['name']} the blocks have rates of their own: {rates}.")
    return Section("How it was trained", paragraphs, table=(header, rows), numbers={"phases": record["phases"]})


def _feature_sentences(work: Work) -> list[str]:
    """Where the features of the head's phase came from."""
    if not any(step.cached for step in work.steps):
        return []
    return [one.note for one in [*work.source.features.values(), *work.source.augmented]]


def _map_section(work: Work) -> Section:
    """The validation images on a plane by their features, before and, where the network was tuned, after."""
    source, path = work.source, work.run.path / "features.png"
    y, names = source.data.validation.y, source.data.class_names
    arrays: dict[str, np.ndarray] = {}
    if work.case.initialisation == "pretrained":
        arrays["pre-trained"] = source.at(work.case.cut, source.features["validation"])
    if not all(step.cached for step in work.steps):
        arrays["fine-tuned" if arrays else "trained"] = _tuned_features(work)
    try:
        maps: dict[str, Embedding] = {
            name: embed(array, y, seed=work.config.seed, limit=MAPPED) for name, array in arrays.items()
        }
    except EmbeddingError as error:
        return Section("Features on a map", [f"There is no map: {error}"])
    return embedding_section(maps, names, path, named="validation images")


def _tuned_features(work: Work) -> np.ndarray:
    """What the saved network makes of the validation images before its head."""
    body: Any = slice_at(load_model(work.run.model), "head_pool")
    return body.predict(batches(work.source.data.validation, batch_size=BATCH), verbose=0)
