"""Transfer from data to a run directory: what is trained, what stays, what is recorded, and how a cut run goes on."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import models
from evaluation.predictions import read_predictions
from evaluation.uncertainty.intervals import wilson_limits
from tests.transfer.runs import blobs, config_for, lively_weights, quick_report, rows, use_short_mobilenet
from training.callbacks import BestModel
from training.checkpoint import load_model, read_metadata
from training.evaluate import EvaluateRunConfig, evaluate_run
from training.resume import AlreadyFinished
from training.run import RunError
from training.runs import RunsConfig, list_runs
from transfer.cases import CASES
from transfer.finetune import transfer
from transfer.fitting.networks import case_network, compile_step
from transfer.fitting.outcome import _divergence
from transfer.fitting.phases import steps_of
from transfer.resume import ResumeConfig, refuse_other_settings, resume
from transfer.source import load_source, some_per_class


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfer")
    with pytest.MonkeyPatch.context() as patch:
        use_short_mobilenet(patch)
        blobs(folder)
        lively_weights(folder)
        yield folder


@pytest.fixture(scope="module")
def adapted(folder):
    """A run of case 1, proposed by the measurement or asked for, with its whole report."""
    return transfer(config_for(folder, epochs=3, tsne=True, augmented_passes=1))


@pytest.fixture(scope="module")
def tuned(folder):
    """Case 3, with dropout and augmentation, and all that a resumed run must find again."""
    with pytest.MonkeyPatch.context() as patch:
        quick_report(patch)
        yield transfer(tuning(folder))


def tuning(folder, **changes):
    settings = {"case": "3", "head_epochs": 2, "epochs": 2, "dropout_rate": 0.3, "deterministic": True}
    return config_for(folder, **settings | changes)


def test_the_saved_network_takes_raw_pixels_and_is_the_backbone_with_a_new_head(adapted):
    record, network = adapted.run.read_record(), load_model(adapted.run.model)
    assert network.input_shape == (None, 8, 8, 1) and network.output_names == ["probabilities"]
    assert network.get_layer("resizing").output.shape == (None, 32, 32, 1)
    assert record["transfer"]["trainable"] == adapted.trainable == 256 * 3 + 3
    trained = {layer.name for layer in network.layers if layer.trainable_variables and layer.trainable}
    assert trained == {"logits"}
    assert read_metadata(adapted.run.model)["class_names"] == ["dark", "grey", "light"]


def test_the_file_of_a_fine_tuned_network_says_what_was_frozen(tuned, folder):
    network = load_model(tuned.run.model)
    frozen = {layer.name for layer in network.layers if layer.weights and not layer.trainable}
    assert frozen == {layer.name for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)}
    further = models.build("saved", (8, 8, 1), 3, network=network)
    assert {variable.path.split("/")[0] for variable in further.trainable_variables} >= {"conv1", "logits"}
    assert not any("_bn" in variable.path for variable in further.trainable_variables)


def test_predictions_are_those_of_the_saved_network_and_the_accuracy_is_counted_on_validation(adapted, folder):
    source = load_source(config_for(folder))
    network, split = load_model(adapted.run.model), source.data.validation
    scores = network.predict(split.x.astype("float32"), verbose=0)
    found = read_predictions(adapted.run.predictions / "validation.csv")
    np.testing.assert_allclose(found.y_score, scores, atol=1e-5)
    correct = int((scores.argmax(1) == split.y).sum())
    assert (adapted.correct, adapted.total) == (correct, len(split))
    assert adapted.limits == wilson_limits(correct, len(split))
    assert adapted.text.startswith(f"validation accuracy {100 * correct / len(split):.1f}% ({correct} of {len(split)}")


def test_a_head_alone_leaves_every_weight_of_the_backbone_as_it_was(adapted, folder):
    backbone, network = load_source(config_for(folder)).backbone, load_model(adapted.run.model)
    for layer in backbone.layers:
        for before, after in zip(layer.get_weights(), network.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)


def test_a_random_network_is_the_same_for_the_same_seed(folder):
    digests = [load_source(config_for(folder, weights="none", seed=seed)).weights_digest for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_the_report_says_how_it_was_trained_and_evaluating_again_keeps_that(adapted):
    first = json.loads((adapted.run.report / "report.json").read_text())
    assert [section["title"] for section in first["sections"]] == [
        "The case",
        "How it was trained",
        "Features on a map",
    ]
    assert first["sections"][1]["numbers"]["phases"][0]["on"] == "cached features"
    again = evaluate_run(EvaluateRunConfig(run=str(adapted.run.path)))
    assert again.data["sections"] == first["sections"]
    assert again.data["splits"]["test"]["accuracy"] == first["splits"]["test"]["accuracy"]
    assert json.loads(adapted.run.manifest.read_text()).keys() >= {"training.yaml", "sections.json", "model.keras"}


def test_runs_are_listed_with_their_validation_score(adapted, tuned, folder):
    found, _ = list_runs(RunsConfig(runs_dir=str(folder / "runs"), sort="name"))
    shown = {run.name: run for run in found}[f"transfer/{adapted.run.path.name}"]
    assert (shown.model, shown.monitor, shown.epochs, shown.epochs_planned) == ("mobilenet_0.25_128", "val_loss", 3, 3)
    assert shown.validation == min(adapted.history["val_loss"]) and shown.rank is not None


def test_augmented_views_double_what_the_head_learns_from(adapted, folder):
    config = config_for(folder, augmented_passes=1)
    source = load_source(config)
    plain, doubled = len(source.data.train), source.head_data("last").train
    assert len(doubled) == 2 * plain
    np.testing.assert_array_equal(doubled.y[:plain], doubled.y[plain:])
    assert np.abs(doubled.x[:plain] - doubled.x[plain:]).max() > 0


def test_phases_go_on_in_one_history_and_the_best_epoch_of_all_is_kept(tuned):
    record = tuned.run.read_record()
    assert [float(row["epoch"]) for row in rows(tuned.run)] == [1, 2, 3, 4]
    assert [float(row["learning_rate"]) for row in rows(tuned.run)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    assert [(one["name"], one["first_epoch"]) for one in record["phases"]] == [("head", 1), ("fine-tune", 3)]
    assert record["best_epoch"] == tuned.best_epoch == 1 + int(np.argmin(tuned.history["val_loss"]))
    assert record["phases"][0]["trainable"] < record["phases"][1]["trainable"] == tuned.trainable
    network = load_model(tuned.run.model)
    metrics = scored(network, load_source(tuning(tuned.run.path.parents[2])).data.validation)
    assert metrics == pytest.approx(min(tuned.history["val_loss"]), rel=1e-4)


def scored(network, split) -> float:
    """Cross-entropy on a split."""
    scores = network.predict(split.x.astype("float32"), verbose=0)
    return float(-np.log(scores[np.arange(len(split)), split.y]).mean())


def test_a_run_that_dies_while_fine_tuning_ends_with_the_same_weights(tuned, folder, monkeypatch):
    quick_report(monkeypatch)
    monkeypatch.chdir(folder)
    original = BestModel.on_epoch_end

    def die(self, epoch, logs=None):
        original(self, epoch, logs)
        if epoch == 3:  # the fourth epoch: its checkpoint is never written
            raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(BestModel, "on_epoch_end", die)
        with pytest.raises(RuntimeError, match="power cut") as died:
            transfer(tuning(folder, weights="lively.keras", data_dir="blobs.npz", runs_dir="runs"))
    assert "make transfer RESUME=" in died.value.__notes__[0]
    again = resume(ResumeConfig("auto", runs_dir=str(folder / "runs")))
    assert again.run.path != tuned.run.path and again.run.read_record()["resumed"][0]["from_epoch"] == 3
    assert rows(again.run) == rows(tuned.run)
    pairs = zip(load_model(again.run.model).get_weights(), load_model(tuned.run.model).get_weights(), strict=True)
    assert all(np.array_equal(left, right) for left, right in pairs)
    for name in ("test", "validation"):
        files = [one.run.predictions / f"{name}.csv" for one in (again, tuned)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_loss_that_is_lost_names_the_rate_of_its_phase(tuned):
    watch = SimpleNamespace(best=SimpleNamespace(epoch=0), guard=SimpleNamespace(where="epoch 1"))
    work = SimpleNamespace(steps=("head", "fine-tune"), run=tuned.run)
    head, both = [{"learning_rate": 10.0}], [{"learning_rate": 10.0}, {"learning_rate": 0.5}]
    assert r"lower --head-learning-rate (it was 10)" in _divergence(work, SimpleNamespace(watch=watch, phases=head))
    assert r"lower --learning-rate (it was 0.5)" in _divergence(work, SimpleNamespace(watch=watch, phases=both))


def test_a_complete_run_and_changed_settings_are_refused(tuned):
    with pytest.raises(AlreadyFinished, match=r"is complete: finished after epoch 4"):
        resume(ResumeConfig(str(tuned.run.path)))
    with pytest.raises(RunError, match=r"^a resumed run keeps .* so --epochs cannot stand beside --resume"):
        refuse_other_settings(["--resume", "auto", "--epochs=9"])


def test_blocks_learn_at_their_own_rates_and_frozen_ones_not_at_all(folder):
    config = config_for(folder, case="3", layer_decay=1e-3, learning_rate=1e-2, gradual_unfreezing=1)
    source, case = load_source(config), CASES["3"]
    step = steps_of(case, config)[1]  # all after the late cut, and the head
    network = case_network(source, case, config)
    before = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    compile_step(network, step, case, config, _settings(config, step))
    weights = network.trainable_variables
    network.optimizer.apply([np.ones(weight.shape, np.float32) for weight in weights], weights)
    moved = {
        name: max(float(np.abs(a - b).max()) for a, b in zip(old, network.get_layer(name).get_weights(), strict=True))
        for name, old in before.items()
    }
    assert moved["conv_pw_5"] == moved["conv_pw_13_bn"] == 0  # frozen; batch norms keep their statistics
    assert moved["logits"] == pytest.approx(1e-2, rel=0.05)  # Adam's first step is the rate
    assert moved["conv_pw_13"] == pytest.approx(1e-5, rel=0.05)


def _settings(config, step):
    from transfer.config import training_config

    return training_config(config, epochs=step.epochs, learning_rate=step.learning_rate)


def test_random_weights_are_not_the_pre_trained_ones_and_batch_norms_learn(folder):
    config = config_for(folder, case="4a")
    source = load_source(config)
    network = case_network(source, CASES["4a"], config)
    assert not np.array_equal(network.get_layer("conv1").get_weights()[0], source.pretrained[0])
    same = case_network(source, CASES["3"], dataclasses.replace(config, case="3"))
    np.testing.assert_array_equal(same.get_layer("conv1").get_weights()[0], source.pretrained[0])
    momenta = [one.get_layer("conv1_bn").get_config()["momentum"] for one in (network, same)]
    assert momenta == [0.9, 0.99]  # few steps must move statistics that start at 0 and 1
    (step,) = steps_of(CASES["4a"], config)
    compile_step(network, step, CASES["4a"], config, _settings(config, step))
    before = network.get_layer("conv1_bn").get_weights()
    network.train_on_batch(source.data.train.x[:16].astype("float32"), source.data.train.y[:16])
    assert not np.array_equal(network.get_layer("conv1_bn").get_weights()[2], before[2])


def test_a_few_images_per_class_leave_validation_and_test_whole(folder):
    data = load_source(config_for(folder)).data
    few = some_per_class(data, 4, seed=0)
    assert np.bincount(few.train.y).tolist() == [4, 4, 4] and few.digest == data.digest
    assert few.validation is data.validation and few.test is data.test
    assert set(few.train.ids) < set(data.train.ids)
    assert few.notes[-1].startswith(f"Trained on 12 of {len(data.train)} training images")
