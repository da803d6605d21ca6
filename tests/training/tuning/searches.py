"""Searches as they lie on the disk, made without a training."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np

from training.run import Run
from training.tuning.config import TuneConfig, write_settings
from training.tuning.table import Row, write_table

NAMES = ("optimizer", "learning_rate", "dense_units", "momentum", "flip")


def table(run) -> list[dict]:
    """The trials of a search without what a clock said."""
    with open(run.path / "trials.csv", newline="") as file:
        return [{k: v for k, v in row.items() if "seconds" not in k} for row in csv.DictReader(file)]


def rows_of(count: int, *, failed: int = 2, seed: int = 0) -> list[Row]:
    """Trials whose score follows from the learning rate, a little from the optimizer, and from nothing else."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(1, count + 1):
        point = {
            "optimizer": str(rng.choice(["adam", "sgd", "rmsprop"])),
            "learning_rate": 10 ** rng.uniform(-4, -1),
            "dense_units": int(rng.choice([64, 128, 256, 500])),
            "flip": str(rng.choice(["none", "horizontal"])),
        }
        if point["optimizer"] == "sgd":
            point["momentum"] = float(rng.choice([0.0, 0.9]))
        far = abs(np.log10(point["learning_rate"]) + 2.5)
        score = 0.98 - 0.12 * far - 0.02 * (point["optimizer"] == "sgd") + rng.normal(0, 0.005)
        ended = 12.0 * number
        if number <= failed:
            reason = "the loss became NaN or infinite in epoch 1, step 16."
            rows.append(Row(number, "failed", seconds=3.0, ended_seconds=ended, point=point, reason=reason))
            continue
        stopped = score < 0.8
        reason = "worse than the median after epoch 2" if stopped else ""
        status = "stopped" if stopped else "completed"
        numbers = {"n": 1, "seconds": 12.0, "fit_seconds": 11.0, "ended_seconds": ended, "parameters": 50_000 + number}
        rows.append(
            Row(number, status, float(score), epochs=2 if stopped else 10, point=point, reason=reason, **numbers)
        )
    return rows


def write_search(folder: Path, rows: list[Row], conclusion: dict | None = None, **settings) -> Run:
    """The files that a search has at any time, and its conclusion where it has one."""
    run = Run(folder / "runs/tune/cifar_cnn-digits-001")
    run.path.mkdir(parents=True)
    config = dataclasses.replace(TuneConfig(model="cifar_cnn"), **settings)
    run.config.write_text(write_settings(config))
    write_table(run.path / "trials.csv", rows, NAMES, config.seed)
    hardware = {"processor": "a processor", "cores": 2}
    run.update_record(
        task="tune", ended="running", hardware=hardware, resolved={"epochs": 10}, data={"digest": "0" * 64}
    )
    if conclusion is not None:
        (run.path / "conclusion.json").write_text(json.dumps(conclusion))
    return run


def conclusion_of(gain: float, low: float | None, high: float | None) -> dict:
    """`conclusion.json` of three seeds, with one rival beside the default."""
    values = {"default": [0.95, 0.96, 0.94], "trial 7": [0.98, 0.985, 0.975], "trial 9": [0.979, 0.98, 0.976]}
    candidates = [{"name": n, "values": v, "mean": sum(v) / 3, "spread": 0.005} for n, v in values.items()]
    against = {"default": (gain, low, high), "trial 9": (0.001, -0.004, 0.006)}
    comparisons = [
        {"name": name, "gain": g, "low": a, "high": b, "beyond_noise": None if a is None else a > 0}
        for name, (g, a, b) in against.items()
    ]
    names = {"objective": "val_accuracy", "seeds": [0, 1, 2], "winner": "trial 7"}
    return names | {"candidates": candidates, "comparisons": comparisons, "run": "runs/train/cifar_cnn-digits-004"}
