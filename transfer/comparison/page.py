"""One page for several cases: the quadrant, a table that links the runs, and what the measurement said."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from training.words import in_words
from transfer.comparison.results import CaseResult, best_cases, counts, duration, share, verdict

if TYPE_CHECKING:
    from transfer.fitting.outcome import TransferResult

HEADER = ("Case", "What is done", "Validation accuracy (95% interval)", "Images", "Weights trained", "Time", "")
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "img{max-width:100%;height:auto}table{border-collapse:collapse;display:block;overflow-x:auto}"
    "th,td{padding:.3rem .7rem;border-bottom:1px solid #ccc;text-align:left}"
)


def group_page(
    results: Sequence[CaseResult],
    *,
    title: str,
    why: str | None,
    best: TransferResult | None,
    feature_seconds: float | None = None,
) -> str:
    """HTML of the page; it stands beside `quadrant.png` and links the runs by relative paths.

    Args:
        results: One for each case that was trained.
        title: Network and data.
        why: The measurement's paragraph, or None where nothing could be measured.
        best: The best case's run, which alone was tested.
        feature_seconds: What computing the features took, once for all cases; None where they stood in the cache.
    """
    body = [f"<h1>{_safe(title)}: the notes' cases</h1>"]
    if results:
        body.append(f"<p>{_safe(verdict(results))}</p>")
        body.append(f'<img src="quadrant.png" alt="{_safe(verdict(results))}">')
        body.append(_table(results))
        once = (
            "stood in the cache" if feature_seconds is None else f"were computed once, in {in_words(feature_seconds)}"
        )
        body.append(f"<p>The times are those of training. The features that heads learn from {once}.</p>")
    if why is not None:
        body.append(f"<h2>What the training images propose</h2><p>{_safe(why)}</p>")
    if best is not None:
        link = f'<a href="../{_safe(best.run.path.name)}/report/index.html">report of case {best.choice.case.name}</a>'
        body.append(f"<p>Validation ranks the cases. The test set was read for the best one alone: {link}.</p>")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{_safe(title)}</title>'
    head += f"<style>{STYLE}</style>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _table(results: Sequence[CaseResult]) -> str:
    """A row for each case, linked to its report."""
    best = best_cases(results)
    rows = ["".join(f"<th>{name}</th>" for name in HEADER)]
    for one in results:
        marks = [*(["best"] if one.case in best else []), *(["proposed"] if one.proposed else [])]
        link = f'<a href="../{_safe(one.run)}/report/index.html">{_safe(one.title)}</a>'
        cells = (f"{one.trainable:,}", duration(one), ", ".join(marks))
        shown = "".join(f"<td>{_safe(cell)}</td>" for cell in (share(one), counts(one), *cells))
        rows.append(f"<td>{one.case}</td><td>{link}</td>{shown}")
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def _safe(text: str) -> str:
    return html.escape(text)
