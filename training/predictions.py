"""From a trained model to predictions: scores in float64, one file per reported split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from scipy.special import expit, softmax

from evaluation.predictions import Predictions, RegressionPredictions, write_predictions
from training.checkpoint import load_model
from training.datasets.dataset import Dataset, Split
from training.pipeline import batches, errors_in_words
from training.results import REPORTED, AnyPredictions
from training.run import Run

PREDICT_BATCH = 256


def predict(model: keras.Model, split: Split, data: Dataset) -> AnyPredictions:
    """Predictions of one split in its own order.

    Scores are computed in float64 from the float32 logits, so that confident scores do not
    saturate into ties; they equal `model.predict` to float32 precision.

    Args:
        model: Takes raw inputs; ends in `logits` and `probabilities`, or in `output`.
        split: Examples to predict.
        data: Names of the classes.
    """
    rows = batches(split, batch_size=PREDICT_BATCH)
    if data.task == "regression":
        with errors_in_words():
            values = model.predict(rows, verbose=0)[:, 0].astype(np.float64)
        return RegressionPredictions(ids=split.ids, y_true=split.y.astype(np.float64), y_pred=values)
    with errors_in_words():
        scores = _scores_of_logits(_logits_of(model).predict(rows, verbose=0))
    return Predictions(
        ids=split.ids,
        y_true=split.y.astype(np.int64),
        y_score=scores,
        labels=data.class_names,
        positive=data.positive,
        groups=split.groups,
    )


def batch_scorer(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Scores of one batch after the other, by the same arithmetic as `predict`.

    Args:
        model: A classifier. One without a layer `logits`, from elsewhere, must put out probabilities.

    Returns:
        A function from raw inputs `(n, …)` of any dtype to float64 `(n, K)`, rows summing to 1.
    """
    if any(layer.name == "logits" for layer in model.layers):
        scorer = LogitScorer(model)
        return lambda inputs: scorer.scores(scorer.logits(inputs))
    return lambda inputs: class_scores(np.asarray(model.predict_on_batch(inputs)))


def class_scores(outputs: np.ndarray) -> np.ndarray:
    """Scores of all classes from a model's own probabilities: one unit scores the positive class of two.

    Args:
        outputs: `(n, 1)` or `(n, K)`, 0…1.

    Returns:
        float64 `(n, 2)` or `(n, K)`.
    """
    outputs = np.asarray(outputs, dtype=np.float64)
    return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs


class LogitScorer:
    """A classifier up to its logits, a batch at a time; what averages over several views needs no more.

    Args:
        model: A classifier of this project.
    """

    def __init__(self, model: keras.Model) -> None:
        self.tap = _logits_of(model)

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Raw inputs `(n, …)` to float64 `(n, 1)` or `(n, K)`."""
        return np.asarray(self.tap.predict_on_batch(inputs), dtype=np.float64)

    @staticmethod
    def scores(logits: np.ndarray) -> np.ndarray:
        """Logits to scores, float64 `(n, K)`, rows summing to 1."""
        return _scores_of_logits(logits)


def _logits_of(model: keras.Model) -> keras.Model:
    """The same network up to its logits."""
    return keras.Model(model.inputs[0], model.get_layer("logits").output)


def _scores_of_logits(logits: np.ndarray) -> np.ndarray:
    """`(n, 1)` or `(n, K)` to `(n, 2)` or `(n, K)`, in float64."""
    logits = np.asarray(logits, dtype=np.float64)
    return np.hstack([expit(-logits), expit(logits)]) if logits.shape[1] == 1 else softmax(logits, axis=1)


def predict_run(run: Run, data: Dataset, names: Sequence[str] = REPORTED) -> dict[str, AnyPredictions]:
    """Predicts test and validation, or the splits named, with the saved model and writes `predictions/`."""
    model = load_model(run.model)
    run.predictions.mkdir(exist_ok=True)
    found: dict[str, AnyPredictions] = {}
    for name in names:
        found[name] = predict(model, data.splits[name], data)
        write_predictions(run.predictions / f"{name}.csv", found[name])
    return found
