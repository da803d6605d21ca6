"""The project's own files agree with each other."""

import re
import subprocess
import tomllib

import pytest

from tests.conftest import ROOT, user_environment


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_every_requirement_is_pinned_exactly():
    for name in (
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-gpu.txt",
        "requirements-demo.txt",
        "requirements-export.txt",
    ):
        lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
        assert all(
            re.fullmatch(r"-r requirements(-demo|-export)?\.txt|[\w\[\]-]+==[\w.]+", line) for line in lines if line
        ), name


def test_the_gpu_requirements_name_the_same_tensorflow():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = pins("requirements.txt")["tensorflow"]
    assert pins("requirements-gpu.txt")["tensorflow[and-cuda]"] == version
    assert project["optional-dependencies"]["gpu"] == [f"tensorflow[and-cuda]=={version}"]


def test_the_export_requirements_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = project["optional-dependencies"]["export"]
    assert listed == [f"{name}=={version}" for name, version in pins("requirements-export.txt").items()]


def test_keras_is_new_enough_to_load_models_safely():
    assert tuple(int(part) for part in pins("requirements.txt")["keras"].split(".")) >= (3, 15, 1)


def test_the_installed_versions_are_the_pinned_ones():
    from importlib.metadata import version

    wrong = {name: version(name) for name, pin in pins("requirements.txt").items() if version(name) != pin}
    assert not wrong


def test_every_make_target_is_explained_in_one_line():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split())
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, env=user_environment(), capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[0] for line in shown.splitlines()} == targets


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["train", "MODEL=gap_cnn", "DATA_DIR=my 'own' data", "EPOCHS=3"],
            ["--data-dir", "my 'own' data", "--epochs", "3", "--model", "gap_cnn"],
        ),
        (["evaluate", "PREDICTIONS=a b.csv", "POSITIVE=x y"], ["a b.csv", "--positive", "x y"]),
        (["evaluate", "RUN=runs/train/x-001"], ["runs/train/x-001"]),
        (["train", "RESUME=runs/train/x-001", "EPOCHS=9"], ["--resume", "runs/train/x-001", "--epochs", "9"]),
        (["reproduce", "RUN=runs/train/x-001"], ["runs/train/x-001"]),
        (["seeds", "COUNT=3", "FINAL_FIT=1", "NESTEROV=0"], ["--count", "3", "--final-fit", "--no-nesterov"]),
        (["lr-find", "NESTEROV=1"], ["--nesterov"]),
        (["train", "ARGS=--hyperparameters.l2 0.1"], ["--hyperparameters.l2", "0.1"]),
        (["export", "RUN=a b", "FORMAT=onnx", "TRUST=1"], ["a b", "--format", "onnx", "--trust"]),
        (["serve", "RUN=runs/train/x-001", "PORT=9000"], ["runs/train/x-001", "--port", "9000"]),
    ],
)
def test_make_forwards_its_variables_as_flags(tmp_path, arguments, expected):
    binary = tmp_path / "venv" / "bin"
    binary.mkdir(parents=True)
    python = binary / "python"
    python.write_text('#!/bin/sh\nfor argument in "$@"; do echo "[$argument]"; done\n')
    python.chmod(0o755)
    for name in ("runtime", "export"):
        (tmp_path / "venv" / f".groundwork-{name}").touch()
    command = ["make", "-s", *arguments, f"VENV={tmp_path / 'venv'}"]
    shown = subprocess.run(
        command, cwd=ROOT, env=user_environment(), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert sorted(shown[2:]) == sorted(f"[{argument}]" for argument in expected)
    assert shown[0] == "[-m]"


def test_the_environment_of_make_does_not_leak_into_flags(tmp_path):
    shown = subprocess.run(
        ["make", "-n", "train", f"VENV={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=user_environment() | {"MODEL": "gap_cnn", "SEED": "3", "ARGS": "--bogus", "GPU": "1"},
    )
    assert not any(word in shown.stdout for word in ("gap_cnn", "--seed", "--bogus", "requirements-gpu"))
