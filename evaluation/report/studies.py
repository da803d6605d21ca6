"""Models against each other, and readers against the model: their tables, and what they show in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.report.tables import Cell, Table, cell, footnotes
from evaluation.report.words import (
    Show,
    bracketed,
    coverage,
    decimal,
    p_sentence,
    p_value,
    percent,
    points,
    sentence,
    signed_decimal,
)

MAX_PAIRS_IN_WORDS = 3
NOT_SHOWN = "hance alone could explain it; that does not show the two to be equal."
_TITLES = {"sensitivity": "Sensitivity", "specificity": "Specificity", "accuracy": "Accuracy", "auc": "AUC"}


def models_table(comparison: Mapping[str, Any], confidence: float) -> Table:
    """The models of a comparison with their main numbers."""
    models = comparison["models"]
    shown = [
        key for key in ("sensitivity", "specificity", "accuracy", "auc") if any(m[key] is not None for m in models)
    ]
    rows = [[m["name"], f"{m['n']:,}", *(cell(m[key], _show(key)) for key in shown)] for m in models]
    note = f"In brackets: {coverage(confidence)} interval."
    note += footnotes(
        [(m["name"], m) for m in comparison["models"]], [(key, _TITLES[key], _show(key)) for key in shown]
    )
    return Table("Models", ["Model", "n", *(_TITLES[key] for key in shown)], rows, note=note)


def pairs_table(comparison: Mapping[str, Any], confidence: float) -> Table:
    """Every pair of models, test by test."""
    tests = [(pair, test) for pair in comparison["pairs"] for test in pair["tests"]]
    corrected = any(_is_corrected(test) for _, test in tests)
    header = ["Models", "Measure", "Test", "Difference", "Discordant", "p", *(["p, Holm"] if corrected else [])]
    rows = []
    for pair, test in tests:
        discordant = " / ".join(f"{n:,}" for n in test["discordant"]) if test["discordant"] else ""
        held = [p_value(test["p_holm"])] if corrected else []
        named = [f"{pair['first']} − {pair['second']}", _title(test["measure"]), test["test"]]
        rows.append([*named, _difference(test["measure"], test["difference"]), discordant, p_value(test["p"]), *held])
    note = (
        f"Difference: first minus second, in percentage points (AUC: as a decimal), with its {coverage(confidence)} "
        "interval. Discordant: right by the first only / by the second only."
    )
    if corrected:
        note += (
            " Holm: corrected over all pairs of models, measure by measure; the intervals are not, so that one may "
            "leave out 0 where the corrected p value is large."
        )
    return Table("Differences", header, rows, text_columns=3, note=note)


def comparison_sentences(comparison: Mapping[str, Any], confidence: float) -> list[str]:
    """What the first pairs show, in words."""
    return [
        _tested(pair, test, confidence)
        for pair in comparison["pairs"][:MAX_PAIRS_IN_WORDS]
        for test in pair["tests"]
        if test["difference"]["estimate"] is not None
    ]


def readers_table(study: Mapping[str, Any], confidence: float) -> Table:
    """Every reader, their mean, and the model at their operating level."""
    keys = [
        key
        for key in ("sensitivity", "specificity", "auc")
        if any(one.get(key) is not None for one in [*study["readers"], study["mean"]])
    ]
    rows: list[list[str | Cell]] = [
        [one["name"], f"{one['n']:,}", *(cell(one.get(key), _show(key)) for key in keys)] for one in study["readers"]
    ]
    rows.append(["Mean of the readers", "", *(cell(study["mean"].get(key), _show(key)) for key in keys)])
    at = study["model_at_readers"]
    if at:
        mean = study["mean"]
        for key, other in (("sensitivity", "specificity"), ("specificity", "sensitivity")):
            level = percent(mean[other]["estimate"])
            found = [cell(at[f"{key}_at_{other}"]) if one == key else _level(one, other, level) for one in keys]
            rows.append([f"Model at the readers’ mean {other}", "", *found])
    note = f"In brackets: {coverage(confidence)} interval."
    return Table("Readers", ["Reader", "Cases", *(_TITLES[key] for key in keys)], rows, note=note)


def readers_sentences(study: Mapping[str, Any], confidence: float) -> list[str]:
    """The Obuchowski–Rockette result as a clinician reads it, one sentence per measure."""
    found = [_analysed(one, confidence) for one in study["analysis"]]
    if found:
        found.append(
            "Readers and cases both count as random: the result is about readers like these and cases like these, "
            "not about these readers alone (Obuchowski–Rockette)."
        )
    return found + [sentence(one["note"]) for one in study["analysis"] if one.get("note")]


def analysis_table(study: Mapping[str, Any], confidence: float) -> Table:
    """The Obuchowski–Rockette analysis in numbers."""
    header = ["Measure", "Model", "Readers", "Difference", "F(1, df)", "df", "p", "Bootstrap, as a check"]
    rows: list[list[str | Cell]] = []
    for one in study["analysis"]:
        show, difference = _show(one["measure"]), _difference(one["measure"], one["difference"])
        limits = [_differs(one["measure"])(end) for end in one["bootstrap"]] if one["bootstrap"] else []
        plain: list[str | Cell] = [show(one["model"]), show(one["readers"]), difference]
        tested = [_rounded(one["statistic"], 2), _rounded(one["df"], 1), p_value(one["p"])]
        rows.append([_title(one["measure"]), *plain, *tested, " to ".join(limits)])
    note = f"Difference: model minus mean of the readers, with its {coverage(confidence)} interval."
    return Table("Model against the mean of the readers", header, rows, note=note)


def _analysed(one: Mapping[str, Any], confidence: float) -> str:
    """One measure of the analysis as a sentence, with what it shows."""
    name, show, difference = _in_words(one["measure"]), _show(one["measure"]), one["difference"]
    start = f"The model’s {name} was {show(one['model'])}, that of the average reader {show(one['readers'])}"
    if difference["estimate"] is None or difference["low"] is None:
        return f"{start}."
    tested = f"; {p_sentence(one['p'])}" if one["p"] is not None else ""
    span = _span(one["measure"], difference, confidence)
    return f"{start}: a difference of {span}{tested}). {_verdict(name, difference)}"


def _verdict(name: str, difference: Mapping[str, Any]) -> str:
    """What an interval of a difference allows one to say."""
    if difference["low"] > 0:
        return f"The model’s {name} was higher by more than chance would explain."
    if difference["high"] < 0:
        return f"The model’s {name} was lower by more than chance would explain."
    return f"The interval includes 0, so a difference in {name} is not shown; nor is it shown that there is none."


def _tested(pair: Mapping[str, Any], test: Mapping[str, Any], confidence: float) -> str:
    """One test of a pair in words, and whether it shows a difference."""
    name, difference = _title(test["measure"]), test["difference"]
    value = difference["estimate"]
    way = "as high as" if value == 0 else ("higher than" if value > 0 else "lower than")
    held = f", {p_sentence(test['p_holm'])} after Holm’s correction" if _is_corrected(test) else ""
    p = f"; {test['test']}, {p_sentence(test['p'])}{held}" if test["p"] is not None else ""
    decisive = test["p"] if test["p_holm"] is None else test["p_holm"]
    unsure = ""
    if decisive is not None and decisive >= 1 - confidence:
        unsure = f" With several pairs tested, c{NOT_SHOWN}" if test["p"] < 1 - confidence else f" C{NOT_SHOWN}"
    return (
        f"{name} of {pair['first']} was {way} that of {pair['second']}: a difference of "
        f"{_span(test['measure'], difference, confidence)}{p}).{unsure}"
    )


def _is_corrected(test: Mapping[str, Any]) -> bool:
    """Whether Holm's correction changed a p value; with a single pair it does not."""
    return test["p_holm"] is not None and test["p_holm"] != test["p"]


def _span(measure: str, difference: Mapping[str, Any], confidence: float) -> str:
    """A difference with its interval; leaves a bracket open."""
    show = _differs(measure)
    unit = "" if measure == "auc" else " percentage points"
    if difference["low"] is None:
        return f"{show(difference['estimate'])}{unit} (no interval"
    limits = f"{show(difference['low'])} to {show(difference['high'])}"
    return f"{show(difference['estimate'])}{unit} ({coverage(confidence)} interval {limits}"


def _difference(measure: str, difference: Mapping[str, Any]) -> Cell:
    """A difference with its interval."""
    if difference["estimate"] is None:
        return cell(difference)
    show = _differs(measure)
    return Cell(show(difference["estimate"]), bracketed(difference, show), difference["estimate"])


def _level(key: str, other: str, level: str) -> Cell:
    """The level at which the model is read off, in the column of that measure."""
    return Cell(f"at {level}") if key == other else Cell("")


def _show(measure: str) -> Show:
    """How a measure is rounded."""
    return decimal if measure == "auc" else percent


def _differs(measure: str) -> Show:
    """How the difference of a measure is rounded."""
    return signed_decimal if measure == "auc" else points


def _title(measure: str) -> str:
    """A measure's name in a table."""
    return _TITLES.get(measure, measure)


def _in_words(measure: str) -> str:
    """A measure's name inside a sentence."""
    return "AUC" if measure == "auc" else measure


def _rounded(value: float | None, digits: int) -> str:
    """A statistic, or nothing."""
    return "" if value is None else f"{value:,.{digits}f}".replace("-", "−")
