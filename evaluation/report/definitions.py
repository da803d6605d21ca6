"""The formulas behind a report's numbers, as its readers know them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_COUNTS = (
    "True positives, false positives, false negatives and true negatives: of the positive class, or of the class in "
    "question, against the rest. Rows of a confusion matrix are the truth."
)
_CLASSIFICATION = (
    ("TP, FP, FN, TN", _COUNTS),
    ("Sensitivity (recall)", "TP ÷ (TP + FN)"),
    ("Specificity", "TN ÷ (TN + FP)"),
    ("Precision (PPV)", "TP ÷ (TP + FP)"),
    ("NPV", "TN ÷ (TN + FN)"),
    ("Type I error rate", "FP ÷ (FP + TN) = 1 − specificity: how often a false alarm is raised"),
    ("Type II error rate", "FN ÷ (FN + TP) = 1 − sensitivity: how often a case is missed"),
    ("LR+, LR−", "Sensitivity ÷ (1 − specificity); (1 − sensitivity) ÷ specificity"),
    ("DOR", "LR+ ÷ LR− = (TP × TN) ÷ (FP × FN)"),
    ("Youden’s J", "Sensitivity + specificity − 1"),
    ("Accuracy", "Correct predictions ÷ all examples"),
    ("Balanced accuracy", "Mean sensitivity of the classes that occur"),
    ("F1 score", "2 TP ÷ (2 TP + FP + FN)"),
    ("MCC", "Matthews’ correlation of truth and decision; for several classes Gorodkin’s"),
    ("Cohen’s kappa", "(observed − expected agreement) ÷ (1 − expected agreement)"),
    ("AUC", "Area under the ROC curve, exact (Mann–Whitney, ties count half)"),
    ("Average precision", "Σ (step of recall × precision), thresholds descending, without interpolation"),
    ("Brier score", "Mean of (score − truth)²; for several classes summed over them"),
    ("Log loss", "Mean of −log(score of the true class)"),
    ("ECE", "Σ (share of examples in a bin × |mean score − observed share|), bins of equal width"),
    ("Calibration slope", "Slope of a logistic regression of the truth on the log odds of the score"),
    ("Calibration intercept", "Intercept of that regression with its slope fixed at 1"),
    (
        "Macro, micro, weighted",
        "Mean over the classes where the number is defined, each alike; the rate of the summed counts; mean weighted "
        "by support",
    ),
)
_REGRESSION = (
    ("MAE", "Mean of |predicted − true|"),
    ("RMSE", "√ mean of (predicted − true)²"),
    ("R²", "1 − Σ (predicted − true)² ÷ Σ (true − mean of true)²"),
)


def definitions(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and formula of every number that a report shows.

    Args:
        data: What report.json holds.
    """
    kinds = {split["kind"] for split in data["splits"].values()}
    found = [*(_CLASSIFICATION if "classification" in kinds else ()), *(_REGRESSION if "regression" in kinds else ())]
    level = f"{100 * data['confidence']:g}"
    meaning = f"In about {level} of 100 studies such an interval holds the true value; it speaks of chance, not of bias"
    return [*found, (f"{level}% interval", meaning)]
