"""Parts of the page on what decided: maps of right and wrong cases, boxes, occlusion, attacks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.explain.adversarial import (
    AttackedAccuracy,
    PgdSettings,
    accuracy_under_attack,
    compare_examples,
    pgd,
)
from evaluation.explain.api import explain, occlusion_grid
from evaluation.explain.explanation import INCOMPLETE
from evaluation.explain.figures_adversarial import plot_adversarial, plot_attacked_accuracy
from evaluation.explain.figures_localise import plot_boxes
from evaluation.explain.localisation import SHARE, find_boxes
from evaluation.explain.page.content import PageFigure, PageSection, to_figure
from evaluation.explain.page.figures import draw_cases, draw_occlusion, method_name
from evaluation.explain.page.material import Material, Rows
from evaluation.report.serialise import estimate_json
from evaluation.report.tables import Table
from evaluation.report.words import bracketed, percent

EPSILONS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
SHOWN_EPSILON = 2.0
SHOWN_SHARES = (SHARE, 0.4, 0.6)
WIDE_BOX = 80  # per cent of the image, from which on a box tells no place
OF_LAYERS = ("class_activation_map", "grad_cam", "grad_cam_plus_plus", "layer_cam")


def maps_section(material: Material) -> PageSection:
    """What decided in right and in wrong cases, by several methods."""
    figures, listed = [], {}
    for name, rows in zip(("right", "wrong"), material.cases(), strict=True):
        listed[name] = [str(material.ids[row]) for row in rows]
        if len(rows):
            figures.append(_cases_figure(material, name, rows))
    wrong = int((material.predicted != material.y).sum())
    chosen = "as named" if material.settings.rows else "right ones drawn by lot, wrong ones those it is surest of"
    return PageSection(
        "maps",
        "What decided",
        "Each row is an image with its true class and, after the arrow, the prediction; the redder a place, the more "
        "it speaks for the class explained, by each method. The last column asks for another class: the true one where "
        "the model is wrong, else the second most probable.",
        "Every map is scaled by its own maximum, so colour compares places, not images or methods; maps of few places "
        "(6×6, say) are blurs of them. A map shows where the evidence lies, not what it is, and not every method is "
        "true to the model: see its table.",
        [
            f"The model is wrong on {wrong:,} of {len(material.y):,} {material.split} images looked at ({chosen}).",
            *(() if wrong else ("There is no wrong case to show.",)),
        ],
        figures,
        numbers={"cases": listed, "methods": list(material.methods), "wrong": wrong, "n": len(material.y)},
    )


def boxes_section(material: Material) -> PageSection:
    """Boxes around the strongest part of a map of the last layer and of a finer one, at several thresholds."""
    rows = np.concatenate(material.cases())
    images, classes = material.take(rows), material.explained(rows)
    titles = [material.answer(row).replace("\n", " ") for row in rows]
    figures, table, numbers = [], [], {}
    for method in dict.fromkeys((material.coarse, "layer_cam")):
        name = _with_places(material, method)
        found = explain(material.tapped, images, method, classes, layer=material.layer_of(method))
        boxes = {share: find_boxes(found.maps, share) for share in SHOWN_SHARES}
        covered = [float(np.median(_areas(one)) / np.prod(material.size)) for one in boxes.values()]
        others = [boxes[share] for share in SHOWN_SHARES if share != SHARE]
        drawn = plot_boxes(images, found.heat, boxes[SHARE], others=others, titles=titles).figure_
        figures.append(to_figure(drawn, f"Boxes of {name}", f"{len(rows)} images with heat and boxes of {name}."))
        table.append([name, *(f"{100 * share:.0f}%" for share in covered)])
        numbers[method] = {"layer": material.tapped.find(material.layer_of(method)).path, "boxes": boxes[SHARE]}
        numbers[method] |= {"thresholds": SHOWN_SHARES, "median_share_of_image": covered}
    header = ("Map", *(f"above {100 * share:.0f}%" for share in SHOWN_SHARES))
    thin = " and ".join(f"{100 * share:.0f}%" for share in SHOWN_SHARES if share != SHARE)
    return PageSection(
        "boxes",
        "Where it looks",
        f"The solid box surrounds the largest connected part of the map above {100 * SHARE:.0f}% of its maximum, the "
        f"usual threshold (Zhou 2016); the thin ones are those above {thin}. If the network decides by the object, "
        "the boxes close in on it.",
        "There are no true boxes in this data set, so nothing is scored here, and no threshold is the right one. The "
        "largest part need not hold the strongest place, so thin boxes can lie outside the solid one. A map is as "
        "coarse as its layer, so its boxes are too; a box that closes in on the background is worth a look: the class "
        "may be read off its surroundings.",
        _coarseness(table),
        figures,
        [Table(f"Share of the image inside the box (median of {len(rows)} images)", header, table)],
        numbers={"images": [str(material.ids[row]) for row in rows], **numbers},
    )


def occlusion_section(material: Material) -> PageSection:
    """Zeiler and Fergus's figure 7."""
    right, wrong = material.cases()
    rows = np.concatenate([right[:2], wrong[:2]])
    patch = max(2, min(material.size) // 4)
    stride = max(1, patch // (4 if material.small else 3))
    chosen = material.settings.class_index
    classes = material.y[rows].astype(np.int32) if chosen is None else np.full(len(rows), chosen, np.int32)
    asked = "the true class" if chosen is None else material.class_names[chosen]
    images = material.take(rows)
    grid = occlusion_grid(material.tapped, images, classes, patch=patch, stride=stride, fill=128.0)
    own = material.probabilities[rows, classes]
    lowest = grid.probability.min(axis=(1, 2))
    header = ("Image", "Probability, uncovered", "Lowest when covered")
    table = [
        [str(material.ids[row]), f"{100 * before:.1f}%", f"{100 * least:.1f}%"]
        for row, before, least in zip(rows, own, lowest, strict=True)
    ]
    drawn = draw_occlusion(images, [material.answer(row) for row in rows], grid, material.class_names, asked=asked)
    return PageSection(
        "occlusion",
        "What happens when a part is covered",
        f"A grey square of {patch}×{patch} pixels is moved over the image; the middle picture shows the probability of "
        f"{asked} by the square's position, the right one the most probable class. Dark places in the middle are "
        "those that this class needs.",
        "The grey square is itself something to see, and it hides one place at a time: evidence that lies in two "
        "places can lose either and nothing falls. Its size decides how fine the picture is.",
        [],
        [to_figure(drawn, "Zeiler and Fergus's figure 7", "Probability and most probable class by position.")],
        [Table(f"Probability of {asked}", header, table)],
        {"patch": patch, "stride": stride, "classes": [material.class_names[one] for one in classes], "images": table},
    )


def adversarial_section(material: Material) -> PageSection:
    """Accuracy against the size of a change, and pictures of the change."""
    rows = material.sample(128 if material.small else 24)
    images, y = material.take(rows), material.y[rows].astype(np.int32)
    settings = PgdSettings(steps=10, restarts=0, seed=material.settings.seed)
    attacks = [
        accuracy_under_attack(material.tapped, images, y, EPSILONS, attack="fgsm"),
        accuracy_under_attack(material.tapped, images, y, EPSILONS, attack="pgd", settings=settings),
    ]
    chance = 1 / len(material.class_names)
    figures = [
        to_figure(
            plot_attacked_accuracy(attacks, chance=chance).figure_,
            "Accuracy under attack",
            "Accuracy against the largest change of a pixel, for two attacks.",
        ),
        *_triptychs(material, rows[attacks[0].right[0]][:3], settings),
    ]
    return PageSection(
        "adversarial",
        "How it breaks",
        "Every pixel may change by at most ε of 255, in the direction that hurts most: in one step (FGSM) or in ten "
        "(PGD). The rows of three show an image, the change enlarged, and the result, which looks the same to people.",
        "It is the accuracy under these two attacks; stronger ones would find more, so the truth lies lower. Such "
        "changes are computed with the model at hand and do not come about by chance.",
        [f"{len(rows)} {material.split} images; intervals are Wilson's at 95%. Nothing was chosen by these numbers."],
        figures,
        [_attack_table(attacks)],
        {
            one.attack: {"epsilon": one.epsilons, "accuracy": [estimate_json(a) for a in one.accuracy]}
            for one in attacks
        },
    )


def _cases_figure(material: Material, name: str, rows: Rows) -> PageFigure:
    """Cases beside their maps."""
    images, classes = material.take(rows), material.explained(rows)
    columns = []
    for method in material.methods:
        columns.append((_with_places(material, method), *_heat(material, method, images, classes)))
    other = _other_class(material, rows, classes)
    method = next((one for one in material.methods if one in OF_LAYERS), material.methods[0])
    heat, notes = _heat(material, method, images, other)
    names = [material.class_names[index] for index in other]
    notes = [f"{name}: nothing" if flag else f"for {name}" for name, flag in zip(names, notes, strict=True)]
    columns.append((f"{method_name(method)}, other", heat, notes))
    drawn = draw_cases(images, [material.answer(row) for row in rows], columns)
    return to_figure(drawn, f"{name.capitalize()} cases", f"{len(rows)} {name} cases with maps of what decided.")


def _heat(
    material: Material, method: str, images: NDArray, classes: NDArray[np.int32]
) -> tuple[NDArray[np.float32], list[str]]:
    """Heat in 0…1 and what is to be said below each picture."""
    found = explain(material.tapped, images, method, classes, layer=material.layer_of(method))
    heat = found.heat
    if method not in OF_LAYERS:  # single pixels far above the rest would leave all else dark
        bound = np.percentile(heat, 99, axis=(1, 2), keepdims=True)
        heat = np.minimum(np.divide(heat, bound, out=np.zeros_like(heat), where=bound > 0), 1)
    return heat, ["" if flag == INCOMPLETE else flag for flag in found.flags]


def _with_places(material: Material, method: str) -> str:
    """A method's name, with the places of its map where that has fewer than the image."""
    places = material.places(method)
    return f"{method_name(method)}, {places}" if places else method_name(method)


def _areas(boxes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Pixels inside each box."""
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def _coarseness(table: list[list[str]]) -> list[str]:
    """Says where the usual threshold gives boxes that surround nearly everything."""
    wide = [row[0] for row in table if int(row[1].rstrip("%")) >= WIDE_BOX]
    if not wide:
        return []
    return [
        f"At {100 * SHARE:.0f}% the boxes of {' and of '.join(wide)} take in most of the image and say little of "
        "where; read the thin ones."
    ]


def _other_class(material: Material, rows: Rows, classes: NDArray[np.int32]) -> NDArray[np.int32]:
    """The true class where another was explained, else the most probable of the others."""
    probabilities = material.probabilities[rows].copy()
    probabilities[np.arange(len(rows)), classes] = -1
    truth = material.y[rows]
    return np.where(truth != classes, truth, probabilities.argmax(axis=1)).astype(np.int32)


def _triptychs(material: Material, rows: Rows, settings: PgdSettings) -> list[PageFigure]:
    """Image, change and result of some images that are right as they are; none where none is."""
    if not len(rows):
        return []
    images = material.take(rows)
    changed = pgd(material.tapped, images, material.y[rows].astype(np.int32), SHOWN_EPSILON, settings=settings)
    drawn = plot_adversarial(compare_examples(material.tapped, images, changed), material.class_names)
    title = f"Changes of at most {SHOWN_EPSILON:g} of 255 (PGD)"
    return [to_figure(drawn.figure_, title, "Images, enlarged changes, and results.")]


def _attack_table(attacks: list[AttackedAccuracy]) -> Table:
    """Accuracy by ε, with intervals."""
    header = ("ε, of 255", *(one.attack.upper() for one in attacks))
    rows = []
    for place, epsilon in enumerate(attacks[0].epsilons):
        estimates = [one.accuracy[place] for one in attacks]
        rows.append([f"{epsilon:g}", *(f"{percent(one.value)} ({bracketed(estimate_json(one))})" for one in estimates)])
    return Table("Accuracy under attack", header, rows)
