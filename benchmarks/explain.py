"""Explanations: Grad-CAM against tf-keras-vis, the strongest patches of a whole network, and where maps point.

    python -m benchmarks.explain --data-dir folder-with-cifar-10-batches-bin

Every repeat runs in a process of its own, but for the two ways of Grad-CAM: these stay warm and alternate, with their
graphs traced before the clock starts.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks import explain_work
from benchmarks.hardware import machine
from benchmarks.training_throughput import spread
from benchmarks.workers import Worker, running
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from training.checks import ConfigError
from training.datasets.dataset import DataError
from transfer.studies.ledger import Ledger, open_ledger

OURS, THEIRS = "Groundwork", "tf-keras-vis"
Row = dict[str, float]
Measured = dict[str, list[Row]]


@dataclass(frozen=True)
class ExplainBenchConfig:
    """Settings of the benchmark.

    Attributes:
        data_dir: Folder that holds cifar-10-batches-bin; none: the strongest patches are left out.
        images: Images of Grad-CAM.
        repeats: Of each measurement; of the pointing game networks, each with a seed of its own.
        state: Folder that keeps each finished repeat, so that a benchmark that was cut goes on.
        output: Markdown file for the tables.
    """

    data_dir: str | None = None
    images: int = 200
    repeats: int = 5
    state: str | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        """Refuses sizes that measure nothing."""
        if min(self.images, self.repeats) < 1:
            raise ConfigError(f"images and repeats must be at least 1. Received: {self.images} and {self.repeats}.")
        if self.output is not None and not Path(self.output).parent.is_dir():
            raise ConfigError(f"output: there is no folder {Path(self.output).parent}. Create it first.")


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(ExplainBenchConfig, sys.argv[1:], prog="python -m benchmarks.explain", description=__doc__)
    text = measure(config)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
    return 0


def measure(config: ExplainBenchConfig) -> str:
    """Runs what the state lacks and returns the tables as Markdown.

    Raises:
        ConfigError: The state cannot be used.
        DataError, OSError: The data cannot be used, or the state not be written.
    """
    ways: dict[str, Callable[..., Any]] = {OURS: explain_work.prepare_ours}
    if importlib.util.find_spec("tf_keras_vis"):
        ways[THEIRS] = explain_work.prepare_tf_keras_vis
    else:
        _say(f"{THEIRS} is left out: it is not installed (requirements-dev.txt has it).")
    with _ledger(config) as ledger:
        maps = _grad_cam(ways, config, ledger)
        parts = [maps_table(maps), _maps_note(config)]
        if config.data_dir is None:
            _say("the strongest patches are left out: --data-dir names no folder.")
        else:
            patches = _fresh("patches", explain_work.prepare_patches, [(config.data_dir,)] * config.repeats, ledger)
            parts += [patches_table(patches), _patches_note(patches)]
        seeds = [(seed,) for seed in range(1, config.repeats + 1)]
        pointing = _fresh("pointing game", explain_work.prepare_pointing, seeds, ledger)
    parts += [pointing_table(pointing), _pointing_note(pointing)]
    return "\n\n".join([*parts, f"{machine('tensorflow', 'keras')}."])


def maps_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """Maps per second of each way, and the ratio within each repeat."""
    cells = []
    for way, runs in rows.items():
        speeds = [spread([one[clock] for one in runs], "{:.1f}") for clock in ("maps", "cpu_maps")]
        ratios = [
            spread([one[clock] / other[clock] for one, other in zip(rows[OURS], runs, strict=True)], "{:.2f}")
            for clock in ("maps", "cpu_maps")
        ]
        cells.append([way, *speeds, *ratios])
    return _table(cells, ["Grad-CAM", "maps/s", "maps per processor second", "Groundwork's ratio", "… by processor"])


def patches_table(rows: Sequence[Row]) -> str:
    """Seconds and memory of the strongest patches."""
    cells = [
        spread([one[name] for one in rows], form)
        for name, form in (("seconds", "{:.1f}"), ("cpu_seconds", "{:.1f}"), ("cutting", "{:.1f}"))
    ]
    cells += [spread([one[name] for one in rows], "{:,.0f}") for name in ("megabytes", "before")]
    header = ["seconds", "processor seconds", "cutting all patches, s", "largest memory, MB", "before it began, MB"]
    return _table([["top 9, all units of all layers", *cells]], ["strongest patches", *header])


def pointing_table(rows: Sequence[Row]) -> str:
    """Share of maps whose strongest place lies in the planted patch."""
    names = {"class_activation_map": "CAM", "grad_cam": "Grad-CAM", "centre": "the image's centre"}
    cells = [[label, _shares(rows, name)] for name, label in names.items()]
    return _table([*cells, ["a random pixel (chance)", _shares(rows, "chance")]], ["pointing game", "hits"])


def _grad_cam(ways: Mapping[str, Callable[..., Any]], config: ExplainBenchConfig, ledger: Ledger | None) -> Measured:
    """Speeds of each way, one for each repeat, alternating."""
    names = [
        (way, f"{way}, {config.images} images, repeat {number + 1}") for number in range(config.repeats) for way in ways
    ]
    kept = {} if ledger is None else ledger.rows
    found: Measured = {way: [] for way in ways}
    missing = {way for way, name in names if name not in kept}
    with running({way: Worker(way, ways[way], config.images) for way in ways if way in missing}) as workers:
        for worker in workers.values():
            worker.receive()
        for way, name in names:
            if name not in kept:
                clock = workers[way].ask()
                row = {"maps": config.images / clock["seconds"], "cpu_maps": config.images / clock["cpu_seconds"]}
                _keep(ledger, name, row)
                found[way].append(row)
            else:
                found[way].append(kept[name])
    return found


def _fresh(label: str, prepare: Callable[..., Any], runs: Sequence[tuple], ledger: Ledger | None) -> list[Row]:
    """One row for each run, each in a process of its own."""
    rows = []
    for number, arguments in enumerate(runs, start=1):
        name = f"{label}, repeat {number}"
        if ledger is not None and name in ledger.rows:
            rows.append(ledger.rows[name])
            continue
        with running({"one": Worker(name, prepare, *arguments)}) as workers:
            before = workers["one"].receive()
            row = workers["one"].ask() | ({} if before is None else {"before": before})
        _keep(ledger, name, row)
        rows.append(row)
    return rows


def _keep(ledger: Ledger | None, name: str, row: Row) -> None:
    """Writes a finished repeat to the state, and says so."""
    if ledger is not None:
        ledger.add(name, row)
    _say(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in row.items()))


def _maps_note(config: ExplainBenchConfig) -> str:
    return (
        f"MobileNet at 224 pixels (not trained), layer {explain_work.LAYER}, {config.images} images in batches of "
        f"{explain_work.BATCH_SIZE}, maps at the images' size. Median (smallest–largest) of {config.repeats} "
        "alternating repeats, ratios within each; both warmed up, so tracing is not counted."
    )


def _patches_note(rows: Sequence[Row]) -> str:
    images, units, layers = (int(rows[0][name]) for name in ("images", "units", "layers"))
    return (
        f"The notes' CNN (not trained), {images:,} CIFAR-10 images of 32×32 pixels, {units} units in {layers} layers, "
        f"tracing included. Median (smallest–largest) of {len(rows)} processes; memory is the largest resident of the "
        "whole process, TensorFlow and the images among it."
    )


def _pointing_note(rows: Sequence[Row]) -> str:
    accuracy = statistics.median(one["accuracy"] for one in rows)
    return (
        f"Planted patches: {explain_work.TESTED} images of 32×32 pixels, a patterned patch of 12×12 anywhere tells the "
        f"class (four of them), plain shapes distract; a `gap_cnn` trained on {explain_work.TRAINED:,} others (test "
        f"accuracy {accuracy:.1%}). Median (smallest–largest) of {len(rows)} seeds of images and weights."
    )


def _shares(rows: Sequence[Row], name: str) -> str:
    return spread([one[name] for one in rows], "{:.1%}")


def _table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


@contextmanager
def _ledger(config: ExplainBenchConfig) -> Iterator[Ledger | None]:
    """What is finished, where a folder for it is named."""
    if config.state is None:
        yield None
        return
    with open_ledger(
        Path(config.state), {"study": "bench-explain", "machine": machine("tensorflow", "keras")}
    ) as ledger:
        yield ledger


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError)))
