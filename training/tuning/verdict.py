"""What a search found, in sentences: the best, its spread, against the default setting and beyond noise or not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.tuning.config import TuneConfig
from training.tuning.table import Row, best_first, fixed
from training.words import in_words

DEFAULT = "default"


@dataclass(frozen=True)
class Finding:
    """The head of the page.

    Attributes:
        sentences: The verdict first, one sentence; what belongs to it after.
        caution: What it does not say; empty where there is nothing.
        leading: (what, number, aside) of the numbers to see first.
        link: Address and text of the final run's report, relative to this one; None where there is none.
    """

    sentences: Sequence[str]
    caution: str
    leading: Sequence[tuple[str, str, str]]
    link: tuple[str, str] | None = None


def finding(rows: Sequence[Row], conclusion: Mapping[str, Any] | None, config: TuneConfig) -> Finding:
    """What is known, with as much certainty as there is.

    Args:
        rows: Trials.
        conclusion: `conclusion.json`, or None.
        config: Settings of the search.
    """
    ranked = best_first(rows, config.goal[1])
    if not ranked:
        failed = sum(row.status == "failed" for row in rows)
        return Finding([f"No trial has a score yet; {failed} failed."], "", _counts(rows))
    if conclusion is None:
        return _unconfirmed(rows, ranked, config)
    return _confirmed(rows, conclusion, config)


def _unconfirmed(rows: Sequence[Row], ranked: Sequence[Row], config: TuneConfig) -> Finding:
    """Trials alone, none trained again."""
    best, name = ranked[0], config.goal[0]
    score = fixed(best.score or 0.0, best.spread)
    said = f"Trial {best.number} leads {len(ranked)} trials with {name} {score}; it was not compared with the default."
    caution = (
        "The score that chose a trial flatters it: of many noisy scores it is the largest. Only trainings with new "
        "seeds, beside the default setting (final_seeds, once all trials have ended), say what it is worth."
    )
    return Finding(
        [said], caution, [("best trial", fixed(best.score or 0.0), f"trial {best.number}, {name}"), *_counts(rows)]
    )


def _confirmed(rows: Sequence[Row], conclusion: Mapping[str, Any], config: TuneConfig) -> Finding:
    """The finalists and the default, trained again with the same seeds."""
    by_name = {one["name"]: one for one in conclusion["candidates"]}
    winner, default = by_name[conclusion["winner"]], by_name[DEFAULT]
    name, n = conclusion["objective"], len(conclusion["seeds"])
    against = {one["name"]: one for one in conclusion["comparisons"]}
    sentences = [_against_default(winner, default, against[DEFAULT], name, n)]
    sentences += [_against_rival(winner["name"], one) for key, one in against.items() if key != DEFAULT]
    gain = against[DEFAULT]
    leading = [
        (f"best: {winner['name']}", *_large(winner, f"{name}, {_seeds(n)}")),
        ("default setting", *_large(default, f"{name}, the same seeds")),
        ("gain", _signed(gain["gain"]), _interval(gain) or "one seed says nothing of noise"),
        *_counts(rows),
    ]
    link = conclusion.get("run") and (f"../../../train/{Path(conclusion['run']).name}/report/index.html", "its report")
    return Finding(sentences, "", leading, link or None)


def _against_default(
    winner: Mapping[str, Any], default: Mapping[str, Any], gain: Mapping[str, Any], name: str, n: int
) -> str:
    best = f"{winner['name']} reaches {name} {_score(winner)} on validation, the default setting {_score(default)}"
    best = best[0].upper() + best[1:] + f" ({_seeds(n)}, the same for both)"
    if gain["gain"] is None:
        return f"{best}: one of them failed with some seed, so the two do not compare."
    if gain["low"] is None:
        return f"{best}: {_signed(gain['gain'])}, and one seed says nothing of noise."
    words = "better beyond noise" if gain["low"] > 0 else "worse beyond noise" if gain["high"] < 0 else "within noise"
    return f"{best}: {_signed(gain['gain'])}, {words} ({_interval(gain)})."


def _against_rival(winner: str, one: Mapping[str, Any]) -> str:
    if one["low"] is None or one["gain"] is None:
        return f"Against {one['name']}: {_signed(one['gain'])}, which says nothing of noise."
    if one["low"] > 0:
        return f"It is better than {one['name']} beyond noise: {_signed(one['gain'])} ({_interval(one)})."
    return f"{one['name'][0].upper()}{one['name'][1:]} may be as good: {_signed(one['gain'])} ({_interval(one)})."


def _score(one: Mapping[str, Any]) -> str:
    return "failed" if one["mean"] is None else fixed(one["mean"], one["spread"])


def _large(one: Mapping[str, Any], aside: str) -> tuple[str, str]:
    """The mean as a large number; its spread beside what it is."""
    if one["mean"] is None:
        return "failed", aside
    return fixed(one["mean"]), aside if one["spread"] is None else f"± {fixed(one['spread'])} {aside}"


def _signed(value: float | None) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{value:+.4f}".replace("-", "−")


def _interval(one: Mapping[str, Any]) -> str:
    return "" if one["low"] is None else f"95% interval {_signed(one['low'])} to {_signed(one['high'])}"


def _seeds(n: int) -> str:
    return f"{n} seed{'s' if n > 1 else ''}"


def _counts(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """How many trials, and how long they took."""
    failed = sum(row.status == "failed" for row in rows)
    stopped = sum(row.status == "stopped" for row in rows)
    ends = [row.ended_seconds for row in rows if row.ended_seconds is not None]
    took = [("time", in_words(max(ends)), "of all trials")] if ends else []
    return [("trials", str(len(rows)), f"{stopped} stopped as hopeless, {failed} failed"), *took]
