"""Killed at chosen and at random moments, also while a checkpoint is written: a resumed run loses nothing."""

import csv
import random

import numpy as np
import pytest

from tests.training.commands import Commands

FLAGS = (
    *("--dataset", "npz", "--data-dir", "blobs.npz", "--model", "cifar_cnn", "--hyperparameters.filters", "[4,8]"),
    *("--shift", "0.1", "--flip", "horizontal", "--batch-size", "8", "--steps-per-execution", "2"),
    *("--precision", "float32", "--checkpoint-steps", "3", "--deterministic"),
)
RUN = "runs/train/cifar_cnn-npz-{:03d}"


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """A folder with data, and the process that runs commands in it."""
    folder = tmp_path_factory.mktemp("crashes")
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 32)
    images = (draw.integers(0, 60, (96, 8, 8, 1)) + (labels * 80)[:, None, None, None]).astype(np.uint8)
    np.savez(folder / "blobs.npz", x_train=images, y_train=labels, class_names=["dark", "grey", "light"])
    commands = Commands(folder)
    yield commands
    commands.close()


def result_of(folder, number: int) -> dict:
    """All that must be the same: final weights, optimizer and seeds, best model, history, predictions."""
    from training.checkpoint import load_model
    from training.state import read_state

    run = folder / RUN.format(number)
    with open(run / "history.csv", newline="") as file:
        history = [[value for name, value in row.items() if name != "seconds"] for row in csv.DictReader(file)]
    state, _, damaged = read_state(run / "checkpoint")
    assert not damaged and not list(run.rglob(".*"))
    predictions = [(run / f"predictions/{name}.csv").read_bytes() for name in ("test", "validation")]
    best = [array.tobytes() for array in load_model(run / "model.keras").get_weights()]
    return {
        "state": {name: array.tobytes() for name, array in state.arrays.items()},
        "best": best,
        "history": history,
        "predictions": predictions,
    }


def kill_until_finished(commands: Commands, number: int, epochs: int, kills) -> tuple[int, int]:
    """Trains, dying by each of `kills` in turn, then resumes to the end.

    Returns:
        How often it was killed, and how often of these while a checkpoint was written.
    """
    arguments = [*FLAGS, "--epochs", str(epochs)]
    killed, half_written = 0, set()
    for kill in [*kills, {}]:
        done = commands.train(*arguments, **kill)
        assert done.code in (0, -9), done.stderr
        if not done.code:
            break
        killed += 1
        half_written |= set((commands.folder / RUN.format(number)).glob("checkpoint/.writing-*.npz"))
        if (commands.folder / RUN.format(number) / "config.yaml").exists():
            arguments = ["--resume", RUN.format(number)]
    assert done.code == 0
    return killed, len(half_written)


@pytest.fixture(scope="module")
def uninterrupted(commands):
    done = commands.train(*FLAGS, "--epochs", "3")
    assert done.code == 0, done.stderr
    return result_of(commands.folder, 1)


def test_three_kills_change_nothing(commands, uninterrupted):
    kills = [{"event": ["batch", 4]}, {"event": ["array", 30]}, {"event": ["rename", 9]}]
    assert kill_until_finished(commands, 2, 3, kills) == (3, 2)
    assert result_of(commands.folder, 2) == uninterrupted


def test_sigterm_in_the_middle_of_an_epoch_loses_no_step_and_says_how_to_go_on(commands, uninterrupted):
    done = commands.train(*FLAGS, "--epochs", "3", signal=["batch", 7, 15], report=True)
    assert done.code == 143 and "stopping after this step" in done.stderr
    assert f"go on with: make train RESUME={RUN.format(3)}\n" in done.stdout and "Sensitivity" in done.stdout
    done = commands.train("--resume", "auto")
    assert done.code == 0 and "going on after step 4 of epoch 2, which the checkpoint holds" in done.stdout
    assert result_of(commands.folder, 3) == uninterrupted


def test_a_file_size_limit_stops_with_one_line_and_keeps_the_last_state(commands):
    flags = ["--dataset", "breast_cancer", "--model", "mlp_classifier", "--epochs", "1", "--runs-dir", "limited"]
    assert commands.train(*flags, "--hyperparameters.units", "[200]").code == 0
    run = "limited/train/mlp_classifier-breast_cancer-001"
    before = [(path.name, path.read_bytes()) for path in (commands.folder / run / "checkpoint").iterdir()]
    done = commands.train("--resume", run, "--epochs", "3", limit=64_000)
    assert done.code == 1 and len(done.stderr.splitlines()) == 1
    assert "epoch-00002.npz: File too large. The last good state is kept; go on with: make train RESUME=" in done.stderr
    assert [(path.name, path.read_bytes()) for path in (commands.folder / run / "checkpoint").iterdir()] == before


def test_there_is_nothing_to_resume_is_one_line(commands):
    done = commands.train("--resume", "auto", "--runs-dir", "nowhere")
    assert done.code == 2 and "there is no unfinished run in nowhere/train" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_thirty_random_kills_change_nothing(commands):
    epochs, draw = 6, random.Random(4)
    first = len(list((commands.folder / "runs/train").iterdir())) + 1 if (commands.folder / "runs").exists() else 1
    reference = commands.train(*FLAGS, "--epochs", str(epochs), event=["any", 10**9])
    assert reference.code == 0, reference.stderr
    expected, kills, writing, number = result_of(commands.folder, first), 0, 0, first
    while kills < 30:
        number += 1
        moments = [{"seconds": draw.uniform(0, 1.5)}, {"event": ["array", draw.randrange(1, 200)]}]
        moments += [{"event": ["any", draw.randrange(1, 300)]} for _ in range(3)]
        found = kill_until_finished(commands, number, epochs, moments)
        kills, writing = kills + found[0], writing + found[1]
        assert result_of(commands.folder, number) == expected, f"run {number}, moments {moments}"
    print(f"{kills} kills in {number - first} runs, {writing} of them while a checkpoint was written")
    assert writing >= 3
