"""Reports of schema 2 with plausible numbers, built without the modules that compute the real ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn import metrics

from evaluation.uncertainty.intervals import proportion

HOSTILE = "<script>alert(1)</script>"
SHARES = ("sensitivity", "specificity", "precision", "npv", "false_positive_rate", "false_negative_rate")


class Figure(NamedTuple):
    """What the page needs of a figure."""

    name: str
    title: str
    alt: str
    wide: bool
    png: bytes
    svg: bytes


def estimate(value, half=None, *, method="bootstrap", low=None, high=None, reason=None, note=None, counts=(None, None)):
    """An estimate as report.json holds it; `half` is half the width of its interval."""
    if half is not None and value is not None:
        low, high = value - half, value + half
    keys = ("estimate", "low", "high", "method", "numerator", "denominator", "reason", "note")
    values = (value, low, high, method if low is not None else None, *counts, reason, note)
    return dict(zip(keys, values, strict=True))


def share(numerator, denominator, reason="no examples"):
    """A proportion with Wilson's interval."""
    one = proportion(int(numerator), int(denominator), reason=reason)
    limits = {"low": one.low, "high": one.high, "method": one.method, "reason": one.reason}
    return estimate(one.value, counts=(one.numerator, one.denominator)) | limits


def class_entry(label, tp, fp, fn, tn, area=0.9, precision=0.85):
    """One class against the rest."""
    entry: dict[str, Any] = {"label": label, "support": tp + fn, "predicted": tp + fp}
    entry |= {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    fractions = [(tp, tp + fn), (tn, tn + fp), (tp, tp + fp), (tn, tn + fn), (fp, fp + tn), (fn, fn + tp)]
    reasons = ("no positive examples", "no negative examples", "never predicted", "always predicted") * 2
    entry |= {name: share(*one, why) for name, one, why in zip(SHARES, fractions, reasons, strict=False)}
    se, sp = entry["sensitivity"]["estimate"], entry["specificity"]["estimate"]
    none = estimate(None, reason="no positive examples")
    ratio = {"method": "log"}
    lr = none if se is None or sp is None else estimate(None, reason="infinite: no false positives", low=3.1, **ratio)
    if lr is not none and fp:
        lr = estimate(se / (1 - sp), low=0.7 * se / (1 - sp), high=1.4 * se / (1 - sp), **ratio)
    entry["lr_positive"] = lr
    entry["lr_negative"] = none if se is None else estimate((1 - se) / sp, low=(1 - se) / sp / 1.4, high=0.9, **ratio)
    defined = bool(tp and fp and fn and tn)
    odds = tp * tn / (fp * fn) if defined else None
    entry["dor"] = estimate(odds, low=odds / 2, high=odds * 2, **ratio) if odds else estimate(None, reason="0 ÷ 0")
    entry["youden_j"] = none if se is None else estimate(se + sp - 1, 0.02)
    entry["balanced_accuracy"] = none if se is None else estimate((se + sp) / 2, 0.02)
    entry["f1"] = estimate(2 * tp / max(1, 2 * tp + fp + fn), 0.02)
    entry["auc"] = none if se is None else estimate(area, 0.015, method="delong")
    entry["average_precision"] = none if se is None else estimate(precision, 0.02)
    return entry


def report(splits, **changes):
    """The report around the splits."""
    data: dict[str, Any] = {"schema": 2, "title": "Skin lesions: dermoscopy model 3", "confidence": 0.95}
    data |= {"replicates": 2000, "seed": 0, "splits": splits, "comparison": None, "verdict": None}
    data |= {"details": {"Predictions": "test.csv", "SHA-256": "9f2c" * 16}, "notes": ["Column “age” was ignored."]}
    data |= {"versions": {"python": "3.11.9", "numpy": "2.4.0"}, "methods": [], "references": [], "checklist": []}
    return data | changes


def binary_scores(n=600, seed=0, decimals=4):
    """Truth and score of n examples."""
    rng = np.random.default_rng(seed)
    y_true = (rng.random(n) < 0.3).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(size=n) * 1.3 - 1.6 + 3.4 * y_true)))
    return y_true, np.round(score, decimals)


def binary_split(n=600, seed=0, labels=("benign", "malignant"), threshold=0.43, **changes):
    """A split of two classes with a positive one."""
    y_true, score = binary_scores(n, seed)
    called = score >= threshold
    tp, fp = int((called & (y_true == 1)).sum()), int((called & (y_true == 0)).sum())
    positives, negatives = int(y_true.sum()), int((1 - y_true).sum())
    fn, tn = positives - tp, negatives - fp
    area, precision = metrics.roc_auc_score(y_true, score), metrics.average_precision_score(y_true, score)
    entries = [
        class_entry(labels[0], tn, fn, fp, tp, area, 0.97),
        class_entry(labels[1], tp, fp, fn, tn, area, precision),
    ]
    names = (*SHARES, "f1", "auc", "average_precision")
    averages = {
        kind: {k: entries[1][k] | {"classes": 2, "of": 2} for k in names} for kind in ("macro", "micro", "weighted")
    }
    split = {"kind": "classification", "n": n, "labels": list(labels), "positive": labels[1], "groups": None}
    split |= {
        "weighted": False,
        "missing": None,
        "threshold": threshold,
        "prevalence": share(positives, n),
        "top_k": [],
    }
    split |= {"operating_point": operating_point(threshold), "accuracy": share(tp + tn, n)}
    split |= {
        "balanced_accuracy": estimate(0.88, 0.02),
        "mcc": estimate(0.74, 0.04),
        "cohen_kappa": estimate(0.73, 0.04),
    }
    split |= {"brier": estimate(0.091, 0.01), "log_loss": estimate(0.301, 0.03), "ece": estimate(0.041, 0.012)}
    split |= {"calibration_slope": estimate(0.93, 0.11, method="wald")}
    split |= {"calibration_intercept": estimate(-0.21, 0.2, method="wald"), "at_prevalence": None}
    split |= {"confusion_matrix": [[tn, fp], [fn, tp]], "per_class": entries, "averages": averages}
    split |= {
        "frequent_confusions": [{"truth": labels[0], "predicted": labels[1], "count": fp, "share": fp / negatives}]
    }
    split |= {"roc": roc(y_true, score), "precision_recall": None, "calibration_curve": None, "score_histogram": None}
    split |= {"threshold_table": [threshold_row(y_true, score, t, name) for t, name in THRESHOLDS], "subgroups": []}
    shown = [
        {"id": f"ISIC_{i:07d}.jpg", "truth": labels[0], "predicted": labels[1], "score": 0.99 - i / 50}
        for i in range(8)
    ]
    return split | {"readers": None, "mistakes": {"count": fp + fn, "shown": shown}, "notes": []} | changes


THRESHOLDS = ((0.1, "sensitivity at least 95%"), (0.43, "operating point"), (0.5, "default"), (0.9, None))


def operating_point(threshold, **changes):
    """A threshold that was chosen on validation."""
    point = {"threshold": threshold, "rule": "sensitivity", "chosen_on": "validation", "exploratory": False}
    point |= {"why": "It gives the highest specificity with a sensitivity of at least 85% on validation."}
    return point | {"required": 0.85, "cost_ratio": None, "prevalence": None} | changes


def roc(y_true, score):
    """The kept points of a curve, with a band."""
    thresholds = [None, *sorted(set(score.tolist()), reverse=True)]
    tp = [0 if t is None else int(((score >= t) & (y_true == 1)).sum()) for t in thresholds]
    fp = [0 if t is None else int(((score >= t) & (y_true == 0)).sum()) for t in thresholds]
    positives, negatives = int(y_true.sum()), int((1 - y_true).sum())
    grid = np.linspace(0, 1, 101)
    middle = np.interp(grid, np.array(fp) / negatives, np.array(tp) / positives)
    low, high = np.clip(middle - 0.05, 0, 1), np.clip(middle + 0.04, 0, 1)
    band = {"false_positive_rate": grid.tolist(), "low": low.tolist(), "high": high.tolist(), "method": "bootstrap"}
    found = {"threshold": thresholds, "tp": tp, "fp": fp, "positives": positives, "negatives": negatives}
    return found | {"band": band}


def threshold_row(y_true, score, threshold, name):
    """A row of the threshold table."""
    called = score >= threshold
    tp, fp = int((called & (y_true == 1)).sum()), int((called & (y_true == 0)).sum())
    fn, tn = int(y_true.sum()) - tp, int((1 - y_true).sum()) - fp
    row = {"threshold": threshold, "name": name, "tp": tp, "fp": fp, "fn": fn, "tn": tn}
    fractions = [(tp, tp + fn), (tn, tn + fp), (tp, tp + fp), (tn, tn + fn)]
    return row | {key: share(*one) for key, one in zip(SHARES[:4], fractions, strict=True)}


def subgroups():
    """Two columns, one of them with a small group."""
    rows = [("sex", "female", 310), ("sex", "male", 290), ("site", "A", 400), ("site", "B", 180), ("site", "C", 20)]
    warning = "only 20 examples: the numbers are uncertain"
    return [
        {"column": column, "value": value, "n": n, "positives": n // 3, "accuracy": share(int(0.9 * n), n)}
        | {
            "sensitivity": share(int(0.85 * (n // 3)), n // 3),
            "specificity": share(int(0.9 * (n - n // 3)), n - n // 3),
        }
        | {"auc": estimate(0.94, 0.03, method="delong"), "warning": warning if n < 30 else None}
        for column, value, n in rows
    ]


def at_prevalence(entry, prevalence):
    """PPV and NPV by Bayes' theorem."""
    se, sp = entry["sensitivity"]["estimate"], entry["specificity"]["estimate"]
    ppv = se * prevalence / (se * prevalence + (1 - sp) * (1 - prevalence))
    npv = sp * (1 - prevalence) / (sp * (1 - prevalence) + (1 - se) * prevalence)
    return {
        "prevalence": prevalence,
        "precision": estimate(ppv, 0.06, method="logit"),
        "npv": estimate(npv, 0.002, method="logit"),
    }


def readers(kind="decision"):
    """Five readers of 200 cases."""
    found = [(70, 120), (76, 105), (66, 128), (80, 96), (73, 115)]
    auc = estimate(0.87, 0.03, method="delong") if kind == "rating" else None
    people = [
        {"name": f"Reader {i}", "n": 230, "sensitivity": share(tp, 90), "specificity": share(tn, 140), "auc": auc}
        for i, (tp, tn) in enumerate(found, 1)
    ]
    mean = {"sensitivity": estimate(0.811, 0.05), "specificity": estimate(0.806, 0.06), "auc": auc}
    at = {"sensitivity_at_specificity": estimate(0.921, 0.03), "specificity_at_sensitivity": estimate(0.93, 0.03)}
    plain = {"df": 6.42, "note": None}
    first, second = {"statistic": 3.41, "bootstrap": [0.03, 0.11]}, {"statistic": 1.62, "bootstrap": [-0.03, 0.14]}
    analysis = [
        {"measure": "sensitivity", "model": 0.878, "readers": 0.811, "difference": estimate(0.067, 0.04), "p": 0.012},
        {"measure": "specificity", "model": 0.861, "readers": 0.806, "difference": estimate(0.055, 0.08), "p": 0.15},
    ]
    analysis = [one | more | plain for one, more in zip(analysis, (first, second), strict=True)]
    notes = ["2 of 5 readers read every case."]
    return {"kind": kind, "readers": people, "mean": mean, "model_at_readers": at, "analysis": analysis, "notes": notes}


def comparison(names=("model 3", "model 2")):
    """Two models on the same cases."""
    one = {"n": 600, "auc": estimate(0.951, 0.015, method="delong"), "sensitivity": share(157, 180)}
    one |= {"specificity": share(378, 420), "accuracy": share(535, 600)}
    newcombe, delong = {"method": "newcombe"}, {"method": "delong"}
    tests = [
        {"measure": "sensitivity", "difference": estimate(0.0444, 0.043, **newcombe), "test": "McNemar exact"}
        | {"statistic": None, "p": 0.0386, "p_holm": 0.0772, "discordant": [13, 5], "reason": None},
        {"measure": "specificity", "difference": estimate(-0.012, 0.03, **newcombe), "test": "McNemar χ²"}
        | {"statistic": 0.6, "p": 0.438, "p_holm": 0.438, "discordant": [20, 25], "reason": None},
        {"measure": "auc", "difference": estimate(0.0213, 0.012, **delong), "test": "paired DeLong"}
        | {"statistic": 3.5, "p": 0.00047, "p_holm": 0.0014, "discordant": None, "reason": None},
    ]
    models = [{"name": name} | one for name in names]
    pairs = [{"first": names[0], "second": names[1], "tests": tests}]
    return {"models": models, "pairs": pairs, "notes": ["Both models were read at their own operating point."]}


def binary_report(**changes):
    """A report on two classes that holds everything a report can hold."""
    missing = {"policy": "worst-case", "scores": 3, "truths": 2, "scores_by_class": {"benign": 1, "malignant": 2}}
    test = binary_split(missing=missing, subgroups=subgroups(), readers=readers())
    test["at_prevalence"] = at_prevalence(test["per_class"][1], 0.05)
    return completed(report({"test": test}, comparison=comparison()) | changes)


def several_split(k=4, labels=None, n=900, seed=0):
    """A split of K classes, of which the last never occurs."""
    rng = np.random.default_rng(seed)
    labels = list(labels or [f"class {chr(97 + i)}" for i in range(k)])
    matrix = rng.integers(0, 8, (k, k)) + np.diag(rng.integers(20, 90, k))
    matrix[-1] = 0
    n, rows, columns = int(matrix.sum()), matrix.sum(axis=1), matrix.sum(axis=0)
    diagonal = np.diag(matrix)
    counts = [
        [int(d), int(c - d), int(r - d), int(n - r - c + d)] for d, r, c in zip(diagonal, rows, columns, strict=True)
    ]
    entries = [
        class_entry(label, *one, area=0.8 + 0.01 * i) for i, (label, one) in enumerate(zip(labels, counts, strict=True))
    ]
    names = (*SHARES, "f1", "auc", "average_precision")
    means = {name: estimate(0.8, 0.02) | {"classes": k - 1, "of": k} for name in names}
    split = binary_split(n=60) | {
        "n": n,
        "labels": labels,
        "positive": None,
        "operating_point": None,
        "threshold": None,
    }
    split |= {"prevalence": None, "calibration_slope": None, "calibration_intercept": None, "roc": None}
    split |= {"accuracy": share(int(diagonal.sum()), n), "confusion_matrix": matrix.tolist(), "per_class": entries}
    split |= {"averages": dict.fromkeys(("macro", "micro", "weighted"), means), "threshold_table": []}
    split["top_k"] = [{"k": k_, "accuracy": share(n - 20 // k_, n)} for k_ in (3, 5)] if k > 5 else []
    split["frequent_confusions"] = [{"truth": labels[0], "predicted": labels[1], "count": 7, "share": 0.08}]
    return split


def several_report(k=4, labels=None):
    """A report on K classes."""
    return completed(report({"test": several_split(k, labels)}))


def regression_report():
    """A report on a number."""
    split: dict[str, Any] = {"kind": "regression", "n": 50, "mae": estimate(1.21, 0.2), "rmse": estimate(1.6, 0.3)}
    split["r2"] = estimate(0.9, 0.03)
    split["largest_errors"] = [
        {"id": f"case-{i}", "truth": 3.0, "predicted": 9.0 - i, "error": 6.0 - i} for i in range(5)
    ]
    return completed(report({"test": split}))


def hostile_report():
    """A report whose every name tries to be markup."""
    evil = f"{HOSTILE}\"'&"
    split = binary_split(labels=("</script><b>no</b>", evil), subgroups=subgroups(), readers=readers())
    split["readers"]["readers"][0]["name"] = f"</script>{HOSTILE}"
    split["subgroups"][0] |= {"column": "<i>sex</i>", "value": "`$x$` | y"}
    split["mistakes"]["shown"][0]["id"] = "a\"b'c</script><img src=x onerror=alert(1)>.png"
    split["notes"] = ["<u>n</u>"]
    data = report({"<b>test</b>": split}, comparison=comparison((evil, "<em>b</em>")))
    data |= {
        "title": f"{HOSTILE} {{{{ 7 * 7 }}}}",
        "details": {"<i>k</i>": "a|b"},
        "notes": ["<u>n</u>"],
        "verdict": "<em>v</em>",
    }
    return completed(data)


def completed(data):
    """The report with its methods and checklist, as the assembled one has them."""
    from evaluation.report.methods import methods
    from evaluation.report.standards import checklist

    sentences, references = methods(data)
    return data | {"methods": sentences, "references": references, "checklist": checklist(data)}


def figure(title="ROC curve", size=0):
    """A small figure; `size` adds so many bytes to its SVG."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 30"><path d="M0 30L40 0" stroke="#000"/>'
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc33"
        "0000000049454e44ae426082"
    )
    return Figure("test-roc", title, f"{title}, for a test.", False, png, svg + b" " * size + b"</svg>")
