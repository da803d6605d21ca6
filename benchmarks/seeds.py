"""One recipe over several seeds: what the README quotes, with n, mean and spread.

    make seeds COUNT=5 MODEL=cifar_cnn DATASET=digits
    make seeds COUNT=5 AT_ONCE=2 GO_ON=1 CONFIG=configs/cifar_fast.yaml DATA_DIR=…   # again after a crash: it goes on

Every run has its own seed for weights and order and, where the source has no test set of its own,
its own split. The test result is read once per run, at the best validation epoch.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tabulate import tabulate

from evaluation.command import parse_config, run_main
from evaluation.files import sha256
from training.checks import ConfigError
from training.config import TrainConfig, from_yaml, to_yaml
from training.diagnostics import best_epoch
from training.resume import config_digest
from training.run import Run, RunError
from training.unfinished import DONE, is_reported


@dataclasses.dataclass(frozen=True)
class SeedsConfig(TrainConfig):
    __doc__ = (TrainConfig.__doc__ or "") + (
        "    count: Number of seeds, from `seed` upwards.\n"
        "    at_once: Seeds that train at the same time, each in a process with its share of the cores.\n"
        "    go_on: Keep the finished runs of runs_dir with these settings, and resume the unfinished.\n"
        "    output: Markdown file for the table.\n"
    )
    count: int = 5
    at_once: int = 1
    go_on: bool = False
    output: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("count", "at_once"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1. Received: {name}={getattr(self, name)}.")


def main() -> int:
    config = parse_config(SeedsConfig, sys.argv[1:], prog="python -m benchmarks.seeds", description=__doc__)
    text = measure(config)
    print(text)
    if config.output:
        Path(config.output).write_text(text + "\n", encoding="utf-8")
    return 0


def measure(config: SeedsConfig) -> str:
    """Trains `count` times, each in a process of its own, and returns the table as Markdown.

    Raises:
        ConfigError: A run ended without a result; its own message stands above.
    """
    settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(TrainConfig)}
    seeds = range(config.seed, config.seed + config.count)
    wanted = [TrainConfig(**settings | _seeded(config, seed)) for seed in seeds]
    named = [(f"seed {one.seed}", one) for one in wanted]
    runs = trained(named, at_once=config.at_once, go_on=config.go_on)
    hardware = runs[0].read_record()["hardware"]
    where = ", ".join([hardware["processor"], f"{hardware['cores']} cores", *hardware["gpus"]])
    table = _table([_result(run) for run in runs], seeds)
    return f"{table}\n\n{config.model} on {config.dataset}, n = {config.count} seeds. {where}."


def _seeded(config: TrainConfig, seed: int) -> dict[str, int]:
    """Seeds of one run; what goes on from a file keeps its split, or it would be tested on what it has learned."""
    return {"seed": seed} | ({} if config.start is not None else {"split_seed": seed})


def trained(wanted: Sequence[tuple[str, TrainConfig]], *, at_once: int, go_on: bool) -> list[Run]:
    """The finished run of each of these settings, trained in a process of its own.

    Args:
        wanted: What each run is called in messages, and its settings.
        at_once: Runs that train at the same time.
        go_on: Keep what `runs_dir` holds with the same settings: finished runs as they are, others are resumed.

    Raises:
        ConfigError: A run ended without a result; its own message stands above.
    """
    run = partial(_run, at_once=at_once, go_on=go_on)
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(run, *zip(*wanted, strict=True)))


def _run(name: str, config: TrainConfig, *, at_once: int, go_on: bool) -> Run:
    """The finished run of these settings, trained now unless it is to be kept and is there."""
    before = _same(config)
    kept = before if go_on else []
    found = [run for run in kept if _is_done(run)]
    if found:
        print(f"{name}: {found[-1].path} is kept", file=sys.stderr, flush=True)
        return found[-1]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(to_yaml(config), encoding="utf-8")
        arguments = ["--resume", str(kept[-1].path)] if kept else ["--config", str(file)]
        code = _train(arguments, at_once, name)
    done = [run for run in _same(config) if (kept or run not in before) and _is_done(run)]
    if code or not done:
        raise ConfigError(f"{name} ended without a result (code {code}); what it said stands above.")
    return done[-1]


def _train(arguments: Sequence[str], at_once: int, name: str) -> int:
    """One training in a process of its own; of several at once each line says whose it is."""
    command = [sys.executable, "-m", "training", *arguments]
    if at_once == 1:
        return subprocess.run(command, check=False).returncode
    threads = str(max(1, (os.cpu_count() or 1) // at_once))
    share = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), threads)
    process = partial(subprocess.Popen, env=os.environ | share, stdout=subprocess.PIPE, text=True, errors="replace")
    with process([*command, "--verbose", "line"]) as child:
        assert child.stdout is not None
        for line in child.stdout:
            print(f"{name}: {line}", end="", file=sys.stderr, flush=True)
    return child.returncode


def _same(config: TrainConfig) -> list[Run]:
    """Runs of the same settings and length, oldest first."""
    found, start = [], None if config.start is None else sha256(Path(config.start).expanduser())
    for path in sorted(Path(config.runs_dir).glob(f"train/{config.model}-{config.dataset}-*")):
        try:
            other = from_yaml(path / "config.yaml")
        except ConfigError:
            continue
        same = config_digest(other) == config_digest(config) and other.epochs == config.epochs
        if same and (start is None or Run(path).read_record().get("start", {}).get("sha256") == start):
            found.append(Run(path))
    return found


def _is_done(run: Run) -> bool:
    try:
        return run.read_record().get("ended") in DONE and is_reported(run)
    except RunError:
        return False


def _result(run: Run) -> tuple[list[str], dict[str, float]]:
    """Best epoch and verdict of a finished run, and its numbers."""
    with run.history.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    history = {name: [float(row[name]) for row in rows] for name in rows[0]}
    settings = from_yaml(run.config)
    best = len(rows) if settings.final_fit else best_epoch(history, settings.monitor)
    report = json.loads((run.report / "report.json").read_text(encoding="utf-8"))
    return [f"{best} of {len(rows)}", run.read_record()["verdict"]["kind"]], headline(report)


def _table(results: Sequence[tuple[list[str], dict[str, float]]], seeds: Sequence[int]) -> str:
    names = list(results[0][1])
    rows = [
        [seed, best, *(f"{value:.4f}" for value in numbers.values()), verdict]
        for seed, ((best, verdict), numbers) in zip(seeds, results, strict=True)
    ]
    summary = ["mean ± sd", "", *(_mean_and_spread([numbers[name] for _, numbers in results]) for name in names), ""]
    return tabulate(
        [*rows, summary], ["seed", "best epoch", *names, "verdict"], tablefmt="github", disable_numparse=True
    )


def headline(report: dict) -> dict[str, float]:
    """The numbers of a report that a table over seeds shows, for test and validation."""
    numbers: dict[str, float] = {}
    for name in (name for name in ("test", "validation") if name in report["splits"]):
        split = report["splits"][name]
        found = {key: split[key]["estimate"] for key in ("accuracy", "mae", "rmse", "r2") if key in split}
        if split.get("positive") is not None:
            positive = split["per_class"][split["labels"].index(split["positive"])]
            found |= {key: positive[key]["estimate"] for key in ("sensitivity", "specificity", "auc")}
        numbers |= {f"{name} {key}": value for key, value in found.items() if value is not None}
    return numbers


def _mean_and_spread(values: list[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.4f} ± {spread:.4f}"


if __name__ == "__main__":
    sys.exit(run_main(main, user_errors=(ConfigError,)))
