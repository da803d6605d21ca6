"""Numbers as a reader meets them: rounded the same way in every format, never to a certainty that is not there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

UNDEFINED = "undefined"
INFINITE = "∞"
METHOD_NAMES = {
    "wilson": "Wilson",
    "wilson-on-groups": "Wilson, on groups",
    "clopper-pearson": "Clopper–Pearson",
    "wilson-effective": "Wilson, effective n",
    "wilson-f1": "Wilson, for F1",
    "clopper-pearson-f1": "Clopper–Pearson, for F1",
    "mover": "MOVER",
    "log": "log method",
    "log-haldane": "log, + 0.5 per cell",
    "logit": "logit method",
    "logit-adjusted": "logit, adjusted",
    "delong": "DeLong",
    "delong-logit": "DeLong, logit",
    "obuchowski": "Obuchowski",
    "bootstrap": "bootstrap",
    "basic-bootstrap": "basic bootstrap",
    "cluster-bootstrap": "cluster bootstrap",
    "basic-cluster-bootstrap": "basic cluster bootstrap",
    "linearised": "linearised",
    "cluster-linearised": "linearised, by group",
    "wald": "Wald",
    "newcombe": "Newcombe",
    "obuchowski-rockette": "Obuchowski–Rockette",
}

Show = Callable[[float | None], str]


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal; never rounded to 0 % or 100 % where it is neither."""
    if value is None:
        return UNDEFINED
    if 0.9995 <= value < 1:
        return ">99.9%"
    if 0 < value < 0.0005:
        return "<0.1%"
    return f"{100 * value:.1f}%".replace("-", "−")


def decimal(value: float | None) -> str:
    """A number such as an AUC with three decimals; never rounded to 1 where it is below."""
    if value is None:
        return UNDEFINED
    return ">0.999" if 0.9995 <= value < 1 else f"{value:.3f}".replace("-", "−")


def ratio(value: float | None) -> str:
    """A likelihood or odds ratio with about three significant digits."""
    if value is None:
        return UNDEFINED
    if math.isinf(value):
        return INFINITE
    if 0 < value < 0.001:
        return "<0.001"
    digits = next((d for limit, d in ((100, 0), (10, 1), (1, 2)) if value >= limit), 3)
    return f"{value:,.{digits}f}"


def number(value: float | None) -> str:
    """A number of any size with four significant digits."""
    return UNDEFINED if value is None else f"{value:.4g}".replace("-", "−")


def signed(value: float) -> str:
    """A difference with its sign and four significant digits."""
    return f"{value:+.4g}".replace("-", "−")


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return UNDEFINED if value is None else f"{100 * value:+.1f}".replace("-", "−")


def signed_decimal(value: float | None) -> str:
    """A difference of areas with three decimals and its sign."""
    return UNDEFINED if value is None else f"{value:+.3f}".replace("-", "−")


def score(value: float | None) -> str:
    """A threshold with six significant digits; None stands for one above every score."""
    return INFINITE if value is None else f"{value:g}"


def p_value(value: float | None) -> str:
    """A p value with two significant digits, at most three decimals."""
    if value is None:
        return ""
    if value < 0.001:
        return "<0.001"
    return f"{value:.3f}" if value < 0.095 else (f"{value:.2f}" if value < 0.995 else ">0.99")


def p_sentence(value: float | None) -> str:
    """A p value inside a sentence, such as "p = 0.04" or "p < 0.001"."""
    shown = p_value(value)
    return f"p {shown[0]} {shown[1:]}" if shown[:1] in ("<", ">") else f"p = {shown}"


def count(value: float) -> str:
    """A number of examples; a sum of weights keeps one decimal."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.1f}"


def value_of(estimate: Mapping[str, Any], show: Show) -> str:
    """The estimate, rounded; infinite and undefined ones as such."""
    if is_infinite(estimate):
        return INFINITE
    return show(estimate["estimate"])


def remark(estimate: Mapping[str, Any]) -> str:
    """Why a number or its interval is absent, or what to keep in mind about it; empty where nothing is to be said."""
    if is_infinite(estimate):
        return str(estimate["reason"])
    if estimate["estimate"] is None:
        return f"undefined: {estimate['reason']}"
    note = str(estimate.get("note") or "")
    return note.replace("delong-logit covers", "the one on the logit scale (--auc-interval delong-logit) covers")


def is_infinite(estimate: Mapping[str, Any]) -> bool:
    """Whether a number is infinite rather than undefined, which JSON has no word for."""
    return estimate["estimate"] is None and str(estimate["reason"]).startswith("infinite")


def interval(estimate: Mapping[str, Any], show: Show = percent) -> str:
    """Interval of an estimate, as "93.2 to 98.1%"."""
    if estimate["low"] is None:
        return ""
    high = INFINITE if estimate["high"] is None else show(estimate["high"])
    return f"{show(estimate['low']).rstrip('%')} to {high}"


def bracketed(estimate: Mapping[str, Any], show: Show = percent) -> str:
    """Interval of an estimate inside a table's cell, as "93.2–98.1"."""
    shown = interval(estimate, show)
    separator = " to " if "−" in shown or "+" in shown else "–"
    return shown.rstrip("%").replace(" to ", separator)


def counts(estimate: Mapping[str, Any]) -> str:
    """Numerator and denominator, as "40 of 42"."""
    if estimate.get("numerator") is None or estimate.get("denominator") is None:
        return ""
    return f"{count(estimate['numerator'])} of {count(estimate['denominator'])}"


def method_name(method: str | None) -> str:
    """A method's name as a reader knows it."""
    return "" if method is None else METHOD_NAMES.get(method, method.replace("-", " "))


def coverage(confidence: float) -> str:
    """The level of an interval, such as "95%"."""
    return f"{100 * confidence:g}%"


def sentence(text: str) -> str:
    """Text that begins with a capital and ends with a full stop."""
    plain = str(text).strip()
    return plain[:1].upper() + plain[1:] + ("" if plain[-1:] in ".!?" else ".")


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names joined as in a sentence; the rest are counted."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + (names[-1] if names else "")


def were(number_of: float) -> str:
    """A count with its verb."""
    return f"{count(number_of)} {'was' if number_of == 1 else 'were'}"


def plural(number_of: float, noun: str) -> str:
    """A count with its noun, such as "1 group" or "2 groups"."""
    return f"{count(number_of)} {noun}{'' if number_of == 1 else 's'}"
