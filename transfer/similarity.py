"""Measures where the notes only say "similar" and "large", and proposes one of their four cases.

Similar: the latest features serve the new classes as well as any earlier ones, and better than the raw pixels. Linear
probes at every cut are compared on the same folds, and a difference counts only where it is beyond its standard error
(the one-standard-error rule of Breiman et al. 1984: among what cannot be told apart the simplest, here the latest cut,
which slices off least).

Large: a class holds on average more independent examples than the latest features have numbers, plus one. Softmax
regression puts a hyperplane between every two classes, and 2(d + 1) points are what a hyperplane in d dimensions can
separate whatever their labels are (Cover 1965): below, even the new head alone can learn the training labels by heart,
and fine-tuning the whole network has nothing that holds it back.

Both rules follow from these principles alone; no threshold was fitted to a data set. No TensorFlow is imported here.

Reference:
    Cover 1965, Geometrical and Statistical Properties of Systems of Linear Inequalities;
    Nadeau & Bengio 2003, Inference for the Generalization Error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from transfer.bottleneck.probes import DEFAULT_SETTINGS, Probe, Probes, ProbeSettings, probe
from transfer.cases import cases_of, quadrant


@dataclass(frozen=True)
class Difference:
    """Of two accuracies on the same folds.

    Attributes:
        mean: Over the folds, 0…1.
        error: Its standard error.
    """

    mean: float
    error: float

    @property
    def is_clear(self) -> bool:
        """Whether it lies above zero by more than its standard error."""
        return self.mean > self.error + 1e-12  # equal accuracies may differ by rounding


@dataclass(frozen=True)
class Proposal:
    """The case that the measurement proposes.

    Attributes:
        case: 1 to 4.
        similar: Whether the latest features are as good as any.
        large: Whether a class has more examples than the features have numbers.
        numbers: All that was measured, for a file.
        why: One paragraph with the numbers.
    """

    case: int
    similar: bool
    large: bool
    numbers: dict[str, Any]
    why: str


def propose(
    features: Mapping[str, np.ndarray],
    y: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    pixels: np.ndarray | None = None,
    class_names: Sequence[str] = (),
    settings: ProbeSettings = DEFAULT_SETTINGS,
) -> Proposal:
    """Proposes a case from the training split; validation and test are not looked at.

    Args:
        features: Name of the cut → `(n, width)`, globally pooled, from early to late.
        y: `(n,)` class indices.
        groups: `(n,)` names of patients: they stay in one fold, and are what counts for the size.
        pixels: `(n, width)` raw pixels, as `transfer.bottleneck.probes.thumbnails` gives them: the latest features
            must be better.
        class_names: For messages.
        settings: Of the cross-validation.

    Raises:
        DataError: As `transfer.bottleneck.probes.probe`.
    """
    y = np.asarray(y)
    probes = probe(features, y, groups=groups, pixels=pixels, class_names=class_names, settings=settings)
    latest, best, baseline = probes.cuts[-1], _best(probes.cuts), _baseline(probes)
    loss, gain, slope = paired(best, latest), paired(latest, baseline), paired(latest, probes.half)
    examples, classes = len(y) if groups is None else len(np.unique(groups)), len(np.unique(y))
    similar, large = not loss.is_clear and gain.is_clear, examples / classes > latest.dimension + 1
    numbers = {
        "n": len(y),
        "groups": None if groups is None else examples,
        "classes": classes,
        "per_class": examples / classes,
        "needed_per_class": latest.dimension + 1,
        "probed": probes.probed,
        "folds": probes.folds,
        "cuts": {cut.name: _summary(cut) for cut in probes.cuts},
        "best": best.name,
        "baseline": {"name": baseline.name, **_summary(baseline)},
        "half_the_data": _summary(probes.half),
        "best_minus_latest": asdict(loss),
        "latest_minus_baseline": asdict(gain),
        "whole_minus_half": asdict(slope),
    }
    case = quadrant(large=large, similar=similar)
    why = " ".join(
        [
            f"Case {case}, {cases_of(case)[0].when}.",
            _measured(numbers, probes),
            _similarity(similar, latest, best, baseline, loss, gain),
            _size(large, numbers, latest),
            _slope(latest, probes.half, slope),
            *probes.notes,
        ]
    )
    return Proposal(case, similar, large, numbers, why)


def paired(first: Probe, second: Probe) -> Difference:
    """How much better `first` is than `second` on the same folds.

    The standard error is that of Nadeau and Bengio: training parts of different folds share examples, so the plain one
    would be too small. Its variance is that of the k differences times 1/k + 1/(k - 1).
    """
    differences = first.accuracies - second.accuracies
    count = len(differences)
    return Difference(
        float(differences.mean()), float(np.sqrt(differences.var(ddof=1) * (1 / count + 1 / (count - 1))))
    )


def _best(cuts: Sequence[Probe]) -> Probe:
    """The highest mean; of equals the latest."""
    return max(reversed(cuts), key=lambda cut: round(cut.mean, 12))


def _baseline(probes: Probes) -> Probe:
    """The better of naming the largest class and raw pixels."""
    return max((item for item in (probes.majority, probes.pixels) if item), key=lambda item: item.mean)


def _summary(item: Probe) -> dict[str, Any]:
    return {"accuracy": item.mean, "spread": item.spread, "features": item.dimension}


def _percent(item: Probe) -> str:
    """`91.2 ± 2.0 %`."""
    return f"{100 * item.mean:.1f} ± {100 * item.spread:.1f} %"


def _points(difference: Difference) -> str:
    """`+1.2 ± 0.8 points`."""
    return f"{100 * difference.mean:+.1f} ± {100 * difference.error:.1f} points"


def _measured(numbers: Mapping[str, Any], probes: Probes) -> str:
    cuts = ", ".join(f"{cut.name} {_percent(cut)}" for cut in probes.cuts)
    others = ", ".join(f"{item.name} {_percent(item)}" for item in (probes.pixels, probes.majority) if item)
    subset = f", {probes.probed:,} of them probed" if probes.probed < numbers["n"] else ""
    return (
        f"{numbers['n']:,} training images of {numbers['classes']} classes{subset}: accuracy of a linear probe, mean ± "
        f"standard deviation over {probes.folds} folds, {cuts} (for comparison: {others})."
    )


def _similarity(similar: bool, latest: Probe, best: Probe, baseline: Probe, loss: Difference, gain: Difference) -> str:
    if not gain.is_clear:
        return f"Different: {latest.name} is not clearly better than {baseline.name} ({_points(gain)})."
    if best is latest:
        return f"Similar: no cut is better than {latest.name}."
    what = f"{best.name} against {latest.name} {_points(loss)}"
    if similar:
        return f"Similar: no cut is better than {latest.name} beyond the standard error ({what})."
    return f"Different: {best.name} is better than {latest.name} beyond the standard error ({what})."


def _size(large: bool, numbers: Mapping[str, Any], latest: Probe) -> str:
    units = "images" if numbers["groups"] is None else "groups"
    size, than = ("Large", "more than") if large else ("Small", "no more than")
    return (
        f"{size}: {numbers['per_class']:,.0f} {units} per class, {than} the {numbers['needed_per_class']:,} up to "
        f"which a head on {latest.dimension:,} features can learn any labels by heart."
    )


def _slope(latest: Probe, half: Probe, slope: Difference) -> str:
    """What halving the data does: reported, it decides nothing (it vanishes on easy data, however small)."""
    verdict = "more images would still help" if slope.is_clear else "a gain by more images is not visible"
    return (
        f"With half the images {latest.name} reaches {_percent(half)} ({_points(slope)} by the other half): {verdict}."
    )
