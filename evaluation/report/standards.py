"""Which items of the reporting standards a report answers, and which are its authors' to write.

What an item asks is said in our own words; only items whose number and meaning are certain are listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STARD, CLAIM, TRIPOD = "STARD 2015", "CLAIM 2024", "TRIPOD+AI"
YOURS = "yours to write"

_STARD_YOURS_BEFORE = (
    ("1–4", "Title, structured abstract, background with the intended use of the test, objectives and hypotheses"),
    (
        "5–9",
        "Study design (before or after the tests were done), eligibility, setting and dates, and whether participants "
        "were consecutive, random or convenient",
    ),
    ("10a–10b", "Index test and reference standard in enough detail to be repeated"),
    ("11", "Why this reference standard was chosen, where there are alternatives"),
)
_STARD_YOURS_AFTER_12 = (
    ("12b", "Cut-offs of the reference standard, and whether they were fixed in advance"),
    ("13a–13b", "What the readers of each test knew of the other test and of the clinic"),
)
_STARD_YOURS_LATE = (
    (
        "20–22",
        "Characteristics of the participants, severity of disease, other diagnoses, and the time between the tests",
    ),
)
_STARD_YOURS_LAST = (
    ("25", "Harm done by either test"),
    ("26–27", "Limits of the study (bias, uncertainty, generalisability) and what follows for practice"),
    ("28–30", "Registration, where the protocol can be read, funding and the funders’ part"),
)
_STARD_AI = (
    (
        "added",
        "What STARD-AI adds to STARD 2015: on data sets, on the AI test and its evaluation, on bias and fairness",
    ),
)


def checklist(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Maps items of STARD 2015, CLAIM 2024 and TRIPOD+AI to a report's parts.

    Args:
        data: What report.json holds; "methods", "references" and "checklist" need not be there yet.

    Returns:
        Entries {"standard", "item", "requirement", "status", "where", "text"}; empty for a report without classes.
        `where` names a place on the page, without its #, or is empty.
    """
    splits = [
        (f"split-{i}", one) for i, one in enumerate(data["splits"].values(), 1) if one["kind"] == "classification"
    ]
    if not splits:
        return []
    address, split = splits[0]
    return [*_stard(data, split, address), *_claim(split, address), *_tripod(data, split, address)]


def _entry(standard: str, item: str, requirement: str, status: str, where: str, text: str) -> dict[str, Any]:
    """One item."""
    keys = ("standard", "item", "requirement", "status", "where", "text")
    return dict(zip(keys, (standard, item, requirement, status, where, text), strict=True))


def _yours(standard: str, items: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    """Items that no report can answer for its authors."""
    return [_entry(standard, item, requirement, "yours", "", "") for item, requirement in items]


def _stard(data: Mapping[str, Any], split: Mapping[str, Any], at: str) -> list[dict[str, Any]]:
    """STARD 2015, all items."""
    methods = (
        "14",
        "How measures of diagnostic accuracy were estimated or compared",
        "reported",
        "methods",
        "Methods, with references",
    )
    table = (
        "23",
        "Cross tabulation of the index test’s results by those of the reference standard",
        "reported",
        f"{at}-matrix" if len(split["labels"]) <= 20 else f"{at}-classes",
        "Confusion matrix" if len(split["labels"]) <= 20 else "Counts per class; the whole matrix in report.json",
    )
    precision = (
        "24",
        "Estimates of diagnostic accuracy and their precision, such as 95% intervals",
        "reported",
        f"{at}-numbers",
        "Main numbers, each with its interval",
    )
    return [
        *_yours(STARD, _STARD_YOURS_BEFORE),
        _entry(STARD, "12a", *_cut_off(split, at)),
        *_yours(STARD, _STARD_YOURS_AFTER_12),
        _entry(STARD, *methods),
        _entry(STARD, "15", "How indeterminate results of either test were handled", *_missing(split, at)),
        _entry(STARD, "16", "How missing results of either test were handled", *_missing(split, at)),
        _entry(STARD, "17", "Analyses of how accuracy varies, and whether they were planned", *_variability(split, at)),
        *_yours(STARD, (("18", "Intended sample size and how it was determined"),)),
        _entry(STARD, "19", "Flow of participants, as a diagram", *_flow(split, at)),
        *_yours(STARD, _STARD_YOURS_LATE),
        _entry(STARD, *table),
        _entry(STARD, *precision),
        *_yours(STARD, _STARD_YOURS_LAST),
        *_yours("STARD-AI 2025", _STARD_AI),
    ]


def _claim(split: Mapping[str, Any], at: str) -> list[dict[str, Any]]:
    """CLAIM 2024, items on evaluation and results."""
    shown = len(split["mistakes"]["shown"])
    failures = ("reported", f"{at}-mistakes", f"{shown} worst mistakes; why they happened is {YOURS}")
    if not split["mistakes"]["count"]:
        failures = ("reported", f"{at}-mistakes", "There are no mistakes")
    numbers, level = f"{at}-numbers", "Main numbers"
    return [
        _entry(CLAIM, "28", "Which measures of performance are used", "reported", "definitions", "Definitions"),
        _entry(CLAIM, "29", "How uncertainty and significance are measured", "reported", "methods", "Methods"),
        _entry(CLAIM, "35", "How many patients or examinations were included and excluded", *_flow(split, at)),
        *_yours(CLAIM, (("36", "Demographic and clinical characteristics of the cases in each partition"),)),
        _entry(CLAIM, "37", "Performance and its uncertainty", "reported", numbers, level),
        _entry(
            CLAIM, "38", "Diagnostic performance with its precision", "reported", numbers, f"{level}, with intervals"
        ),
        _entry(CLAIM, "39", "Failure analysis: which cases were misclassified", *failures),
    ]


def _tripod(data: Mapping[str, Any], split: Mapping[str, Any], at: str) -> list[dict[str, Any]]:
    """TRIPOD+AI, items on evaluation and results."""
    compared = "comparison" if data["comparison"] else "methods"
    groups = ("partly", f"{at}-numbers", "Estimates with intervals; no subgroup column was given")
    if split["subgroups"]:
        groups = ("reported", f"{at}-subgroups", "Estimates with intervals, for each subgroup too")
    return [
        _entry(TRIPOD, "11", "How missing data were handled", *_missing(split, at)),
        _entry(
            TRIPOD,
            "12e",
            "Which measures and plots of performance are used (discrimination, calibration, usefulness), and how "
            "models are compared",
            "partly",
            compared,
            f"Discrimination and calibration are measured and drawn; clinical usefulness is {YOURS}",
        ),
        _entry(TRIPOD, "15", "What the model gives out, and how thresholds were found", *_cut_off(split, at)[1:]),
        _entry(TRIPOD, "23a", "Performance with intervals, for key subgroups too", *groups),
    ]


def _cut_off(split: Mapping[str, Any], at: str) -> tuple[str, str, str, str]:
    """Whether the operating point is stated, and whether it is exploratory."""
    asks = "Cut-offs of the index test and why, pre-specified apart from exploratory"
    point = split["operating_point"]
    if point is None:
        return asks, "reported", at, "The class with the highest score is chosen; there is no threshold"
    if point["exploratory"]:
        return asks, "reported", at, "Threshold and rule in the summary, marked as exploratory"
    return asks, "reported", at, "Threshold and rule in the summary, chosen beforehand or on other examples"


def _missing(split: Mapping[str, Any], at: str) -> tuple[str, str, str]:
    """Whether missing results are counted."""
    if split["missing"]:
        return "reported", at, "Counted in the summary, with the policy"
    return (
        "partly",
        at,
        "Every example has a result: files with missing ones are refused. What was left out earlier is yours",
    )


def _variability(split: Mapping[str, Any], at: str) -> tuple[str, str, str]:
    """Whether subgroups or readers show how accuracy varies."""
    if split["subgroups"]:
        return "partly", f"{at}-subgroups", f"Subgroups; whether they were planned is {YOURS}"
    if split["readers"]:
        return "partly", f"{at}-readers", f"Readers; whether they were planned is {YOURS}"
    return "yours", "", "No subgroup column and no readers were given"


def _flow(split: Mapping[str, Any], at: str) -> tuple[str, str, str]:
    """What is known of those included and left out."""
    counted = "The number of examples and of missing results" if split["missing"] else "The number of examples"
    return "partly", at, f"{counted}; how they came about is {YOURS}"
