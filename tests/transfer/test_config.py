"""Settings of a transfer: what is refused, what `training` gets of them, and which phases they make."""

import dataclasses
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from training.checks import ConfigError
from training.config import TrainConfig
from transfer.cases import CASES
from transfer.config import (
    TransferConfig,
    for_case,
    from_yaml,
    to_yaml,
    training_config,
    with_absolute_paths,
    without_effect,
)
from transfer.fitting.casework import patience_of
from transfer.fitting.phases import augmentation_of, block_rates, steps_of


@pytest.fixture
def config(tmp_path) -> TransferConfig:
    return TransferConfig(data_dir=str(tmp_path), backbone="mobilenet_0.25_128")


def test_training_gets_the_size_of_the_backbone_and_colour(config):
    settings = training_config(config, epochs=3)
    assert isinstance(settings, TrainConfig) and settings.epochs == 3
    assert (settings.image_size, settings.color_mode, settings.patience) == ((128, 128), "rgb", 5)
    assert training_config(dataclasses.replace(config, image_size=64)).image_size == (64, 64)


def test_images_of_one_size_are_left_as_they_are():
    settings = training_config(TransferConfig(dataset="cifar10", image_size=128))
    assert (settings.image_size, settings.color_mode) == (None, "auto")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "mobilenet_0.25"}, r"^Unknown backbone\. Did you mean 'mobilenet_0\.25_128'\?"),
        ({"case": "5"}, r"^case must be one of auto, all, 4, 1, 2, 3, 4a, 4b\. Received: case=5\.$"),
        ({"image_size": 8}, r"needs images of at least 32 × 32 pixels"),
        ({"data_dir": None}, r"^transfer needs a folder of images: --data-dir FOLDER"),
        (
            {"dataset": "breast_cancer"},
            r"^transfer needs images; breast_cancer holds a table\. Choose --dataset digits",
        ),
        ({"dataset": "cifar"}, r"^dataset must be one of .*Received: dataset=cifar\. Did you mean cifar10\?$"),
        ({"epochs": 0}, r"^epochs must be at least 1\. Received: epochs=0\.$"),
        ({"head_epochs": 0}, r"^head_epochs must be at least 1\. Received: head_epochs=0\.$"),
        ({"layer_decay": 0.0}, r"^layer_decay must be above 0 and at most 1\. Received: layer_decay=0\.0\.$"),
        (
            {"case": "1", "layer_decay": 0.5},
            r"^layer_decay belongs to cases that fine-tune \(3, 4b\)\. Received: case=1",
        ),
        ({"case": "4a", "gradual_unfreezing": 1}, r"^gradual_unfreezing belongs to cases that fine-tune"),
    ],
)
def test_an_impossible_setting_is_refused_in_one_line(config, changes, message):
    with pytest.raises(ConfigError, match=message) as refused:
        dataclasses.replace(config, **changes)
    assert "\n" not in str(refused.value)


def test_the_record_of_a_run_reads_back_from_any_folder(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = with_absolute_paths(dataclasses.replace(config, case="3", data_dir=".", weights="w.h5", shift=0.2))
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(own))
    assert own.data_dir == str(tmp_path) and own.weights == str(tmp_path / "w.h5")
    assert from_yaml(path) == own
    assert from_yaml(path, verbose="silent").verbose == "silent"
    path.write_text("backbones: vgg16\n")
    with pytest.raises(ConfigError, match=r"unknown key 'backbones'; did you mean backbone\?"):
        from_yaml(path)


def test_epochs_and_rates_go_to_the_last_phase_and_the_heads_own_to_the_head(config):
    changed = dataclasses.replace(config, epochs=7, learning_rate=0.5, head_epochs=3)
    head, tuning = steps_of(CASES["3"], changed)
    assert (head.epochs, head.learning_rate, head.cached, head.up_to) == (3, 1e-3, True, "conv_pw_13_relu")
    assert (tuning.epochs, tuning.learning_rate, tuning.cached, tuning.up_to) == (7, 0.5, False, None)
    (alone,) = steps_of(CASES["2"], dataclasses.replace(config, epochs=7, learning_rate=0.5))
    assert (alone.epochs, alone.learning_rate, alone.up_to) == (7, 0.5, "conv_pw_3_relu")


def test_gradual_unfreezing_goes_from_the_end_to_the_beginning(config):
    steps = steps_of(CASES["3"], dataclasses.replace(config, gradual_unfreezing=2))
    assert [(step.name, step.epochs, step.up_to) for step in steps[1:]] == [
        ("unfreeze after late", 2, "conv_pw_11_relu"),
        ("unfreeze after middle", 2, "conv_pw_5_relu"),
        ("unfreeze after early", 2, "conv_pw_3_relu"),
        ("fine-tune", 15, None),
    ]
    assert len(steps_of(CASES["4a"], dataclasses.replace(config, gradual_unfreezing=2))) == 1


def test_each_earlier_block_learns_slower_by_the_same_factor(config):
    rates = block_rates(dataclasses.replace(config, layer_decay=0.5), "last", 0.08)
    assert list(rates) == ["conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"]
    assert list(rates.values()) == pytest.approx([0.005, 0.01, 0.02, 0.04])


def test_settings_replace_the_cases_own_augmentation(config):
    assert augmentation_of(config, CASES["1"]).is_active is False
    changed = augmentation_of(dataclasses.replace(config, flip="none", zoom=0.3), CASES["3"])
    assert (changed.shift, changed.flip, changed.zoom) == (0.1, "none", 0.3)


def test_help_names_cases_and_backbones_and_loads_no_tensorflow():
    code = "import sys; sys.argv = ['x', '--help']; import transfer.__main__ as m, atexit\n"
    code += "atexit.register(lambda: print([n for n in ('tensorflow', 'keras') if n in sys.modules]))\nm.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--layer-decay" in done.stdout and "convnext_tiny" in done.stdout and "4b" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_random_weights_are_given_a_hundred_steps_before_they_are_given_up(config):
    assert patience_of(config, CASES["4a"], 4) == 25 and patience_of(config, CASES["4a"], 30) == config.patience == 5
    assert patience_of(config, CASES["4b"], 4) == 5
    assert patience_of(dataclasses.replace(config, patience=0), CASES["4a"], 4) == 0


def test_a_chosen_case_leaves_out_what_it_has_no_use_for_and_that_is_said(config):
    settings = {"layer_decay": 0.4, "gradual_unfreezing": 1, "shift": 0.2, "flip": "none", "head_epochs": 3}
    auto = dataclasses.replace(config, case="auto", **settings)
    assert without_effect(auto, CASES["1"]) == ["layer_decay", "gradual_unfreezing", "shift"]
    assert without_effect(auto, CASES["3"]) == []
    assert without_effect(auto, CASES["4a"]) == ["layer_decay", "gradual_unfreezing", "head_epochs"]
    assert without_effect(dataclasses.replace(config, shift=0.2, augmented_passes=1), CASES["2"]) == []
    head, tuned = for_case(auto, CASES["1"]), for_case(auto, CASES["4b"])  # as `make reproduce` pins the case
    assert (head.case, head.layer_decay, head.gradual_unfreezing) == ("1", 1.0, 0)
    assert (tuned.case, tuned.layer_decay, tuned.gradual_unfreezing) == ("4b", 0.4, 1)
