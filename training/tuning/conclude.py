"""The end of a search: the best settings trained again with several seeds, compared, and tested once.

The score that chose a trial flatters it: of many noisy scores it is the largest. So the finalists, and the setting that
the user had before, are trained again on train with the same new seeds and compared pair by pair on validation. Only
then is the winner trained as a run of its own, whose report reads the test split: once.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.files import write_atomically
from training.config import TrainConfig, from_yaml, to_yaml, with_absolute_paths
from training.files import write_json
from training.finish import RunResult
from training.job import Job
from training.prepare import prepare
from training.results import relative
from training.resume import AlreadyFinished, ResumeConfig, config_digest, resume
from training.run import Run, new_run, open_run
from training.train import run_job
from training.tuning.comparison import Candidate, Comparison, compare, winner_of
from training.tuning.points import settings_of, training_of
from training.tuning.runner import BAD_POINTS, train_once
from training.tuning.search import Search
from training.tuning.table import Row, best_first, with_spread

DEFAULT = "default"


@dataclass(frozen=True)
class Conclusion:
    """What a search ends with.

    Attributes:
        winner: The best candidate by its mean over the seeds.
        comparisons: Against the default setting and the other finalists.
        best: `best.yaml`, which `make train CONFIG=…` takes.
        result: The final run with its report on test; None where it was left out.
        objective: What the values are.
    """

    winner: Candidate
    comparisons: tuple[Comparison, ...]
    best: Path
    result: Run | None
    objective: str


def conclude(search: Search) -> Conclusion | None:
    """Trains the finalists and the default again, writes `conclusion.json` and `best.yaml`, and tests the winner once.

    Args:
        search: Has no trial left to run; the caller holds its lock.

    Returns:
        The conclusion; None where no trial was completed.

    Raises:
        KeyboardInterrupt: A signal asked for an end; trainings that are done are kept.
    """
    config = search.config
    rows = _finalists(search)
    if not rows:
        return None
    trials = [Candidate(f"trial {row.number}", _config_of(search, row)) for row in rows]
    if not config.final_seeds:
        return Conclusion(trials[0], (), _write_best(search, trials[0].config), None, config.goal[0])
    candidates = _trained(search, [Candidate(DEFAULT, search.base), *trials])
    winner = winner_of(candidates[1:], config.goal[1]) or candidates[1]
    found = tuple(compare(winner, other, config.goal[1]) for other in candidates if other is not winner)
    best = _write_best(search, winner.config)
    _write(search, candidates, winner, found)
    result = _tested(search, winner.config)
    _write(search, candidates, winner, found, result)
    return Conclusion(winner, found, best, result, config.goal[0])


def _finalists(search: Search) -> list[Row]:
    """The best trials, of which no two stand for the same setting (as Hyperband's promoted ones do)."""
    found: dict[str, Row] = {}
    for row in best_first(search.rows, search.config.goal[1]):
        key = json.dumps(settings_of(search.space, row.point), sort_keys=True, default=str)
        found.setdefault(key, row)
    return list(found.values())[: search.config.finalists]


def _config_of(search: Search, row: Row) -> TrainConfig:
    """The training of a trial, with the epochs of a full one where Hyperband cut it."""
    point = {name: value for name, value in row.point.items() if not name.startswith("tuner/")}
    return training_of(search.base, search.space, point)


def _trained(search: Search, candidates: Sequence[Candidate]) -> list[Candidate]:
    """All candidates with their values; each training is written down when it is done, and not done twice."""
    path = search.run.path / "finals.json"
    known: dict[str, float | None] = _read(path)
    objective, direction = search.config.goal
    seeds = range(search.config.seed, search.config.seed + search.config.final_seeds)
    for seed in seeds:
        for one in candidates:
            key = f"{one.name}, seed {seed}"
            if key in known:
                continue
            search.obey()
            try:
                seeded = dataclasses.replace(one.config, seed=seed)
                known[key] = train_once(seeded, search.data, objective=objective, direction=direction).value
            except BAD_POINTS:
                known[key] = None
            write_json(path, known)
            _say(search, f"{key}: " + ("failed" if known[key] is None else f"{known[key]:.4g}"))
    return [
        dataclasses.replace(one, values=tuple(known[f"{one.name}, seed {seed}"] for seed in seeds))
        for one in candidates
    ]


def _read(path: Path) -> dict[str, float | None]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _say(search: Search, text: str) -> None:
    if search.config.verbose != "silent":
        print(text, flush=True)


def _write_best(search: Search, winner: TrainConfig) -> Path:
    """`best.yaml`, with the seed and the choice of precision that the user gave."""
    config = dataclasses.replace(winner, precision=search.config.precision, seed=search.config.seed)
    path = search.run.path / "best.yaml"
    write_atomically(path, to_yaml(with_absolute_paths(config)))
    return path


def _write(
    search: Search,
    candidates: Sequence[Candidate],
    winner: Candidate,
    found: Sequence[Comparison],
    result: Run | None = None,
) -> None:
    entries = [
        {"name": one.name, "values": list(one.values), "mean": _finite(one.mean), "spread": one.spread}
        for one in candidates
    ]
    against = [dataclasses.asdict(one) | {"gain": _finite(one.gain), "beyond_noise": one.beyond_noise} for one in found]
    first = search.config.seed
    content = {
        "objective": search.config.goal[0],
        "seeds": list(range(first, first + search.config.final_seeds)),
        "candidates": entries,
        "winner": winner.name,
        "comparisons": against,
        "run": None if result is None else relative(result.path),
    }
    write_json(search.run.path / "conclusion.json", content)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _tested(search: Search, winner: TrainConfig) -> Run:
    """The final run: the only thing in a search that reads the test split."""
    config = dataclasses.replace(winner, seed=search.config.seed, verbose="silent")
    former = _former(search, config)
    if former is not None:
        try:
            return _whole(resume(ResumeConfig(str(former.path), start=config.start, verbose="silent")))
        except AlreadyFinished:
            return former
    run = new_run(search.config.runs_dir, "train", config.model, config.dataset)
    own = str(run.path.resolve())
    search.run.update_record(final_run=own, final_runs=[*search.run.read_record().get("final_runs", []), own])
    with run.lock():
        model, twin, plan = prepare(config, search.data)
        return _whole(run_job(Job(config, search.data, model, twin, plan, run)))


def _former(search: Search, config: TrainConfig) -> Run | None:
    """The final run of an earlier sitting, if it was begun and trained this very setting."""
    path = search.run.read_record().get("final_run")
    if path is None or not Run(Path(path)).config.is_file():
        return None
    run = open_run(path)
    return run if config_digest(from_yaml(run.config)) == config_digest(config) else None


def _whole(result: RunResult) -> Run:
    if result.report is None or result.ended not in ("finished", "stopped early"):
        raise KeyboardInterrupt(result.ended)
    return result.run


def describe(conclusion: Conclusion) -> list[str]:
    """What the user reads at the end."""
    winner, lines = conclusion.winner, []
    if winner.values:
        n = len(winner.values)
        lines.append(
            f"best: {winner.name}, {conclusion.objective} {with_spread(winner.mean, winner.spread)} "
            f"({n} seed{'s' if n > 1 else ''} on validation)"
        )
    lines += [f"  {one}" for one in conclusion.comparisons]
    lines.append(f"train it again: make train CONFIG={relative(conclusion.best)}")
    if conclusion.result is not None:
        lines.append(f"tested once, report: {relative(conclusion.result.report / 'index.html')}")
    return lines
