"""What the page's script needs: the kept points of the curve, as JSON that cannot end its own element."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any


def explorer_data(split: Mapping[str, Any], confidence: float) -> dict[str, Any] | None:
    """The kept points of a split's ROC curve, with the report's own operating point among them.

    Args:
        split: One split of report.json.
        confidence: Coverage of the intervals.

    Returns:
        What operating_point.js reads; None where the split has no curve, or a class without examples.
    """
    roc = split.get("roc")
    if not roc or not roc["positives"] or not roc["negatives"]:
        return None
    entry = split["per_class"][1]
    points, start = _with_operating_point(split, list(zip(roc["threshold"], roc["tp"], roc["fp"], strict=True)))
    chosen = split["at_prevalence"]
    return {
        "threshold": [point[0] for point in points],
        "tp": [point[1] for point in points],
        "fp": [point[2] for point in points],
        "positives": roc["positives"],
        "negatives": roc["negatives"],
        "start": start,
        "prevalence": chosen["prevalence"] if chosen else roc["positives"] / (roc["positives"] + roc["negatives"]),
        "z": _normal_quantile(confidence) if entry["sensitivity"]["method"] == "wilson" else None,
        "positive": split["positive"],
        "band": roc["band"],
        "readers": _reader_points(split["readers"]),
    }


def has_plain_intervals(split: Mapping[str, Any]) -> bool:
    """Whether the explorer can give the intervals that the report itself gives."""
    return split["per_class"][1]["sensitivity"]["method"] == "wilson"


def safe_json(value: Any) -> str:
    """JSON that stands inside a script element whatever names it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def script_hash(script: str) -> str:
    """The source expression that lets a page's policy run this script and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'"


def _with_operating_point(
    split: Mapping[str, Any], points: list[tuple[float | None, float, float]]
) -> tuple[list[tuple[float | None, float, float]], int]:
    """The points and the place of the report's own, which is put in where thinning left it out."""
    entry = split["per_class"][1]
    own = split["operating_point"]["threshold"] if split["operating_point"] else split["threshold"]
    here = (own, entry["tp"], entry["fp"])
    same = [index for index, (_, tp, fp) in enumerate(points) if _near(tp, entry["tp"]) and _near(fp, entry["fp"])]
    start = same[0] if same else sum(threshold is None or threshold >= own for threshold, _, _ in points)
    return [*points[:start], here, *points[start + len(same[:1]) :]], start


def _near(first: float, second: float) -> bool:
    """Whether two counts agree; sums of weights may differ in their last digits."""
    return abs(first - second) <= 1e-9 * max(1.0, abs(first), abs(second))


def _normal_quantile(confidence: float) -> float:
    """How many standard deviations the interval reaches to each side."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + confidence / 2))


def _reader_points(readers: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Readers as points at (1 − specificity, sensitivity) with the ends of their intervals."""
    found = []
    for one in readers["readers"] if readers else ():
        sensitivity, specificity = one["sensitivity"], one["specificity"]
        if not sensitivity or not specificity or None in (sensitivity["estimate"], specificity["estimate"]):
            continue
        ends = {
            "x_low": _complement(specificity["high"]),
            "x_high": _complement(specificity["low"]),
            "y_low": sensitivity["low"],
            "y_high": sensitivity["high"],
        }
        found.append({"name": one["name"], "x": 1 - specificity["estimate"], "y": sensitivity["estimate"], **ends})
    return found


def _complement(value: float | None) -> float | None:
    """1 − value."""
    return None if value is None else 1 - value
