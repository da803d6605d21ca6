"""Confusion matrix, sensitivity, specificity, precision, recall, ROC: moving the threshold, changing the prevalence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metrics.auc import area
from evaluation.metrics.confusion import Counts, confusion_matrix, one_vs_rest
from evaluation.metrics.curves import roc_curve
from evaluation.metrics.measures import point_estimates
from evaluation.metrics.ranking import rank
from evaluation.metrics.thresholds import counts_at
from evaluation.plots.matrix import plot_confusion_matrix
from evaluation.plots.roc import RocPoint, plot_roc_overlay
from evaluation.plots.style import BLUE, GREEN, GREY, VERMILLION
from training.labs.drawing import band, log_scale, panels
from training.labs.lab import Findings, Lab, Parameters, Picture, claim, option, spread_words

if TYPE_CHECKING:
    from training.datasets.dataset import Split

THEORY = """
A network that looks for a disease gives a score; a threshold turns it into a decision. Two mistakes are possible: a
false alarm (type I error, a healthy person called ill) and a miss (type II error, an ill person called healthy).

The reader's trick: with the truth in rows and the prediction in columns, whatever is read along a row knows the truth
and does not depend on how many people are ill: sensitivity (recall) along the row of the ill, specificity along that of
the healthy. Whatever is read down a column mixes both rows: precision (PPV) down the column of those called ill. So
precision changes with the prevalence, and the same test that convinces in a clinic disappoints in a screening.

Moving the threshold trades misses for false alarms; the ROC curve shows every such trade at once, and the area below it
is the probability that an ill person scores above a healthy one.
"""
FEATURES = ("mean texture", "mean smoothness")  # two weak ones of thirty: with all of them there is little to trade


@dataclass(frozen=True, kw_only=True)
class ThresholdParameters(Parameters):
    """Settings.

    Attributes:
        threshold: Who scores at least this is called ill; compared with 0.5.
        prevalence: Share of ill people in the screening to which the test is carried.
        epochs: Passes over the training patients.
    """

    threshold: float = option(0.25, 0.01, 0.49)
    prevalence: float = option(0.02, 0.001, 0.5)
    epochs: int = option(40, 1, 1000)


def experiment(parameters: ThresholdParameters, seeds: Sequence[int]) -> Findings:
    """Logistic regression on two measurements of breast-cancer patients, a new split for each seed."""
    scored = _scores(parameters, seeds)
    rankings = [rank(truth == 1, scores) for truth, scores in scored]
    moved = {cut: [_rates(counts_at(one, cut)) for one in rankings] for cut in (0.5, parameters.threshold)}
    carried = [_carried(truth, scores, parameters) for truth, scores in scored]
    gain = [b["sensitivity"] - a["sensitivity"] for a, b in zip(*moved.values(), strict=True)]
    loss = [a["specificity"] - b["specificity"] for a, b in zip(*moved.values(), strict=True)]
    claims = (
        claim(
            "|area under the ROC curve − share of pairs ranked rightly|", _pair_errors(scored, rankings), at_most=1e-9
        ),
        claim(f"sensitivity at {parameters.threshold:g} − at 0.5", gain, at_least=0.05),
        claim(f"specificity at 0.5 − at {parameters.threshold:g}", loss, at_least=0.05),
        claim("largest fall of sensitivity or of false alarms as the threshold falls", _falls(rankings), at_most=0),
        claim("|sensitivity in the screening − in the clinic|", [one["moved"] for one in carried], at_most=1e-9),
        claim("precision in the clinic − in the screening", [one["lost"] for one in carried], at_least=0.1),
        claim("|precision in the screening − Bayes' theorem|", [one["bayes"] for one in carried], at_most=1e-9),
        claim(
            "accuracy in the screening of calling nobody ill − of the test",
            [one["idle"] for one in carried],
            at_least=0,
        ),
    )
    clinic, screening = ([one[name] for one in carried] for name in ("clinic", "screening"))
    right = [1 - parameters.prevalence - one["idle"] for one in carried]
    before, after = ([one["sensitivity"] for one in moved[cut]] for cut in moved)
    text = (
        f"From 0.5 down to {parameters.threshold:g} the sensitivity rises from {spread_words(before)} to "
        f"{spread_words(after)}, and the specificity falls by {spread_words(loss)}: fewer misses, more false alarms. "
        f"Where {parameters.prevalence:.1%} of the people are ill instead of {scored[0][0].mean():.0%}, the "
        f"sensitivity stays and the precision falls from {spread_words(clinic)} to {spread_words(screening)}. There, "
        f"calling nobody ill is right for {1 - parameters.prevalence:.1%} of the people, the test for "
        f"{spread_words(right)} of them: accuracy misleads."
    )
    numbers = {"auc": [area(one) for one in rankings], "rates": {f"{cut:g}": rates for cut, rates in moved.items()}}
    carried_to = _prevalences(moved, float(scored[0][0].mean()), parameters)
    pictures = (_matrices(rankings[0], parameters), _curves(rankings, parameters), carried_to)
    return Findings(text, claims, pictures, numbers | {"carried": carried})


def _scores(parameters: ThresholdParameters, seeds: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Truth and score of each seed's test patients."""
    import keras

    import models
    from training.datasets.embedded import load_breast_cancer
    from training.datasets.splits import Carving
    from training.labs.fitting import begin, compiled, fit
    from training.labs.samples import standardized

    def build() -> keras.Model:
        return models.build("logistic_regression", (len(FEATURES),), 2)

    model, found = compiled(build, keras.optimizers.Adam(0.1), num_classes=2), []
    for seed in seeds:
        data = standardized(load_breast_cancer(carving=Carving(test_fraction=0.4, seed=seed)), FEATURES)
        begin(model, build, seed)
        fit(model, data.train, epochs=parameters.epochs, batch_size=64, seed=seed)
        test: Split = data.test
        found.append((test.y, model.predict(np.asarray(test.x), batch_size=len(test), verbose=0).ravel()))
    return found


def _rates(counts: Counts) -> dict[str, float]:
    """What the page speaks of, of a table of four."""
    found = point_estimates(counts)
    values = {name: found[name].value for name in ("sensitivity", "specificity", "precision")}
    return {name: np.nan if value is None else value for name, value in values.items()}


def _pair_errors(scored: Sequence[tuple[np.ndarray, np.ndarray]], rankings: Sequence[Any]) -> list[float]:
    """The area beside its meaning: every ill person against every healthy one, ties counting half."""
    found = []
    for (truth, scores), ranking in zip(scored, rankings, strict=True):
        apart = scores[truth == 1][:, None] - scores[truth == 0][None, :]
        found.append(abs(float(((apart > 0) + 0.5 * (apart == 0)).mean()) - area(ranking)))
    return found


def _falls(rankings: Sequence[Any]) -> list[float]:
    return [float(-min(np.diff(one.tp).min(), np.diff(one.fp).min())) for one in rankings]


def _carried(truth: np.ndarray, scores: np.ndarray, parameters: ThresholdParameters) -> dict[str, float]:
    """The same patients in the clinic, and weighed so that few of them are ill."""
    share, wanted = float(truth.mean()), parameters.prevalence
    weights = np.where(truth == 1, wanted / share, (1 - wanted) / (1 - share))
    called = (scores >= 0.5).astype(np.int64)
    matrices = [confusion_matrix(truth, called, 2, weight) for weight in (None, weights)]
    clinic, screening = (_rates(one_vs_rest(one)[1]) for one in matrices)
    alarms = (1 - clinic["specificity"]) * (1 - wanted)
    bayes = clinic["sensitivity"] * wanted / (clinic["sensitivity"] * wanted + alarms)
    accuracy = float(np.trace(matrices[1]) / matrices[1].sum())
    return {
        "clinic": clinic["precision"],
        "screening": screening["precision"],
        "moved": abs(clinic["sensitivity"] - screening["sensitivity"]),
        "lost": clinic["precision"] - screening["precision"],
        "bayes": abs(screening["precision"] - bayes),
        "idle": (1 - wanted) - accuracy,
    }


def _matrices(ranking: Any, parameters: ThresholdParameters) -> Picture:
    """Two matrices, with what is read along rows and down columns."""
    figure, axes = panels(2, height=4.0)
    for ax, cut in zip(axes, (0.5, parameters.threshold), strict=True):
        counts, ratio = counts_at(ranking, cut), _rates(counts_at(ranking, cut))
        ax.grid(False)
        plot_confusion_matrix([[counts.tn, counts.fp], [counts.fn, counts.tp]], ["healthy", "ill"], ax=ax)
        title = f"threshold {cut:g}\nrow ill → sensitivity {ratio['sensitivity']:.2f}, row healthy → specificity "
        ax.set_title(f"{title}{ratio['specificity']:.2f}\ncolumn ill ↓ precision {ratio['precision']:.2f}", fontsize=9)
    caption = (
        "Rows are the truth, columns what the network said. Top right are the false alarms (type I errors), bottom "
        "left the misses (type II errors): a lower threshold moves people from the left column to the right, in both "
        "rows."
    )
    return Picture("matrices", "One test at two thresholds (patients of seed 1)", figure, caption)


def _curves(rankings: Sequence[Any], parameters: ThresholdParameters) -> Picture:
    """ROC curves with both operating points, and the rates against the threshold."""
    figure, (left, right) = panels(2, height=4.6)
    curves, points = {}, {}
    for seed, one in enumerate(rankings[:5], start=1):
        curve = roc_curve(one)
        assert curve is not None  # both kinds of patients stand in every stratified split
        curves[f"split {seed}"] = (curve.false_positive_rate, curve.true_positive_rate)
        found = point_estimates(counts_at(one, parameters.threshold))
        points[f"split {seed}"] = RocPoint("", found["sensitivity"], found["specificity"])
    plot_roc_overlay(curves, areas=None, points=points, ax=left)
    cuts = np.linspace(0.02, 0.98, 97)
    table = [[_rates(counts_at(one, cut)) for cut in cuts] for one in rankings]
    for name, color in (("sensitivity", BLUE), ("specificity", GREEN), ("precision", VERMILLION)):
        band(right, cuts, [[rates[name] for rates in row] for row in table], label=name, color=color)
    right.axvline(parameters.threshold, color=GREY, linestyle="--", linewidth=1, label=f"{parameters.threshold:g}")
    right.set(xlabel="threshold (score from which on a person is called ill)", ylabel="rate", ylim=(0, 1.02))
    right.legend(fontsize=8)
    caption = (
        f"Left: every threshold is a point of the curve; markers at {parameters.threshold:g}. Right: lowering the "
        "threshold lifts the sensitivity and drops the specificity, always; precision need not follow either. Bands: "
        "least to most over the splits."
    )
    return Picture("roc", "All thresholds at once", figure, caption)


def _prevalences(moved: dict, clinic: float, parameters: ThresholdParameters) -> Picture:
    """Sensitivity and precision of the same test against the prevalence."""
    figure, (ax,) = panels(1, height=3.4)
    share = np.geomspace(0.001, 0.6, 60)
    rates = [(one["sensitivity"], 1 - one["specificity"]) for one in moved[0.5]]
    precision = [hit * share / (hit * share + alarm * (1 - share)) for hit, alarm in rates]
    band(ax, share, [np.full(len(share), hit) for hit, _ in rates], label="sensitivity", color=BLUE)
    band(ax, share, precision, label="precision (PPV)", color=VERMILLION)
    ax.axvline(parameters.prevalence, color=GREY, linestyle="--", linewidth=1, label="the screening")
    ax.axvline(clinic, color=GREY, linestyle=":", linewidth=1, label="the clinic")
    log_scale(ax, "x")
    ax.set(xlabel="prevalence (share of ill people, logarithmic)", ylabel="rate", ylim=(0, 1.02))
    ax.legend(fontsize=8, loc="upper left")
    caption = (
        "The network and its threshold (0.5) stay the same; only the people change. Sensitivity is read along a row "
        "and stays flat; precision is read down a column and falls with every healthy person that is added."
    )
    return Picture("prevalence", "The same test among other people", figure, caption)


LAB = Lab(
    name="thresholds",
    title="Confusion matrix, sensitivity, specificity, precision and recall, ROC",
    theory=THEORY,
    formulas=(
        "sensitivity = recall = TP/(TP + FN),  specificity = TN/(TN + FP),  precision = PPV = TP/(TP + FP)",
        "type I error rate = 1 − specificity,  type II error rate = 1 − sensitivity",
        "PPV = sensitivity·p / (sensitivity·p + (1 − specificity)·(1 − p)),  p the prevalence",
    ),
    parameters=ThresholdParameters,
    small=ThresholdParameters(seeds=2, epochs=30),
    experiment=experiment,
    try_it="--threshold 0.1",
)
