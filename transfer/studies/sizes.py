"""Tables, figures and results of the two studies of accuracy against images per class."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from transfer.studies import digits, images
from transfer.studies.config import StudyConfig
from transfer.studies.drawing import draw_sizes
from transfer.studies.ledger import Row
from transfer.studies.statistics import mean_interval, percent
from transfer.studies.tables import csv_text, machine_words, sizes_markdown

Files = dict[str, bytes | str]
SizeCurves = dict[str, dict[float, list[float]]]


def digits_files(rows: Mapping[digits.Net, Row], config: StudyConfig) -> Files:
    """What the study of digits writes."""
    curves = curves_of({(net.kind, net.size, net.seed): row["accuracy"] for net, row in rows.items() if net.size})
    base = percent(mean_interval([row["accuracy"] for net, row in rows.items() if net.kind == "base"]))
    extra = {
        heading: [_median(rows, kind, size, form) for size in curves["frozen"]]
        for heading, kind, form in (
            ("processor seconds, transfer", "frozen", "cpu_seconds"),
            ("from scratch", "scratch", "cpu_seconds"),
            ("weights trained, transfer", "frozen", "trainable"),
            ("trained from scratch", "scratch", "trainable"),
        )
    }
    note = (
        f"Digits 5 to 9 after 0 to 4 (those: {base} %): test accuracy, mean (95 % t interval) of {config.seeds} seeds, "
        f"each with its own split of the 1,797 digits; transfer freezes both convolutions. {_recipe(config)}. Seconds "
        f"are medians, the base's own not counted. {machine_words(config)}"
    )
    title = (
        "Digits 5 to 9: convolutions of a network for 0 to 4, frozen,\n"
        f"or all from scratch (mean, 95 % interval, {config.seeds} seeds)"
    )
    counts = {size: f"{size:g}" for size in curves["frozen"]}
    panels = {"5 classes, scikit-learn's digits": curves}
    return {
        "transfer_digits.md": f"{sizes_markdown(curves, counts, extra)}\n\n{note}\n",
        "transfer_digits.png": draw_sizes(panels, xlabel="training images per class", title=title),
        "transfer_digits.csv": csv_text(
            [
                {"seed": net.seed, "kind": net.kind, "size": net.size or "all", **_plain(row)}
                for net, row in rows.items()
            ]
        ),
    }


def images_files(found: Mapping[str, Mapping[images.Net, Row]], config: StudyConfig) -> Files:
    """What the study of images per class writes."""
    panels, texts, results = {}, [], []
    for name, rows in found.items():
        curves = curves_of({(net.kind, row["per_class"], net.seed): row["accuracy"] for net, row in rows.items()})
        counts = {size: f"{size:.0f}" for size in curves["transfer"]}
        scored = next(iter(rows.values()))["scored"]
        panels[f"{name} ({scored:,} images scored)"] = curves
        texts.append(f"**{name}**\n\n{sizes_markdown(curves, counts, {})}")
        results += [
            {"data": name, "seed": n.seed, "kind": n.kind, "size": n.size, **_plain(row)} for n, row in rows.items()
        ]
    note = (
        f"Accuracy on held-out images, mean (95 % t interval) of {config.seeds} seeds, each of which draws other "
        f"training images; a class that has fewer gives all. Transfer: a linear layer on features of {config.backbone} "
        f"(ImageNet, frozen: case 1); from scratch: {images.NETWORK} at {config.scratch_size} px. {_recipe(config)}. "
        f"{machine_words(config)}"
    )
    title = (
        "From how few images? A linear layer on frozen ImageNet features, or a small network from scratch\n"
        f"mean, 95 % interval and each of {config.seeds} seeds"
    )
    return {
        "transfer_images.md": "\n\n".join([*texts, note]) + "\n",
        "transfer_images.png": draw_sizes(panels, xlabel="training images per class", title=title),
        "transfer_images.csv": csv_text(results),
    }


def curves_of(accuracies: Mapping[tuple[str, float, int], float]) -> SizeCurves:
    """Accuracy by (kind, size, seed) → kind → size → one for each seed, all ascending, transfer first."""
    curves: SizeCurves = {}
    for kind, size, _ in sorted(accuracies, key=lambda key: (key[0] == "scratch", key[1], key[2])):
        curves.setdefault(kind, {}).setdefault(size, [])
    for (kind, size, _), accuracy in sorted(accuracies.items(), key=lambda item: item[0]):
        curves[kind][size].append(accuracy)
    return curves


def _recipe(config: StudyConfig) -> str:
    """How every network of both studies is trained."""
    return (
        f"Every network: {config.steps} steps of Adam, rate 0.002 falling to 0, batch {digits.BATCH_SIZE}; nothing was "
        "chosen, and what is scored was scored once"
    )


def _median(rows: Mapping[digits.Net, Row], kind: str, size: float, what: str) -> str:
    """Median of a number over the seeds."""
    return f"{statistics.median(row[what] for net, row in rows.items() if (net.kind, net.size) == (kind, size)):,.0f}"


def _plain(row: Row) -> Row:
    """What a reader of the results wants."""
    return {name: row[name] for name in ("accuracy", "trainable", "cpu_seconds") if name in row}
