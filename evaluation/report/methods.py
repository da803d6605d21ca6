"""How a report's numbers were computed, in words with references: only what the report at hand has used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evaluation.report.references import REFERENCES
from evaluation.report.words import coverage, sentence

Part = tuple[str, tuple[str, ...]]

_AREA = "The area under the ROC curve is exact (Mann–Whitney, ties count half); its interval is DeLong’s"
_BAYES: Part = ("Predictive values at the chosen prevalence follow from Bayes’ theorem", ("mercaldo",))
_INTERVALS: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    (
        ("wilson",),
        "Proportions have Wilson’s score interval; all intervals are {level} intervals",
        ("newcombe-single",),
    ),
    (
        ("clopper-pearson",),
        "Proportions have the exact interval of Clopper and Pearson, which is conservative; all intervals are {level} "
        "intervals",
        ("clopper",),
    ),
    (
        ("log",),
        "Likelihood ratios and the diagnostic odds ratio have intervals that are symmetric on the log scale",
        ("simel",),
    ),
    (
        ("log-haldane",),
        "With an empty cell, the diagnostic odds ratio takes that interval after 0.5 is added to every cell",
        ("haldane",),
    ),
    (
        ("wilson-f1", "clopper-pearson-f1"),
        "F1 is a function of the proportion TP ÷ (TP + FP + FN) and takes over its interval",
        (),
    ),
    (
        ("mover",),
        "Sums and ratios of two independent proportions, such as Youden’s J, take the interval that follows from those "
        "of the two (MOVER)",
        ("newcombe-difference", "donner"),
    ),
    (("delong",), f"{_AREA}, computed by mid-ranks", ("delong", "sun")),
    (("delong-logit",), f"{_AREA} on the logit scale, computed by mid-ranks", ("delong", "sun")),
    (
        ("bootstrap",),
        "Numbers that are no simple proportions have a bootstrap interval, stratified by the true class ({resamples})",
        ("bootstrap",),
    ),
    (
        ("cluster-bootstrap",),
        "Examples of one group, such as a patient, are not independent: whole groups were resampled (cluster "
        "bootstrap; {resamples})",
        ("bootstrap",),
    ),
    (
        ("basic-bootstrap", "basic-cluster-bootstrap"),
        "The expected calibration error, which resampling biases upwards, has the basic bootstrap interval: the "
        "percentiles of the same resamples, mirrored at the estimate",
        ("bootstrap",),
    ),
    (
        ("linearised",),
        "Averages over classes, and with more than about 100,000 examples all numbers that would be resampled, have "
        "normal intervals from their linearised variance (delta method), on the logit scale where that is customary, "
        "as for average precision",
        ("boyd",),
    ),
    (
        ("cluster-linearised",),
        "Numbers marked as linearised by group have normal intervals from a linearised variance, in which the "
        "influence of the examples is summed within each group",
        ("obuchowski-clustered",),
    ),
    (
        ("wilson-on-groups", "wilson-effective"),
        "Where every resample gave the same rate, the interval is Wilson’s on the effective number of groups or "
        "examples",
        ("newcombe-single",),
    ),
    (("logit", "logit-adjusted"), f"{_BAYES[0]}; their interval is the logit interval", ("mercaldo",)),
)
_CALIBRATION = (
    "Calibration slope and intercept come from a logistic regression of the truth on the log odds of the score, the "
    "intercept with the slope fixed at 1"
)


def methods(data: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Sentences on the methods of a report, and the papers that they refer to.

    Args:
        data: What report.json holds; "methods", "references" and "checklist" need not be there yet.

    Returns:
        (sentences, references); a sentence's marks such as [3] count the references from 1.
    """
    parts = [*_interval_parts(data), *_measure_parts(data), *_study_parts(data)]
    keys = list(dict.fromkeys(key for _, cited in parts for key in cited))
    marked = [_with_marks(text, [keys.index(key) + 1 for key in cited]) for text, cited in parts]
    return marked, [REFERENCES[key] for key in keys]


def methods_used(data: Mapping[str, Any]) -> set[str]:
    """Names of all interval methods that a report's estimates carry."""
    return {
        str(one["method"])
        for one in _dicts(data)
        if "method" in one and one["method"] and ("estimate" in one or "band" in one)
    }


def _interval_parts(data: Mapping[str, Any]) -> list[Part]:
    """How intervals came about, by the methods that the estimates name."""
    used = methods_used(data)
    words = {
        "level": coverage(data["confidence"]),
        "resamples": f"{data['replicates']:,} resamples, seed {data['seed']}; percentiles",
    }
    found = [(text.format(**words), cited) for names, text, cited in _INTERVALS if used & set(names)]
    chosen = any(split.get("at_prevalence") for split in data["splits"].values())
    return [*found, _BAYES] if chosen and not used & {"logit", "logit-adjusted"} else found


def _measure_parts(data: Mapping[str, Any]) -> list[Part]:
    """What some numbers mean, and how the threshold came about."""
    splits = [split for split in data["splits"].values() if split["kind"] == "classification"]
    found: list[Part] = []
    if any(split["calibration_slope"] is not None for split in splits):
        waldian = "; their intervals are Wald’s" if "wald" in methods_used(data) else ""
        found.append((_CALIBRATION + waldian, ("calster",)))
    if splits:
        found.append(("The expected calibration error uses 15 bins of equal width", ("guo",)))
    if any(len(split["labels"]) > 2 for split in splits):
        found.append(("Matthews’ correlation of several classes is Gorodkin’s", ("gorodkin",)))
    points = [split["operating_point"] for split in splits if split["operating_point"]]
    if any(point["rule"] == "youden" for point in points):
        found.append(("The threshold maximises Youden’s J", ("youden",)))
    if any(split["weighted"] for split in splits):
        found.append(("Examples count by their weight; numerators and denominators are sums of weights", ()))
    if any(split["missing"] for split in splits):
        found.append(("Missing and indeterminate results were counted and treated as the summary states", ()))
    return found


def _study_parts(data: Mapping[str, Any]) -> list[Part]:
    """How models and readers were compared."""
    found: list[Part] = []
    tests = [test for pair in (data["comparison"] or {"pairs": ()})["pairs"] for test in pair["tests"]]
    names = {str(test["test"]) for test in tests}
    if any("McNemar" in name for name in names):
        text = (
            "Decisions of two models on the same cases were compared by McNemar’s test, on positives and on negatives "
            "separately (exact below 25 discordant pairs); the difference has Newcombe’s interval for paired "
            "proportions"
        )
        found.append((text, ("mcnemar", "newcombe-paired")))
    if any("DeLong" in name for name in names):
        found.append(
            ("Areas under the curve of two models on the same cases were compared by DeLong’s paired test", ("delong",))
        )
    if any(test["p_holm"] is not None for test in tests):
        found.append(("Holm’s method corrected the p values over all pairs of models, measure by measure", ("holm",)))
    if any(split.get("readers") and split["readers"]["analysis"] for split in data["splits"].values()):
        found.append(_readers_part(data))
    return found


def _readers_part(data: Mapping[str, Any]) -> Part:
    """The Obuchowski–Rockette analysis."""
    kinds = {split["readers"]["kind"] for split in data["splits"].values() if split.get("readers")}
    merit = (
        "the area under the curve with DeLong’s covariances"
        if "rating" in kinds
        else "sensitivity and specificity with jackknife covariances"
    )
    text = (
        "The model was compared with the mean of the readers by the analysis of Obuchowski and Rockette, readers and "
        f"cases random, on {merit} and with Hillis’ degrees of freedom; a bootstrap over readers and cases is its check"
    )
    return text, ("obuchowski-rockette", "hillis")


def _with_marks(text: str, marks: Sequence[int]) -> str:
    """A sentence with the numbers of its references."""
    return sentence(text + (f" [{', '.join(str(mark) for mark in marks)}]" if marks else ""))


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every dict inside a value."""
    if isinstance(value, Mapping):
        yield value
        for inner in value.values():
            yield from _dicts(inner)
    elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping | list | tuple):
        for inner in value:
            yield from _dicts(inner)
