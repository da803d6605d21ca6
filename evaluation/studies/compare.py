"""Several models on the same examples: every pair's differences, with intervals and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from evaluation.metrics.auc import auc_estimate
from evaluation.metrics.diagnostic import DecisionSample
from evaluation.predictions import Predictions, PredictionsError, RegressionPredictions
from evaluation.studies.paired import holm, mcnemar, paired_delong, paired_difference, rate_difference
from evaluation.uncertainty.intervals import Estimate, IntervalSettings

SHOWN_IDS = 3


@dataclass(frozen=True)
class ModelNumbers:
    """One model.

    Attributes:
        name: What it is called.
        n: Number of examples.
        accuracy: Share of right decisions.
        sensitivity, specificity: At the model's own threshold; None without a positive class.
        auc: Area under the ROC curve; None without a positive class.
    """

    name: str
    n: int
    accuracy: Estimate
    sensitivity: Estimate | None = None
    specificity: Estimate | None = None
    auc: Estimate | None = None


@dataclass(frozen=True)
class PairedTest:
    """One measure of two models.

    Attributes:
        measure: "sensitivity", "specificity", "accuracy" or "auc".
        difference: First − second, with its interval.
        test: "McNemar exact", "McNemar χ²" or "paired DeLong".
        statistic: χ² with continuity correction, or z; None for the exact test and where there is no test.
        p: Two-sided; None where there is no test.
        p_holm: p after Holm's correction over all pairs of models on this measure, or None.
        discordant: McNemar: examples that only the first, and only the second, got right; else None.
        reason: Why there is no p, or None.
    """

    measure: str
    difference: Estimate
    test: str
    statistic: float | None = None
    p: float | None = None
    p_holm: float | None = None
    discordant: tuple[int, int] | None = None
    reason: str | None = None


@dataclass(frozen=True)
class ModelPair:
    """Two models and their tests."""

    first: str
    second: str
    tests: tuple[PairedTest, ...]


@dataclass(frozen=True)
class Comparison:
    """All models, all pairs in the order given, and what a report should say about them."""

    models: tuple[ModelNumbers, ...]
    pairs: tuple[ModelPair, ...]
    notes: tuple[str, ...]


def compare(models: Mapping[str, Predictions], *, settings: IntervalSettings) -> Comparison:
    """Compares models that scored the same examples.

    With a positive class: sensitivity on the positives and specificity on the negatives, each by McNemar's test with
    Newcombe's interval of the difference, and the AUC by the paired DeLong test. With more classes: accuracy.

    Args:
        models: Predictions by the name of the model, at least two, each at its own threshold; examples in any order.
        settings: How intervals are computed.

    Returns:
        The comparison. Holm's correction runs over all pairs of models, for each measure by itself. With groups,
        differences take the cluster bootstrap, and AUCs DeLong's components summed by group.

    Raises:
        PredictionsError: If there are fewer than two models or they differ in examples, truth, classes or groups.
    """
    aligned = _aligned(models)
    names = list(aligned)
    numbers = tuple(_numbers(name, aligned[name], settings) for name in names)
    pairs = [
        ModelPair(first, second, _tests(aligned[first], aligned[second], settings))
        for first, second in combinations(names, 2)
    ]
    return Comparison(numbers, _with_holm(pairs), _notes(aligned))


def _numbers(name: str, predictions: Predictions, settings: IntervalSettings) -> ModelNumbers:
    """The numbers of one model."""
    truth, groups = predictions.y_true, predictions.groups
    sample = DecisionSample(truth, predictions.y_pred, len(predictions.labels), groups=groups, settings=settings)
    accuracy = sample.overall()["accuracy"]
    if predictions.positive is None:
        return ModelNumbers(name, len(truth), accuracy)
    measures = sample.class_measures(1)
    auc = auc_estimate(truth == 1, predictions.y_score[:, 1], groups=groups, settings=settings)
    return ModelNumbers(name, len(truth), accuracy, measures["sensitivity"], measures["specificity"], auc)


def _tests(first: Predictions, second: Predictions, settings: IntervalSettings) -> tuple[PairedTest, ...]:
    """All tests of one pair."""
    truth, groups = first.y_true, first.groups
    one, other = first.y_pred == truth, second.y_pred == truth
    if first.positive is None:
        return (_rate_test("accuracy", one, other, groups, settings),)
    tests = []
    for measure, label in (("sensitivity", 1), ("specificity", 0)):
        mine = truth == label
        tests.append(_rate_test(measure, one[mine], other[mine], None if groups is None else groups[mine], settings))
    areas = paired_delong(truth == 1, first.y_score[:, 1], second.y_score[:, 1], groups=groups, settings=settings)
    test = PairedTest("auc", areas.difference, "paired DeLong", areas.z, areas.p, reason=areas.reason)
    return (*tests, test)


def _rate_test(
    measure: str, first: np.ndarray, second: np.ndarray, groups: np.ndarray | None, settings: IntervalSettings
) -> PairedTest:
    """McNemar's test and the difference of two shares of right decisions on the same examples."""
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    test = mcnemar(b, c)
    if groups is None:
        difference = paired_difference(both, b, c, neither, confidence=settings.confidence)
    else:
        difference = rate_difference(first, second, groups, settings)
    if len(first) == 0:
        return PairedTest(measure, difference, test.test, discordant=(0, 0), reason="no examples")
    return PairedTest(measure, difference, test.test, test.statistic, test.p, discordant=(b, c))


def _with_holm(pairs: Sequence[ModelPair]) -> tuple[ModelPair, ...]:
    """The pairs with p values corrected over all pairs, for each measure by itself."""
    columns = []
    for tests in zip(*(pair.tests for pair in pairs), strict=True):
        adjusted = holm([test.p for test in tests])
        columns.append([replace(test, p_holm=p) for test, p in zip(tests, adjusted, strict=True)])
    rows = zip(*columns, strict=True)
    return tuple(replace(pair, tests=tuple(row)) for pair, row in zip(pairs, rows, strict=True))


def _notes(models: Mapping[str, Predictions]) -> tuple[str, ...]:
    """What a report should say about this comparison."""
    first, notes = next(iter(models.values())), []
    if first.positive is not None:
        thresholds = ", ".join(f"{name} at {model.threshold:g}" for name, model in models.items())
        notes.append(f"Sensitivity and specificity compare decisions, each model at its own threshold: {thresholds}.")
    if len(models) > 2:
        pairs = len(models) * (len(models) - 1) // 2
        notes.append(f"Holm's correction runs over the {pairs} pairs of models, for each measure by itself.")
    if first.groups is not None:
        notes.append(
            "Examples are grouped. Intervals and the test of the AUC allow for that; McNemar's test assumes "
            "independent examples, so its p values may be too small."
        )
    if any(model.weights is not None for model in models.values()):
        notes.append("Weights are left out of comparisons: every example counts alike.")
    return tuple(notes)


def _aligned(models: Mapping[str, Predictions]) -> dict[str, Predictions]:
    """All models with classes and examples in the order of the first, after refusing what cannot be compared."""
    if len(models) < 2:
        raise PredictionsError(f"a comparison needs at least two models. Received: {', '.join(models) or 'none'}.")
    for name, model in models.items():
        if isinstance(model, RegressionPredictions):
            raise PredictionsError(f"{name!r} holds a regression; models are compared on classes. Leave it out.")
        _refuse_repeated(name, model)
    (reference, first), *others = models.items()
    orders = {name: _order(first, model, (reference, name)) for name, model in models.items()}
    grouped = [model.groups[orders[name]] for name, model in models.items() if model.groups is not None]
    groups = grouped[0] if grouped else None
    aligned = {name: _like(first, model, orders[name], (reference, name)) for name, model in others}
    if any(not np.array_equal(mine, grouped[0]) for mine in grouped):
        listed = ", ".join(repr(name) for name, model in models.items() if model.groups is not None)
        raise PredictionsError(f"{listed} group the examples differently. Give all the same groups.")
    return {name: replace(model, groups=groups) for name, model in {reference: first, **aligned}.items()}


def _like(first: Predictions, model: Predictions, order: np.ndarray, names: tuple[str, str]) -> Predictions:
    """A model with classes and examples in the order of the first; other classes or another truth are refused."""
    one, other = names
    if model.positive != first.positive or set(model.labels) != set(first.labels):
        raise PredictionsError(
            f"{one!r} and {other!r} score different classes: {_classes(first)} and {_classes(model)}. "
            "Compare models of the same classes and the same positive one."
        )
    columns = np.array([model.labels.index(label) for label in first.labels])
    truth = np.argsort(columns)[model.y_true[order]]
    _refuse_other_truth(first, truth, names)
    return Predictions(
        first.ids,
        truth,
        model.y_score[order][:, columns],
        first.labels,
        first.positive,
        threshold=model.threshold,
        weights=None if model.weights is None else model.weights[order],
    )


def _order(first: Predictions, model: Predictions, names: tuple[str, str]) -> np.ndarray:
    """Rows of a model in the order of the first one's examples; different examples are refused."""
    import pandas as pd

    order = pd.Index(model.ids).get_indexer(pd.Index(first.ids))
    missing = first.ids[order < 0]
    extra = model.ids[~np.isin(np.arange(len(model)), order)]
    if len(missing) or len(extra):
        only = [
            f"{len(ids):,} only in {name!r} ({', '.join(map(repr, map(str, ids[:SHOWN_IDS])))}{_more(ids)})"
            for name, ids in zip(names, (missing, extra), strict=True)
            if len(ids)
        ]
        raise PredictionsError(
            f"{names[0]!r} and {names[1]!r} score different examples: {', '.join(only)}. "
            "Give both the same ids, in any order."
        )
    return order


def _refuse_repeated(name: str, model: Predictions) -> None:
    """Refuses ids that do not tell examples apart."""
    import pandas as pd

    repeated = pd.Index(model.ids).duplicated()
    if repeated.any():
        first = str(model.ids[int(np.argmax(repeated))])
        raise PredictionsError(f"{name!r} has the id {first!r} more than once. Give every example its own id.")


def _refuse_other_truth(first: Predictions, truth: np.ndarray, names: tuple[str, str]) -> None:
    """Refuses models that disagree on the truth."""
    differs = truth != first.y_true
    if differs.any():
        row = int(np.argmax(differs))
        one, other = first.labels[first.y_true[row]], first.labels[truth[row]]
        count = f"{int(differs.sum()):,} example" + ("s" if differs.sum() > 1 else "")
        raise PredictionsError(
            f"{names[0]!r} and {names[1]!r} disagree on the truth of {count}, first {str(first.ids[row])!r}: {one!r} "
            f"and {other!r}. Use one reference standard."
        )


def _classes(model: Predictions) -> str:
    """The classes of a model, for a message."""
    listed = ", ".join(model.labels[:5]) + (" …" if len(model.labels) > 5 else "")
    return listed if model.positive is None else f"{listed} (positive: {model.positive})"


def _more(ids: np.ndarray) -> str:
    """An ellipsis where not all ids are shown."""
    return ", …" if len(ids) > SHOWN_IDS else ""
