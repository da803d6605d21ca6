"""Weights of every epoch, kept as validation judged them."""

import pytest

from tests.training.commands import short_report
from tests.training.test_train import config_for
from training import datasets
from training.checkpoint import load_model
from training.pipeline import batches
from training.train import train


def test_snapshots_hold_the_averaged_weights_that_validation_judged(npz, tmp_path, monkeypatch):
    monkeypatch.setattr("training.finish.report_run", short_report)
    config = config_for(npz, tmp_path, ema=0.8, snapshots=True, epochs=2)
    result = train(config)
    validation = batches(datasets.load(config, progress=False).validation, batch_size=256)
    for epoch, expected in enumerate(result.history["val_loss"], 1):
        model = load_model(result.run.model)
        model.load_weights(result.run.snapshots / f"epoch-{epoch:03d}.weights.h5")
        model.compile(loss="sparse_categorical_crossentropy")
        assert model.evaluate(validation, verbose=0) == pytest.approx(expected, rel=1e-5)
