"""Hostile model files are refused in one line, before anything of them is run, written or allocated."""

import io
import random
import resource
import sys
import tempfile

import h5py
import keras
import numpy as np
import pytest
from keras.src.backend.common import global_state

import models
from evaluation.command import run_main
from tests.models.cases import CASES
from tests.training.hostile import WEIGHTS, honest, marshalled, write
from tests.training.hostile_cases import HOSTILE
from training.checkpoint import load_model, read_metadata, save_model
from training.modelfile import check_model_file
from training.optimizers import OPTIMIZERS, WITH_RATES, loss_and_metric
from training.predict.__main__ import main as predict
from training.run import Run, RunError
from training.schedules import learning_rate
from transfer.backbones import build_backbone
from transfer.pretrained.catalog import BACKBONES, TransferError
from transfer.pretrained.weights import copy_weights


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Folders for the file, the process and its temporary files: what is written there is seen."""
    for name in ("file", "here", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_runs_writes_and_allocates_nothing(name, place):
    path, canary = place / "file" / "model.keras", place / "canary"
    HOSTILE[name].make(path, canary)
    before = sorted(place.rglob("*"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RunError) as caught:
        load_model(path)
    message = str(caught.value)
    assert HOSTILE[name].words in message and message.startswith(f"{path} cannot be loaded as a Keras model: ")
    assert len(message.splitlines()) == 1 and len(message) < 500 + len(str(path))
    assert sorted(place.rglob("*")) == before and not canary.exists()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert grown < 300 * (1024 if sys.platform == "darwin" else 1) * 1024


def test_keras_alone_would_have_run_the_code_of_such_a_file(place):
    path, canary = place / "file" / "model.keras", place / "canary"
    marshalled(path, canary)
    assert not canary.exists()
    keras.saving.load_model(path, safe_mode=False)
    assert canary.read_text() == "code ran"


def test_the_refusal_does_not_rest_on_safe_mode(place, monkeypatch):
    path, canary = place / "file" / "model.keras", place / "canary"
    marshalled(path, canary)
    load = keras.saving.load_model
    monkeypatch.setattr(keras.saving, "load_model", lambda path, **options: load(path))
    keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(RunError, match="Lambda"):
            load_model(path)
    finally:
        global_state.set_global_attribute("safe_mode_saving", None)
    assert not canary.exists()


def test_the_honest_model_passes_and_nothing_else_changes(place):
    path = place / "file" / "model.keras"
    write(path, honest())
    random.seed(3)
    check_model_file(path)
    drawn = random.random()
    random.seed(3)
    assert drawn == random.random()
    assert load_model(path).predict(np.zeros((2, 4, 4, 3)), verbose=0).shape == (2, 3)
    assert read_metadata(path) == {"class_names": ["a", "b", "c"]}


def test_a_refused_bomb_leaves_nothing_to_allocate_and_names_no_layer_otherwise(place):
    path = place / "file" / "model.keras"
    HOSTILE["size: Dense"].make(path, place / "canary")
    before = int(keras.layers.Dense(1).name.rpartition("_")[2] or 0)
    with pytest.raises(RunError):
        check_model_file(path)
    assert not global_state.get_global_attribute("uninitialized_variables")
    assert keras.layers.Dense(1).name == f"dense_{before + 1}"


def test_groups_that_lead_to_each_other_end(place):
    content = io.BytesIO(honest()[WEIGHTS])
    with h5py.File(content, "a") as file:
        file["layers/dense/again"] = file["layers"]
    write(place / "model.keras", honest() | {WEIGHTS: content.getvalue()})
    check_model_file(place / "model.keras")


def build(*layers):
    """A functional model of these layers in a row, on 16 × 16 pixels in colour."""
    image = outputs = keras.Input((16, 16, 3))
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(image, outputs)


def passes(model, folder):
    """Saves a model as this project does, and loads it."""
    save_model(model, folder / "model.keras", {"kind": "image"})
    loaded = load_model(folder / "model.keras")
    assert [weight.shape for weight in loaded.weights] == [weight.shape for weight in model.weights]


@pytest.mark.parametrize("case", [case for case in CASES if case.num_classes != 133], ids=lambda case: case.id)
def test_every_model_of_the_project_passes(case, tmp_path):
    save_model(case.build(), tmp_path / "model.keras", {"kind": "image"})
    check_model_file(tmp_path / "model.keras")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_models_compiled_for_training_pass(name, tmp_path):
    for kind, schedule in ((OPTIMIZERS[name], "cosine"), (WITH_RATES[name], "triangle")):
        model = models.build("softmax_regression", (4,), 3)
        loss = loss_and_metric(3, 0.1 if schedule == "triangle" else 0.0)[0]
        model.compile(kind(learning_rate(schedule, 0.1, total_steps=9)), loss, metrics=["accuracy"])
        model.optimizer.build(model.trainable_variables)
        passes(model, tmp_path)


def test_what_others_build_from_keras_layers_passes(tmp_path):
    layers, backbone = keras.layers, keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    augmented = [layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomZoom(0.1), layers.RandomContrast(0.1)]
    passes(build(*augmented, layers.Rescaling(1 / 255), backbone, layers.GlobalMaxPooling2D()), tmp_path)
    image, shared = keras.Input((16, 16, 3)), layers.Conv2D(3, 3, padding="same", activation=layers.ReLU(6.0))
    turned = keras.ops.clip(image[..., ::-1] / 255.0 - 0.5, -1, 1)
    passes(keras.Model(image, layers.Add()([shared(turned), shared(shared(image))])), tmp_path)
    passes(build(layers.Reshape((256, 3)), layers.LayerNormalization(), layers.UnitNormalization()), tmp_path)
    passes(
        build(layers.Normalization(mean=[1.0, 2, 3], variance=[1.0, 1, 1]), layers.Conv2D(2, 3, dtype="bfloat16")),
        tmp_path,
    )


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in BACKBONES if name != "mobilenet_0.25_128"]


@pytest.mark.parametrize("name", ["mobilenet_0.25_128", *SLOW])
def test_every_backbone_passes(name, tmp_path):
    entry = BACKBONES[name]
    size = entry.smallest_size
    network = getattr(keras.applications, entry.constructor)(
        weights=None, include_top=False, input_shape=(size, size, 3), **entry.arguments
    )
    passes(network, tmp_path)
    passes(build_backbone(name, image_size=size, weights=None), tmp_path)


@pytest.mark.parametrize("given", ["run", "file"])
@pytest.mark.parametrize("name", ["config: Lambda", "size: Dense", "archive: traversal"])
def test_a_command_says_one_line_even_where_the_checksum_fits(name, given, place, monkeypatch, capsys):
    run = Run(place / "file")
    HOSTILE[name].make(run.model, place / "canary")
    run.config.write_text("model: cifar_cnn\n")
    run.write_manifest()
    arguments = [str(run.path)] if given == "run" else ["--model-file", str(run.model), "--trust"]
    monkeypatch.setattr(sys, "argv", ["predict", *arguments, "--images", str(place)])
    code = run_main(predict, user_errors=(RunError,))
    assert code == 2 and HOSTILE[name].words in (error := capsys.readouterr().err) and len(error.splitlines()) == 1


def test_weights_of_a_backbone_are_inspected_too(place):
    path = place / "file" / "model.keras"
    marshalled(path, place / "canary")
    with pytest.raises(TransferError, match="Lambda', which runs code"):
        copy_weights(build(keras.layers.Conv2D(2, 3)), path, "vgg16")
    assert not (place / "canary").exists()


def test_metadata_that_is_none_is_said_in_one_line(tmp_path):
    for content, words in ((b"{", "cannot be loaded"), (b"[" * 100_000, "cannot be loaded"), (b"3", "no JSON object")):
        write(tmp_path / "model.keras", honest() | {"groundwork.json": content})
        with pytest.raises(RunError, match=words):
            read_metadata(tmp_path / "model.keras")
