"""From a trained model to predictions: scores in float64, one file per reported split."""

from __future__ import annotations

from collections.abc import Sequence

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
    tap = keras.Model(model.inputs[0], model.get_layer("logits").output)
    with errors_in_words():
        logits = tap.predict(rows, verbose=0).astype(np.float64)
    scores = np.hstack([expit(-logits), expit(logits)]) if data.num_classes == 2 else softmax(logits, axis=1)
    return Predictions(
        ids=split.ids,
        y_true=split.y.astype(np.int64),
        y_score=scores,
        labels=data.class_names,
        positive=data.positive,
        groups=split.groups,
    )


def predict_run(run: Run, data: Dataset, names: Sequence[str] = REPORTED) -> dict[str, AnyPredictions]:
    """Predicts test and validation, or the splits named, with the saved model and writes `predictions/`."""
    model = load_model(run.model)
    run.predictions.mkdir(exist_ok=True)
    found: dict[str, AnyPredictions] = {}
    for name in names:
        found[name] = predict(model, data.splits[name], data)
        write_predictions(run.predictions / f"{name}.csv", found[name])
    return found
