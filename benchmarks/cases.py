"""The notes' four cases of transfer learning on four data sets: what each reached, and whether their advice was best.

    python -m benchmarks.cases --hymenoptera folder --mednist folder --data-dir folder-with-cifar-10-batches-bin

Each data set is one `python -m transfer --case all`, with its run directories, quadrant and page; a benchmark that was
cut goes on with them. Validation ranks; the notes' expectation plays no part in what is trained or proposed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.hardware import machine
from evaluation.command import parse_config, run_main
from evaluation.files import write_atomically
from evaluation.report.words import listed
from training.checks import ConfigError
from training.datasets.dataset import DataError
from training.run import RunError
from transfer.cases import CASES


@dataclass(frozen=True)
class Sample:
    """One data set and what the notes say of it.

    Attributes:
        name: For the table, and the folder of its runs.
        kind: Small or large, similar or different.
        expected: The notes' case.
        source: Which folder of the command it is read from.
        settings: Of `python -m transfer`.
    """

    name: str
    kind: str
    expected: int
    source: str
    settings: dict[str, Any]


SMALL_NETWORK = {"backbone": "mobilenet_0.25_128"}
SAMPLES = (
    Sample("hymenoptera", "small, similar", 1, "hymenoptera", {"backbone": "mobilenet_0.75_192"}),
    Sample("mednist, 20 of each class", "small, different", 2, "mednist", SMALL_NETWORK | {"images_per_class": 20}),
    Sample(
        "CIFAR-10, 1,000 of each class",
        "large, similar",
        3,
        "data_dir",
        SMALL_NETWORK | {"images_per_class": 1000, "dataset": "cifar10", "validation_fraction": 0.04},
    ),
    Sample("mednist", "large, different", 4, "mednist", SMALL_NETWORK),
)


@dataclass(frozen=True)
class CasesConfig:
    """Settings of the benchmark.

    Attributes:
        hymenoptera: Folder with train/ and val/ of photographs of ants and bees; none: left out.
        mednist: Folder with train/ and test/ of small medical images, a folder per class; none: left out.
        data_dir: Folder that holds cifar-10-batches-bin; none: left out.
        epochs: Of each case's last phase on the large data sets, at most; on small ones the cases' own.
        runs_dir: Folder of the runs; what stands there is kept.
        output: Markdown file for the table.
    """

    hymenoptera: str | None = None
    mednist: str | None = None
    data_dir: str | None = None
    epochs: int = 10
    runs_dir: str = "runs/cases"
    output: str | None = None

    @property
    def samples(self) -> list[Sample]:
        """The data sets whose folders are given."""
        return [one for one in SAMPLES if getattr(self, one.source) is not None]


def main() -> int:
    """Runs the command line and returns its exit code."""
    config = parse_config(CasesConfig, sys.argv[1:], prog="python -m benchmarks.cases", description=__doc__)
    if not config.samples:
        raise ConfigError("there is nothing to measure. Give --hymenoptera, --mednist or --data-dir.")
    found = [(sample, _group(sample, config)) for sample in config.samples]
    text = table(found, config.epochs)
    print(text)
    if config.output:
        write_atomically(Path(config.output), text + "\n")
    return 0


def _group(sample: Sample, config: CasesConfig) -> list[dict[str, Any]]:
    """What the cases reached on one data set: trained, gone on with, or read from where it stands complete."""
    from transfer.comparison.allcases import transfer_cases
    from transfer.comparison.group import newest_unfinished_group
    from transfer.config import TransferConfig
    from transfer.resume import ResumeConfig, resume

    own = Path(config.runs_dir) / "".join(letter if letter.isalnum() else "-" for letter in sample.name)
    settings = sample.settings | {"epochs": config.epochs if sample.kind.startswith("large") else None, "tsne": False}
    complete = _complete(own, settings)
    if not complete:
        print(f"\n== {sample.name}", file=sys.stderr, flush=True)
        cut, folder = newest_unfinished_group(own), getattr(config, sample.source)
        if cut is not None and _is_of(cut, settings):
            resume(ResumeConfig(str(cut), data_dir=folder))
        else:
            transfer_cases(TransferConfig(case="all", data_dir=folder, runs_dir=str(own), **settings))
        complete = _complete(own, settings)
    return list(json.loads(complete[-1].read_text(encoding="utf-8"))["cases"])


def _complete(own: Path, settings: Mapping[str, Any]) -> list[Path]:
    """Tables of the groups that were trained to their end by these settings, the newest last."""
    return [path for path in sorted(own.glob("transfer/*/cases.json")) if _is_of(path.parent, settings)]


def _is_of(group: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a group has these settings."""
    try:
        known = yaml.safe_load((group / "config.yaml").read_text(encoding="utf-8"))
        return all(known[name] == value for name, value in settings.items())
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return False


def table(found: Sequence[tuple[Sample, list[dict[str, Any]]]], epochs: int) -> str:
    """The table as Markdown: a row for each case, then what it says of each data set."""
    from tabulate import tabulate

    rows = [_row(sample, one) for sample, cases in found for one in cases]
    header = ["data", "the notes' kind", "case", "validation accuracy, % (95 % interval)", "n", "seconds", ""]
    align = ("left", "left", "left", "right", "right", "right", "left")
    text = tabulate(rows, header, tablefmt="github", disable_numparse=True, colalign=align)
    verdicts = "\n".join(f"- {verdict(sample, cases)}" for sample, cases in found)
    alone, tuned, scratch = (CASES[name].phases[-1].epochs for name in ("1", "3", "4a"))
    note = (
        f"One seed; n: validation images, which rank; Wilson intervals. At most {epochs} epochs of each case's last "
        f"phase on large data, the cases' own on small ({alone} of a head alone, {tuned} of fine-tuning, {scratch} "
        "from random weights), early stopping after 5 without improvement (from random weights, of 100 steps or more). "
        "Seconds of the training alone, beside other work on the machine. "
        f"{machine('tensorflow', 'keras')}."
    )
    return f"{text}\n\n{verdicts}\n\n{note}"


def _row(sample: Sample, one: dict[str, Any]) -> list[str]:
    marks = [name for name in ("best", "proposed") if one[name]]
    if one["case"].startswith(str(sample.expected)):
        marks.append("the notes'")
    shown = "diverged" if one["accuracy"] is None else _share(one)
    counted = f"{one['correct']:,} of {one['total']:,}"
    return [sample.name, sample.kind, one["case"], shown, counted, f"{one['seconds']:,.0f}", ", ".join(marks)]


def _share(one: dict[str, Any]) -> str:
    return f"{100 * one['accuracy']:.1f} ({100 * one['low']:.1f} to {100 * one['high']:.1f})"


def verdict(sample: Sample, cases: Sequence[dict[str, Any]]) -> str:
    """Whether the notes' case was the best on a data set, and which one the measurement proposed, in one sentence."""
    known = [one for one in cases if one["accuracy"] is not None]
    own = [one for one in known if one["case"].startswith(str(sample.expected))]
    best = [one for one in known if one["best"]]
    if not own or not best:
        return f"{sample.name}: no case of the notes' reached an accuracy."
    ours, first = max(own, key=lambda one: one["accuracy"]), best[0]
    names = f"case{'s' if len(best) > 1 else ''} {listed([one['case'] for one in best])}"
    if ours["best"]:
        advice = f"the notes' case {ours['case']} is {'the' if len(best) == 1 else 'among the'} best"
    else:
        behind = f"{100 * (first['accuracy'] - ours['accuracy']):.1f} points above the notes' case {ours['case']}"
        overlap = "; their intervals overlap" if ours["high"] >= first["low"] else ""
        advice = f"{names} {'is' if len(best) == 1 else 'are'} best, {behind}{overlap}"
    proposed = listed([one["case"] for one in cases if one["proposed"]]) or "none"
    return f"{sample.name}: {advice}. Proposed by the measurement on the training images: {proposed}."


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError, DataError, RunError)))
