"""Parts of the page on what each layer sees: filters, the strongest patches layer by layer, feature maps."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
from numpy.typing import NDArray

from evaluation.explain.errors import ExplainError
from evaluation.explain.feature_maps import activations
from evaluation.explain.figures_seen import draw_feature_maps, draw_filter_evolution, draw_filters, draw_patches
from evaluation.explain.filters import first_filters
from evaluation.explain.graph import Node, find_node
from evaluation.explain.maximisation import Recipe, class_images
from evaluation.explain.page.content import PageFigure, PageSection, to_figure
from evaluation.explain.page.figures import draw_made
from evaluation.explain.page.material import Material
from evaluation.explain.patches import NOBODY, LayerPatches
from evaluation.explain.projections import unit_patches
from evaluation.explain.receptive import Field
from evaluation.report.tables import Table

MOST_LAYERS = 12
MOST_FILTERS = 64
MOST_STAGES = 8
MOST_CLASSES = 10
DRAWS = 2000


def filters_section(material: Material) -> PageSection:
    """The first convolution's filters, and how they grew where epochs were saved."""
    filters = first_filters(material.tapped)
    figures = [
        to_figure(
            draw_filters(filters[:MOST_FILTERS]),
            "Filters of the first convolution",
            f"{len(filters)} filters of {filters.shape[1]}×{filters.shape[2]} pixels as small pictures.",
        )
    ]
    findings = []
    if len(filters) > MOST_FILTERS:
        findings.append(f"The first {MOST_FILTERS} of {len(filters)} filters are shown.")
    if len(material.stages) > 1:
        places = np.unique(np.linspace(0, len(material.stages) - 1, MOST_STAGES).round().astype(int))
        drawn = draw_filter_evolution([material.stages[place] for place in places])
        figures.append(to_figure(drawn, "Filters by epoch", "The filters of saved epochs, a row for each epoch."))
        findings.append(f"The run kept the weights of {len(material.stages)} epochs; {len(places)} of them are shown.")
    return PageSection(
        "filters",
        "First filters",
        "Each small picture is the pattern of pixels that one filter looks for: mid-grey counts nothing, brighter "
        "pixels count for it and darker ones against. Smooth stripes are edges of one direction, blobs are colours.",
        "Pictures like noise can mean that training was short or the filter is unused, and 3×3 pixels leave little to "
        "recognise. Only the first layer can be shown this way: later filters see features, not pixels.",
        findings,
        figures,
        numbers={"filters": len(filters), "size": list(filters.shape[1:3])},
    )


def atlas_section(material: Material) -> PageSection:
    """One picture for each layer: the patches that its most selective units answer to most."""
    top, shown, drawable = material.top, _shown_layers(material), _drawable(material)
    rows, figures, numbers = [], [], {}
    chance = _chance(material, next(iter(top.layers.values())).scores.shape[1])
    for path, found in top.layers.items():
        node = find_node(material.tapped.model.name, material.tapped.nodes, path)
        facts = _facts(material, node, found, material.fields[node])
        numbers[path] = facts
        rows.append(_row(path, facts))
        if path in shown:
            figures.append(_layer_figure(material, found, facts))
    header = ("Layer", "A unit sees, pixels", "Units", "Silent units", "Of one class among the 9")
    table = Table("The layers in numbers", header, rows, note=_purity_note(chance))
    findings = [
        f"{top.count:,} {material.split} images passed through the network; each picture shows the "
        f"{material.settings.units} units of a layer whose strongest answers stand out most from their usual ones."
    ]
    if len(drawable) < len(top.layers):
        findings.append("Max pooling is not drawn: its units answer most to the same patches as the layer before.")
    if len(shown) < len(drawable):
        findings.append(f"{len(shown)} of {len(drawable)} layers are drawn, evenly spread; --layer draws another.")
    if top.skipped:
        findings.append(f"{top.skipped} images held, or caused, NaN or infinity and were left out.")
    return PageSection(
        "atlas",
        "Layer atlas",
        "From top to bottom the network goes from the pixels to the classes. For each unit the left block shows the "
        "nine places in nine images that it answers to most, cut to exactly the pixels that it can see; the right "
        "block shows which of those pixels count (guided gradients).",
        "Units were picked because their theme stands out, so the others are less clear, and a theme is named by "
        "whoever looks. Guided gradients draw edges of whatever is there; what a unit answers to weakly is not shown.",
        findings,
        figures,
        [table],
        {"layers": numbers, "images": top.count, "skipped": top.skipped, "chance_of_one_class": chance},
    )


def feature_maps_section(material: Material) -> PageSection:
    """The feature maps of one image in an early, a middle and a late layer."""
    right, wrong = material.cases()
    row = int(np.concatenate([right, wrong])[0])
    image = material.take([row])
    maps = [path for path in material.top.layers if _is_map(material, path)]
    chosen = list(dict.fromkeys(maps[place] for place in (0, len(maps) // 2, len(maps) - 1)))
    figures = []
    for path in chosen:
        drawn = draw_feature_maps(image[0], activations(material.tapped, image, path)[0], layer=path, most=15)
        figures.append(to_figure(drawn, f"Feature maps of {path}", f"One image and the feature maps of {path}."))
    return PageSection(
        "feature-maps",
        "Feature maps of one image",
        "Each small picture is the image as one unit sees it: white where its pattern was found, black where it was "
        "not. Early maps look like the image itself; late ones are coarse and say only where a part is.",
        "It is one image and the units that answer most to it. Bright is not important: a unit may be bright and count "
        "nothing for the class.",
        [f"The image is {material.ids[row]} of the {material.split} split."],
        figures,
        numbers={"image": str(material.ids[row]), "layers": chosen},
    )


def made_section(material: Material) -> PageSection:
    """Pictures made from noise that each class answers to most."""
    count = len(material.class_names)
    classes = list(range(min(count, MOST_CLASSES)))
    if material.settings.class_index is not None:
        classes = [material.settings.class_index]
    made = class_images(material.tapped, classes, recipe=Recipe(steps=96), size=material.size)
    names = [material.class_names[index] for index in classes]
    drawn = draw_made(
        made.images, [f"{name}, logit {answer:.3g}" for name, answer in zip(names, made.answers, strict=True)]
    )
    findings = [] if len(classes) == count else [f"{len(classes)} of {count} classes are shown."]
    return PageSection(
        "made",
        "Pictures made for each class",
        "These pictures come from noise: their pixels were changed step by step until the class's logit became as "
        "large as possible. Colours and shapes that come back belong to what the network takes for the class.",
        "No data set holds such pictures, and the network is surer of them than of any photograph. Another start or a "
        "stronger smoothing gives other pictures; what is absent from them may still count.",
        findings,
        [to_figure(drawn, "What the classes answer to most", "A picture made for each class.")],
        numbers={"classes": names, "logits": made.answers, "logits_of_noise": made.starts},
    )


def _shown_layers(material: Material) -> list[str]:
    """The layers that are drawn: evenly spread, the first, the last and a named one among them."""
    paths = _drawable(material)
    places = np.unique(np.linspace(0, len(paths) - 1, MOST_LAYERS).round().astype(int))
    named = material.settings.layer and material.tapped.find(material.settings.layer).path
    return [path for place, path in enumerate(paths) if place in places or path == named]


def _drawable(material: Material) -> list[str]:
    """The layers whose picture is not that of the layer before, and a named one whatever it is."""
    named = material.settings.layer and material.tapped.find(material.settings.layer).path
    pooled = {node.path for node in material.tapped.nodes if isinstance(node.operation, keras.layers.MaxPooling2D)}
    return [path for path in material.top.layers if path not in pooled or path == named]


def _facts(material: Material, node: Node, found: LayerPatches, field: Field) -> dict[str, object]:
    """What the table says of a layer."""
    frame = field.frame(len(field.rows) // 2, len(field.columns) // 2)
    return {
        "sees": [frame.bottom - frame.top, frame.right - frame.left],
        "exact": field.exact,
        "units": len(found.scores),
        "silent": int(found.silent.sum()),
        "one_class": _purity(material, found),
        "shape": [size for size in node.shape[1:] if size is not None],
    }


def _row(path: str, facts: dict) -> list[str]:
    """A row of the table."""
    purity = "–" if facts["one_class"] is None else f"{100 * facts['one_class']:.0f}%"
    return [path, "×".join(map(str, facts["sees"])), f"{facts['units']:,}", f"{facts['silent']:,}", purity]


def _layer_figure(material: Material, found: LayerPatches, facts: dict) -> PageFigure:
    """The picture of one layer."""
    order = np.argsort(-found.selectivity, kind="stable")
    units = [int(unit) for unit in order if not found.silent[unit]][: material.settings.units] or [0]
    height, width = material.size
    patches = None
    for rule in ("guided", None):
        try:
            patches = unit_patches(
                material.tapped, material.top, lambda number: material.take([number])[0], found.layer, units, rule=rule
            )
            break
        except ExplainError:
            if rule is None:
                raise
    drawn = draw_patches(patches or [], title=" ")
    share = max(facts["sees"][0] / height, facts["sees"][1] / width)
    seen = "×".join(map(str, facts["sees"]))
    title = f"{found.layer}: a unit sees {seen} of {height}×{width} pixels. {_tendency(facts['sees'], share)}"
    return to_figure(drawn, title, f"Strongest patches of {len(units)} units of {found.layer}.")


def _tendency(sees: list[int], share: float) -> str:
    """What layers with such a view tend to show."""
    if max(sees) <= 5:
        return "So small a view has room for edges and colours."
    if share <= 0.25:
        return "Such a view tends to show corners, stripes and simple textures."
    if share <= 0.7:
        return "Such a view tends to show textures and parts, such as wheels or eyes."
    return "Such a view takes in whole objects with their background."


def _same_class(y: NDArray[np.integer]) -> float:
    """The largest share of one class."""
    return float(np.bincount(y).max() / len(y))


def _purity(material: Material, found: LayerPatches) -> float | None:
    """The mean, over units, of the share of the most frequent class among a unit's strongest images."""
    speaking = [numbers[numbers != NOBODY] for numbers in found.images[~found.silent]]
    values = [_same_class(material.y[numbers]) for numbers in speaking if len(numbers)]
    return float(np.mean(values)) if values else None


def _chance(material: Material, k: int) -> float:
    """That share among as many images drawn at random."""
    generator = np.random.default_rng(material.settings.seed)
    count = min(k, len(material.y))
    draws: Iterator[NDArray[np.intp]] = (generator.choice(len(material.y), count, replace=False) for _ in range(DRAWS))
    return float(np.mean([_same_class(material.y[draw]) for draw in draws]))


def _purity_note(chance: float) -> str:
    """What the last column means."""
    return (
        "Silent units answer to no image. The last column is the share of the most frequent class among the nine "
        f"strongest images of a unit, the mean over the units that speak; nine random images give {100 * chance:.0f}%. "
        "It grows where a layer tells classes apart."
    )


def _is_map(material: Material, path: str) -> bool:
    """Whether a layer has places."""
    shape = find_node(material.tapped.model.name, material.tapped.nodes, path).shape
    return len(shape) == 4 and shape[1:3] != (1, 1)
