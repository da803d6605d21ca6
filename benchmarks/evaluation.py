"""The evaluation room's speed and memory against scikit-learn, side by side.

    python -m benchmarks.evaluation --part a,b,c,d

(a) every number of a report on two classes, without resamples; (b) the AUC of every class against the rest;
(c) resamples of an AUC; (d) a CSV file to the whole HTML report. Variants alternate, each measurement in a process
of its own, and ratios are taken within each repeat.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.evaluation_work import (
    binary_numbers,
    binary_scores,
    class_areas,
    class_scores,
    loop_of_areas,
    mean_class_area,
    one_area,
    resampled_areas,
)
from benchmarks.hardware import machine
from evaluation.command import parse_config, run_main

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("a", "b", "c", "d")
LOADED_ELSEWHERE = ("tensorflow", "keras")


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of the benchmark.

    Attributes:
        part: Parts to run, separated by commas.
        rows: Scores of two classes in part a.
        class_rows: Examples of part b.
        classes: Classes of part b.
        bootstrap_rows: Examples of part c.
        replicates: Resamples of part c.
        csv_rows: Rows of the file of part d.
        repeats: Alternating repeats of every part.
        output: Markdown file for the table, such as benchmarks/results/evaluation.md.
    """

    part: str = "a,b,c,d"
    rows: int = 10_000_000
    class_rows: int = 50_000
    classes: int = 1000
    bootstrap_rows: int = 10_000
    replicates: int = 2000
    csv_rows: int = 1_000_000
    repeats: int = 3
    output: str | None = None

    def __post_init__(self) -> None:
        """Refuses parts that do not exist and sizes that measure nothing."""
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts:
            raise ValueError(f"part must name some of {','.join(PARTS)}. Received: part={self.part!r}.")
        sizes = (self.rows, self.class_rows, self.bootstrap_rows, self.csv_rows)
        if min(sizes) < 100 or self.classes < 2 or self.replicates < 100 or self.repeats < 1:
            raise ValueError("rows must be at least 100, classes 2, replicates 100 and repeats 1.")

    @property
    def parts(self) -> list[str]:
        """The parts, as a list."""
        return [part.strip() for part in self.part.split(",") if part.strip()]


@dataclass(frozen=True)
class Measurement:
    """What one process reports.

    Attributes:
        seconds: Time of the work alone, without imports and making the data.
        peak: Largest memory beyond that with the data in place, in bytes.
        data: Bytes of the input.
        value: A number that variants must agree on, or None.
        size: Bytes of what was written, or None.
    """

    seconds: float
    peak: float
    data: float
    value: float | None = None
    size: float | None = None


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(EvaluationConfig, sys.argv[1:], prog="python -m benchmarks.evaluation", description=__doc__)
    text = measure(config)
    print(text)
    if config.output:
        Path(config.output).write_text(text + "\n", encoding="utf-8")
    return 0


def measure(config: EvaluationConfig) -> str:
    """Runs the parts and returns the table as Markdown."""
    rows = []
    for part in config.parts:
        names = [name for name in VARIANTS if name.startswith(part)]
        found: dict[str, list[Measurement]] = {name: [] for name in names}
        for repeat in range(config.repeats):
            for name in names:
                found[name].append(_in_a_process(name, config))
                line = f"repeat {repeat + 1}/{config.repeats} {name}: {found[name][-1]}"
                print(line, file=sys.stderr, flush=True)
        rows += _rows(found, config)
    header = ["work", "variant", "seconds", "ratio to scikit-learn", "peak memory / input", "HTML"]
    table = tabulate(rows, header, tablefmt="github", disable_numparse=True)
    note = (
        f"Median (smallest–largest) of {config.repeats} alternating repeats; ratios within each repeat. "
        f"{machine('numpy', 'scikit-learn')}."
    )
    return f"{table}\n\n{note}"


def _rows(found: dict[str, list[Measurement]], config: EvaluationConfig) -> list[list[str]]:
    """Table rows of one part; its last variant is the one that the others are compared with."""
    *_, last = found
    base = [one.seconds for one in found[last]]
    rows = []
    for name, measured in found.items():
        pairs = [(one.value or 0.0, other.value or 0.0) for one, other in zip(measured, found[last], strict=True)]
        if any(abs(value - expected) > 1e-9 for value, expected in pairs):
            raise RuntimeError(f"{name} and {last} disagree: {pairs}.")
        ratios = [one.seconds / other for one, other in zip(measured, base, strict=True)]
        sizes = [one.size for one in measured if one.size is not None]
        rows.append(
            [
                VARIANTS[name].work.format(**vars(config)),
                VARIANTS[name].label,
                _spread([one.seconds for one in measured], "{:.2f}"),
                _spread(ratios, "{:.3f}") if len(found) > 1 else "",
                _spread([one.peak / one.data for one in measured], "{:.1f}") if measured[0].data else "",
                f"{max(sizes) / 1e6:.2f} MB" if sizes else "",
            ]
        )
    return rows


def _spread(values: list[float], form: str) -> str:
    """Median (smallest–largest)."""
    middle, low, high = (form.format(x) for x in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})"


def _in_a_process(name: str, config: EvaluationConfig) -> Measurement:
    """One measurement in a fresh process, whose memory is its own."""
    call = f"from benchmarks.evaluation import child; child({name!r}, {json.dumps(vars(config))!r})"
    done = subprocess.run([sys.executable, "-c", call], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"variant {name} ended with code {done.returncode}:\n{done.stderr.strip()}")
    return Measurement(**json.loads(done.stdout.splitlines()[-1]))


def child(name: str, config: str) -> None:
    """Measures one variant in this process and prints it as JSON."""
    settings = EvaluationConfig(**json.loads(config))
    measured = VARIANTS[name].run(settings)
    loaded = [room for room in LOADED_ELSEWHERE if room in sys.modules]
    if loaded:
        raise RuntimeError(f"{name} imported {loaded}, which evaluation must do without.")
    print(json.dumps(vars(measured)))


def _timed(work: Callable[..., Any], *data: Any) -> Measurement:
    """Runs the work once on the data; imports and a small trial run come before."""
    before = _peak()
    start = time.perf_counter()
    value = work(*data)
    seconds = time.perf_counter() - start
    return Measurement(seconds, _peak() - before, sum(array.nbytes for array in data), value)


def _peak() -> float:
    """Largest resident memory of this process so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _whole_report(config: EvaluationConfig) -> Measurement:
    """`python -m evaluation` on a CSV file, from start to exit."""
    import resource

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.csv"
        _write_csv(path, config.csv_rows)
        command = [sys.executable, "-c", REPORT, str(path), "--output", str(Path(folder) / "report")]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"the report ended with code {done.returncode}: {done.stderr.strip()}")
        size = max(page.stat().st_size for page in Path(folder).rglob("*.html"))
        data = path.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Measurement(seconds, peak, data, size=size)


def _write_csv(path: Path, rows: int) -> None:
    """Two classes, one score column."""
    import pandas as pd

    y_true, y_score = binary_scores(rows)
    names = pd.Series(["benign", "malignant"]).take(y_true).to_numpy()
    pd.DataFrame({"y_true": names, "p_malignant": y_score}).to_csv(path, index=False)


# What `python -m evaluation` does, and a look at what it imported.
REPORT = f"""
import sys
from evaluation.__main__ import main
code = main(sys.argv[1:] + ["--positive", "malignant"])
loaded = [room for room in {LOADED_ELSEWHERE!r} if room in sys.modules]
sys.exit(f"imported {{loaded}}" if loaded else code)
"""


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        work: What is done, with the sizes of the settings.
        label: By whom.
        run: Measures it.
    """

    work: str
    label: str
    run: Callable[[EvaluationConfig], Measurement]


def _on_two_classes(work: Callable[..., float], rows: str, *extra: str) -> Callable[[EvaluationConfig], Measurement]:
    """A measurement on scores of two classes, after a trial on a few of them that loads what is needed."""

    def run(config: EvaluationConfig) -> Measurement:
        """Tries, makes the data, measures."""
        keywords = {name: getattr(config, name) for name in extra}
        trial = binary_scores(100)
        work(*trial, **dict.fromkeys(extra, 100))
        data = binary_scores(getattr(config, rows))
        return _timed(lambda *arrays: work(*arrays, **keywords), *data)

    return run


def _on_many_classes(work: Callable[..., float]) -> Callable[[EvaluationConfig], Measurement]:
    """A measurement on scores of many classes, after a trial on three."""

    def run(config: EvaluationConfig) -> Measurement:
        """Tries, makes the data, measures."""
        work(*class_scores(100, 3))
        return _timed(work, *class_scores(config.class_rows, config.classes))

    return run


BINARY = "(a) {rows:,} scores of two classes"
CLASSES = "(b) {class_rows:,} × {classes:,} classes: every AUC against the rest"
RESAMPLES = "(c) {replicates:,} resamples of an AUC at n = {bootstrap_rows:,}"
VARIANTS = {
    "a": Variant(BINARY, "Groundwork, every number without resamples", _on_two_classes(binary_numbers, "rows")),
    "a_sklearn": Variant(BINARY, "scikit-learn, `roc_auc_score` alone", _on_two_classes(one_area, "rows")),
    "b": Variant(CLASSES, "Groundwork, with intervals", _on_many_classes(class_areas)),
    "b_sklearn": Variant(CLASSES, "scikit-learn, `ovr` macro", _on_many_classes(mean_class_area)),
    "c": Variant(RESAMPLES, "Groundwork", _on_two_classes(resampled_areas, "bootstrap_rows", "replicates")),
    "c_sklearn": Variant(
        RESAMPLES, "loop over `roc_auc_score`", _on_two_classes(loop_of_areas, "bootstrap_rows", "replicates")
    ),
    "d": Variant("(d) CSV of {csv_rows:,} rows to the HTML report", "Groundwork, whole command", _whole_report),
}


if __name__ == "__main__":
    sys.exit(run_main(main))
