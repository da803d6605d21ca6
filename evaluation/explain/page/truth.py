"""Parts of the page on whether the maps are true, and on how the features lie together."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.embedding import share
from evaluation.explain.feature_maps import embed_layer
from evaluation.explain.fidelity import mean_over_images
from evaluation.explain.fidelitytable import FidelityRow, TableSettings, fidelity_table
from evaluation.explain.figures_fidelity import plot_agreement, plot_fidelity_curves
from evaluation.explain.likeness import agreement
from evaluation.explain.page.content import PageFigure, PageSection, to_figure
from evaluation.explain.page.figures import method_name
from evaluation.explain.page.material import Material
from evaluation.plots.embedding import draw_embedding
from evaluation.report.serialise import estimate_json
from evaluation.report.tables import Table
from evaluation.uncertainty.intervals import Estimate

MAPPED = 1000
MUCH_ALIKE = 0.5  # rank correlation


def fidelity_section(material: Material) -> PageSection:
    """Deletion, insertion and randomisation of every method, beside chance and an edge detector."""
    rows = material.sample(48 if material.small else 12)
    options: dict[str, dict[str, Any]] = {"integrated_gradients": {"steps": 32}}
    options |= {name: {"layer": layer} for name in material.methods if (layer := material.layer_of(name))}
    settings = TableSettings(steps=16, seed=material.settings.seed, options=options)
    found = fidelity_table(
        material.tapped, material.take(rows), material.methods, material.explained(rows), settings=settings
    )
    header = ("Method", "Deletion, low is good", "Insertion, high is good", "Likeness after randomisation, 0 is good")
    cells = [
        [
            _named(one),
            _text(one.deletion),
            _text(one.insertion),
            _text(one.randomisation),
            f"{1000 * one.seconds:.3g} ms",
        ]
        for one in found
    ]
    table = Table("Fidelity", (*header, "Time for an image"), cells)
    curves = [
        to_figure(
            plot_fidelity_curves({one.method: one.curves[place] for one in found}).figure_,
            name,
            f"Mean {name.lower()} curve of each method.",
        )
        for place, name in enumerate(("Deletion", "Insertion"))
    ]
    better = _better_than_baselines(found)
    alike = plot_agreement(agreement({one.method: one.maps for one in found}))
    return PageSection(
        "fidelity",
        "Are the maps true?",
        "Pixels are taken away in the order of a map (deletion) or given alone (insertion): the numbers are the areas "
        "under the curves of the class's probability. After randomisation all weights are drawn anew, and a true map "
        "must change: a rank correlation near 0 is good.",
        "Compare methods with the two baselines, random and edges, which know nothing of the model, and only within "
        "this table. Images with pixels missing are unlike any the network has seen, which the areas mix in.",
        [
            f"n = {len(rows)} {material.split} images drawn by lot; in brackets 95% bootstrap intervals over the "
            "images. Methods whose intervals overlap much are not told apart here.",
            _verdict(better),
            *_unchanged(found),
        ],
        [*curves, to_figure(alike.figure_, "Agreement of the methods", "Rank correlation of every pair of methods.")],
        [table],
        {one.method: _numbers(one) for one in found} | {"better_than_baselines": better},
    )


def plane_section(material: Material) -> PageSection:
    """t-SNE of a layer's features, wrong cases ringed."""
    rows = material.sample(MAPPED)
    layer = material.tapped.find(material.settings.layer).path
    mapped, wrong = embed_layer(
        material.tapped, material.take(rows), material.y[rows], layer, seed=material.settings.seed, limit=MAPPED
    )
    with tempfile.TemporaryDirectory() as folder:
        path = draw_embedding(
            mapped, material.class_names, Path(folder) / "plane.png", named=f"{material.split} images", wrong=wrong
        )
        figure = PageFigure(f"Features of {layer}", "Images as points, coloured by class.", path.read_bytes())
    return PageSection(
        "plane",
        "How the features lie together",
        f"Each point is an image; points that lie close have similar features in {layer} (the mean over its places). "
        "Colours are classes, and rings are images that the model gets wrong.",
        "t-SNE keeps neighbours and little else: sizes of clusters and distances between them mean nothing. The "
        "numbers above the picture say how far its neighbourhoods can be believed.",
        [
            f"Trustworthiness {mapped.trustworthiness:.3f}; the {mapped.neighbours} nearest neighbours name the class "
            f"of {share(mapped.knn_before)} of the images by their features and of {share(mapped.knn_after)} in the "
            f"plane (the most frequent class: {100 * mapped.chance:.1f}%)."
        ],
        [figure],
        numbers={**mapped.numbers, "layer": layer, "wrong": int(wrong.sum())},
    )


def _better_than_baselines(rows: Sequence[FidelityRow]) -> dict[str, list[str]]:
    """By curve: the methods that beat every baseline, the whole 95% interval of the differences within images."""
    baselines = [row for row in rows if row.baseline]
    better = {}
    for place, (kind, sign) in enumerate((("deletion", -1), ("insertion", 1))):
        better[kind] = [
            row.method
            for row in rows
            if not row.baseline
            and all(_above_zero(sign * (row.curves[place].areas - one.curves[place].areas)) for one in baselines)
        ]
    return better


def _above_zero(differences: NDArray[np.floating]) -> bool:
    """Whether a mean lies above 0 with its whole interval."""
    low = mean_over_images(differences).low
    return low is not None and low > 0


def _verdict(better: Mapping[str, Sequence[str]]) -> str:
    """Which methods beat both baselines, in words."""
    if not any(better.values()):
        return (
            "No method beats both baselines here, neither by deletion nor by insertion: on these images the curves "
            "give no reason to trust any of the maps more than edges or chance."
        )
    parts = [f"by {kind}: {', '.join(map(method_name, names)) or 'none'}" for kind, names in better.items()]
    found = "; ".join(parts).rstrip(".")  # a name may end in a full stop of its own
    return f"Better than both baselines, image by image (95% interval of the differences above 0): {found}."


def _unchanged(rows: Sequence[FidelityRow]) -> list[str]:
    """Names the methods whose maps stay much as they are when the network forgets all it has learned."""
    stay = [row for row in rows if not row.baseline and (row.randomisation.low or 0) > MUCH_ALIKE]
    if not stay:
        return []
    names = ", ".join(method_name(row.method) for row in stay)
    return [
        f"Still alike after all weights were drawn anew (interval above {MUCH_ALIKE:g}), so much of what they show is "
        f"the image itself, whatever the network: {names.rstrip('.')}."
    ]


def _named(row: FidelityRow) -> str:
    """A method, or a baseline."""
    return f"{method_name(row.method)} (baseline)" if row.baseline else method_name(row.method)


def _text(estimate: Estimate) -> str:
    """A number with its interval."""
    if estimate.value is None:
        return "–"
    text = f"{estimate.value:.3f}"
    if estimate.low is not None and estimate.high is not None:
        text += f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return text.replace("-", "−")


def _numbers(row: FidelityRow) -> dict:
    """A row as explain.json holds it."""
    estimates = {name: estimate_json(getattr(row, name)) for name in ("deletion", "insertion", "randomisation")}
    return estimates | {"seconds": row.seconds, "flagged": row.flagged, "baseline": row.baseline}
