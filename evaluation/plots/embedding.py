"""The map of features as a figure: one panel, or two side by side, with their numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.embedding import Embedding, share
from evaluation.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

MOST_IN_LEGEND = 20
MOST_LABELS = 30
WARNING = (
    "t-SNE keeps neighbours together and little else: distances between clusters, their sizes and their density mean "
    "little."
)


def draw_embedding(
    embeddings: Embedding | Mapping[str, Embedding],
    class_names: Sequence[str],
    path: Path,
    *,
    named: str = "images",
    wrong: np.ndarray | Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Draws images as points, coloured by class: a legend up to 20 classes, names at the clusters beyond.

    Args:
        embeddings: One, or two by their titles, such as before and after fine-tuning.
        class_names: Name of each class index.
        path: The PNG file. Its folder must exist.
        named: What the images are called.
        wrong: `(m,)` whether each point is predicted wrongly, or that by title for two: these are ringed.

    Returns:
        The file.

    Raises:
        ValueError: If there is no embedding or more than two, or a class without a name.
        OSError: If the file cannot be written.
    """
    import matplotlib

    from evaluation.plots import render, report_style

    panels = {"": embeddings} if isinstance(embeddings, Embedding) else dict(embeddings)
    rings = dict.fromkeys(panels, wrong) if isinstance(wrong, np.ndarray) else dict(wrong or {})
    _check(panels, class_names)
    _check_rings(panels, rings)
    with matplotlib.rc_context(report_style()):
        figure, axes = _new_panels(len(panels))
        for ax, (title, one) in zip(axes, panels.items(), strict=True):
            _draw_points(ax, one, class_names)
            _draw_rings(ax, one, rings.get(title))
            ax.set_title(_panel_title(title, one), fontsize=10, loc="left")
        labelled = [] if len(class_names) <= MOST_IN_LEGEND else _label(figure, axes, panels, class_names)
        below = _draw_legend(figure, panels, class_names)
        lines = [*_caption(panels, named, labelled, class_names), *_ring_lines(rings)]
        width = 14.5 * figure.get_size_inches()[0]
        text = "\n".join(line for one in lines for line in textwrap.wrap(one, int(width)))
        figure.text(0.01, below, text, fontsize=9, va="top", linespacing=1.35)
        png, _ = render(figure)
    write_atomically(path, png)
    return path


def _check(panels: Mapping[str, Embedding], class_names: Sequence[str]) -> None:
    """Refuses what no figure can show."""
    if not 1 <= len(panels) <= 2:
        raise ValueError(f"embeddings must be one or two. Received: {len(panels)}.")
    highest = max(int(one.y.max()) for one in panels.values())
    if highest >= len(class_names):
        raise ValueError(
            f"class_names must name every class. Received: {len(class_names)} names, and class index {highest}."
        )


def _check_rings(panels: Mapping[str, Embedding], rings: Mapping[str, np.ndarray]) -> None:
    """Refuses rings that fit no points."""
    for title, ringed in rings.items():
        if title not in panels or ringed.shape != (len(panels[title].points),) or ringed.dtype != bool:
            raise ValueError(
                f"wrong must say True or False for each point of a map. Received: {ringed.dtype} of shape "
                f"{ringed.shape} for {title!r}."
            )


def _draw_rings(ax: Axes, one: Embedding, ringed: np.ndarray | None) -> None:
    """A dark ring around each point that is predicted wrongly."""
    if ringed is not None and ringed.any():
        size = 2.5 * _size(one)
        x, y = one.points[ringed].T
        ax.scatter(x, y, s=size, facecolors="none", edgecolors="#222222", linewidths=0.8)


def _ring_lines(rings: Mapping[str, np.ndarray]) -> list[str]:
    """How many points are ringed, and why."""
    parts = [
        f"{ringed.sum():,} of {len(ringed):,}" + (f" ({title})" if title else "") for title, ringed in rings.items()
    ]
    return [f"Ringed: predicted wrongly, {' and '.join(parts)}."] if parts else []


def _size(one: Embedding) -> float:
    """Area of a point, square points; large where there are few."""
    return float(np.clip(6000 / len(one.points), 6, 45))


def _new_panels(panels: int) -> tuple[Figure, list[Axes]]:
    """Square axes side by side, without scales: their units mean nothing."""
    from matplotlib.figure import Figure

    side, gap, top = (4.3, 0.2, 0.55) if panels == 2 else (6.0, 0.0, 0.55)
    width, height = panels * side + (panels - 1) * gap, side + top
    figure = Figure(figsize=(width, height))
    places = [(index * (side + gap) / width, 0.0, side / width, side / height) for index in range(panels)]
    axes = [figure.add_axes(place) for place in places]
    for ax in axes:
        ax.set(xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set(visible=True, color="#c4cace")
    return figure, axes


def style_of(index: int) -> dict[str, Any]:
    """Colour and marker of a class: 7 colours that colour-blind readers tell apart, then other markers."""
    from evaluation.plots.style import COLOURS, MARKERS

    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index // len(COLOURS) % len(MARKERS)]}


def _draw_points(ax: Axes, one: Embedding, class_names: Sequence[str]) -> None:
    """The points of each class."""
    for index in np.unique(one.y):
        x, y = one.points[one.y == index].T
        ax.scatter(x, y, s=_size(one), linewidths=0, alpha=0.75, **style_of(int(index)))
    ax.margins(0.05)


def _panel_title(title: str, one: Embedding) -> str:
    """Name of the features, and how good the neighbours are in their space and in the map."""
    from evaluation.plots.style import shorten

    numbers = (
        f"k-NN in feature space {share(one.knn_before)}\nin this map {share(one.knn_after)}, trustworthiness "
        f"{one.trustworthiness:.3f}"
    )
    return f"{shorten(title, 44)}\n{numbers}" if title else numbers


def _draw_legend(figure: Figure, panels: Mapping[str, Embedding], class_names: Sequence[str]) -> float:
    """A legend below the panels where the classes are few; returns where the caption begins."""
    from matplotlib.lines import Line2D

    from evaluation.plots.style import shorten

    if len(class_names) > MOST_IN_LEGEND:
        return -0.02
    shown = sorted({int(index) for one in panels.values() for index in np.unique(one.y)})
    handles = [Line2D([], [], linestyle="", label=shorten(class_names[i], 22), **style_of(i)) for i in shown]
    for handle, index in zip(handles, shown, strict=True):
        if str(handle.get_label()).startswith("_"):  # matplotlib leaves such labels out of legends
            handle.set_label(f" {shorten(class_names[index], 22)}")
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(11 * figure.get_size_inches()[0] / (longest + 5))))
    rows = -(-len(handles) // columns)
    columns = -(-len(handles) // rows)  # of about the same length
    options: dict[str, Any] = {"handletextpad": 0.2, "columnspacing": 1.2, "borderaxespad": 0.4, "labelspacing": 0.3}
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=columns, **options)
    return -(0.14 + 0.18 * rows) / figure.get_size_inches()[1]


def _label(
    figure: Figure, axes: Sequence[Axes], panels: Mapping[str, Embedding], class_names: Sequence[str]
) -> list[set[int]]:
    """Class names at the medians of their points, the largest classes first, where they hide no other name."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return [_label_panel(ax, canvas, one, class_names) for ax, one in zip(axes, panels.values(), strict=True)]


def _label_panel(ax: Axes, canvas: Any, one: Embedding, class_names: Sequence[str]) -> set[int]:
    """Labels one panel; returns the classes that have a label."""
    from evaluation.plots.style import shorten

    boxes: list[Any] = []
    labelled: set[int] = set()
    frame = ax.get_window_extent()
    for index in sorted(np.unique(one.y), key=lambda index: -int((one.y == index).sum())):
        if len(labelled) == MOST_LABELS:
            break
        x, y = np.median(one.points[one.y == index], axis=0)
        text: Text = ax.text(x, y, shorten(class_names[index], 18), fontsize=8.5, ha="center", va="center")
        text.set_bbox({"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.8})
        box = text.get_window_extent(canvas.get_renderer())
        hides = any(box.overlaps(other) for other in boxes)
        if hides or not (frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1)):
            text.remove()
        else:
            boxes.append(box)
            labelled.add(int(index))
    return labelled


def _caption(
    panels: Mapping[str, Embedding], named: str, labelled: Sequence[set[int]], class_names: Sequence[str]
) -> list[str]:
    """What the figure shows, and how far it may be believed."""
    first = next(iter(panels.values()))
    sizes = sorted({len(one.kept) for one in panels.values()})
    n = " and ".join(f"{size:,}" for size in sizes)
    of = f" of {first.n:,}" if first.n > len(first.kept) else ""
    perplexities = " and ".join(dict.fromkeys(f"{one.perplexity:.3g}" for one in panels.values()))
    voters = " and ".join(dict.fromkeys(str(one.neighbours) for one in panels.values()))
    lines = [
        f"t-SNE of n = {n}{of} {named}, perplexity {perplexities}. k-NN: accuracy of the vote of the {voters} nearest "
        f"neighbours, leaving the image itself out, with its 95% interval; the most frequent class has a share of "
        f"{100 * first.chance:.1f}%.",
        WARNING,
    ]
    if labelled:
        shown = f"{' and '.join(str(len(one)) for one in labelled)} of {len(class_names):,}"
        lines.insert(1, f"Names stand at the median of their class: {shown}, where there is room.")
    return lines
