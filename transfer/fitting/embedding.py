"""Bottleneck features on a map, as a section of a report: figure, numbers, and what they say in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.embedding import Embedding, EmbeddingError, embed, share
from evaluation.plots.embedding import WARNING, draw_embedding
from evaluation.report.sections import Section
from evaluation.report.words import decimal, listed, percent

__all__ = ["Embedding", "EmbeddingError", "draw_embedding", "embed", "embedding_section"]


def embedding_section(
    embeddings: Mapping[str, Embedding], class_names: Sequence[str], path: Path, *, named: str = "images"
) -> Section:
    """Draws the map and gives the section of a report that shows it.

    Args:
        embeddings: One, or two of the same images, by the name of the features, such as "pre-trained" and
            "fine-tuned".
        class_names: Name of each class index.
        path: The PNG file, inside the run.
        named: What the images are called, such as "validation images".

    Raises:
        ValueError: As `draw_embedding`.
        OSError: If the file cannot be written.
    """
    draw_embedding(embeddings, class_names, path, named=named)
    return Section(
        title="Features on a map",
        paragraphs=embedding_sentences(embeddings, named=named),
        figures=[(path, describe_map(embeddings, class_names))],
        table=embedding_table(embeddings),
        numbers={name: one.numbers for name, one in embeddings.items()},
    )


def embedding_sentences(embeddings: Mapping[str, Embedding], *, named: str = "images") -> list[str]:
    """What the maps say, in words with the numbers.

    Args:
        embeddings: One, or several of the same images, by the name of the features.
        named: What the images are called, such as "validation images".
    """
    found = []
    for name, one in embeddings.items():
        found.append(
            f"{name}: {len(one.kept):,} {named}, {one.width:,} features. The {one.neighbours} nearest neighbours name "
            f"the right class of {share(one.knn_before)} in feature space and of {share(one.knn_after)} in the map; "
            f"always naming the most frequent class would be right for {percent(one.chance)}. Trustworthiness of the "
            f"map {decimal(one.trustworthiness)}, perplexity {one.perplexity:g}."
        )
        found += [f"{name}: {note}" for note in one.notes]
    return [*found, f"{WARNING} The shares in feature space do not depend on the map."]


def embedding_table(embeddings: Mapping[str, Embedding]) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of a table of the maps' numbers."""
    header = ["Features", "n", "k-NN in feature space", "k-NN in the map", "Chance", "Trustworthiness", "Perplexity"]
    rows = [
        [name, len(one.kept), share(one.knn_before), share(one.knn_after), percent(one.chance)]
        + [decimal(one.trustworthiness), f"{one.perplexity:g}"]
        for name, one in embeddings.items()
    ]
    return header, rows


def describe_map(embeddings: Mapping[str, Embedding], class_names: Sequence[str]) -> str:
    """What a reader who cannot see the map should know."""
    shown = "; ".join(f"{name}, k-NN {share(one.knn_after)}" for name, one in embeddings.items())
    return f"t-SNE map of images of {listed(list(class_names))} by their features: {shown}."
