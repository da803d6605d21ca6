"""The studies' results as Markdown, and every single one as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from training.datasets.text import counted
from training.run import package_versions, processor
from transfer.studies import cuts
from transfer.studies.config import StudyConfig
from transfer.studies.drawing import Curve
from transfer.studies.ledger import Row
from transfer.studies.statistics import mean_interval, paired_interval, percent, points


def cut_curves(rows: Mapping[cuts.Net, Row]) -> tuple[dict[str, dict[float, list[float]]], dict[str, list[float]]]:
    """Accuracies by kind and cut, and those of the bases, each in the order of the seeds."""
    curves: dict[str, dict[float, list[float]]] = {kind: {} for kind in cuts.KINDS}
    bases: dict[str, list[float]] = {}
    for net in sorted(rows, key=lambda net: (net.seed, net.kind, net.cut)):
        if net.cut:
            curves[net.kind].setdefault(net.cut, []).append(rows[net]["accuracy"])
        else:
            bases.setdefault(net.kind, []).append(rows[net]["accuracy"])
    return curves, bases


def cuts_markdown(rows: Mapping[cuts.Net, Row], config: StudyConfig) -> str:
    """Accuracies and differences by cut."""
    curves, bases = cut_curves(rows)
    base = bases["base B"]
    places = range(1, len(cuts.LAYERS) + 1)
    label = {0: "0: base B", **{cut: f"{cut}: {cuts.LAYERS[cut - 1]}" for cut in places}}
    first = [[label[0], *[percent(mean_interval(base))] * len(curves)]]
    first += [[label[cut], *(percent(mean_interval(curves[kind][cut])) for kind in curves)] for cut in places]
    second = [
        [
            label[cut],
            *(points(paired_interval(curves[kind][cut], base)) for kind in curves),
            points(paired_interval(curves["AnB"][cut], curves["BnB"][cut])),
            points(paired_interval(curves["AnB+"][cut], curves["BnB+"][cut])),
        ]
        for cut in places
    ]
    tables = [
        _table(first, ["last layer taken over", *curves]),
        _table(second, ["minus base B, points", *curves, "AnB − BnB", "AnB+ − BnB+"]),
    ]
    note = (
        "Test accuracy, %, on 5 of CIFAR-10's 10 classes (5,000 images): mean (95 % t interval) of "
        f"{config.seeds} seeds, each with halves, images, weights and order of its own; differences within seeds, bold "
        f"where the interval leaves out 0. Base A reaches {percent(mean_interval(bases['base A']))} on its classes. "
        f"Every network: the notes' CNN (525,549 parameters), {config.images_per_class:,} training images per class, "
        f"{config.epochs} epochs, Adam, rate 0.002 falling to 0, batch {cuts.BATCH_SIZE}; nothing was chosen, the test "
        f"images were scored once. {len(rows)} networks. "
        f"{machine_words(config)}"
    )
    return "\n\n".join([*tables, note]) + "\n"


def sizes_markdown(curves: Mapping[str, Curve], counts: Mapping[float, str], extra: Mapping[str, list[str]]) -> str:
    """Accuracies by images per class: transfer, from scratch, and their difference.

    Args:
        curves: `transfer` and `scratch` → size → accuracy of every seed.
        counts: Size → how the table calls it.
        extra: Heading → further cells, one for each size.
    """
    transfer, scratch = curves.values()
    rows = [
        [
            counts[size],
            percent(mean_interval(transfer[size])),
            percent(mean_interval(scratch[size])),
            points(paired_interval(transfer[size], scratch[size])),
            *(cells[index] for cells in extra.values()),
        ]
        for index, size in enumerate(transfer)
    ]
    return _table(rows, ["images per class", "transfer, %", "from scratch, %", "difference, points", *extra])


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each network, under a header."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def machine_words(config: StudyConfig) -> str:
    """What it ran on."""
    versions = package_versions()
    named = ", ".join(f"{name} {versions[name]}" for name in ("tensorflow", "keras"))
    return (
        f"{processor()}, {counted(config.workers, 'process')} of one core each; Python {versions['python']}, {named}."
    )


def _table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)
