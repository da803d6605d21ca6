"""Accuracy against images per class: both sides see the same images, and what is missing is said."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transfer.studies.conftest import split_of
from training.checks import ConfigError
from training.datasets.dataset import DataError, Split
from transfer.pretrained.catalog import TransferError
from transfer.studies import __main__ as command
from transfer.studies import digits, imagefeatures, images, nets, sizes
from transfer.studies.config import StudyConfig
from transfer.studies.photographs import Photographs, enlarge, load_photographs

ROW = {"accuracy": 0.5, "seconds": 9.0, "cpu_seconds": 2.0, "trainable": 7}


def recorder(calls: list, kind: str):
    """A training function that only notes what it was given."""

    def train(task, *arguments, **keywords):
        calls.append((kind, task, arguments, keywords))
        if kind == "fresh" and arguments:
            arguments[0].write_bytes(b"")
        return ROW | {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}

    return train


@pytest.fixture
def calls(monkeypatch) -> list[tuple]:
    found: list[tuple] = []
    for kind in ("fresh", "from", "head"):
        monkeypatch.setattr(nets, f"train_{kind}", recorder(found, kind))
    return found


def config(tmp_path, **settings) -> StudyConfig:
    return StudyConfig(seeds=2, sizes="3,1", steps=5, state=str(tmp_path / "state"), output=str(tmp_path), **settings)


def test_digits_5_to_9_start_frozen_from_0_to_4_on_the_images_that_scratch_sees(tmp_path, at_once, calls):
    rows = digits.run(config(tmp_path), at_once)
    assert len(rows) == len(calls) == 2 * (1 + 2 * 2)
    of_seed_1 = calls[:5]
    base = of_seed_1[0]
    assert base[1].train.y.max() == 4 and len(base[1].train) > 500 and base[1].hyperparameters == digits.LIKE_KERAS
    frozen, scratch = ([call for call in of_seed_1[1:] if call[0] == kind] for kind in ("from", "fresh"))
    assert [tuple(call[1].train.ids) for call in frozen] == [tuple(call[1].train.ids) for call in scratch]
    assert [len(call[1].train) for call in frozen] == [15, 5]
    assert all(call[2] == base[2] and call[3] == {"layer_name": "conv2_pool", "frozen": True} for call in frozen)
    assert not {*frozen[0][1].test.ids} & {*base[1].test.ids} and digits.run(config(tmp_path), at_once) == rows


def test_heads_and_networks_from_scratch_get_the_same_images(tmp_path, at_once, calls, monkeypatch):
    train, held = split_of(3, 9), split_of(3, 2, seed=1)
    data = Photographs("blobs", train, held, ("a", "b", "c"), "0" * 64)
    monkeypatch.setattr(images, "load_photographs", lambda folder, size, most_held: data)

    def compute(backbone, folder, rows, most_held, cache):
        features = Split(np.array(rows, np.float32)[:, None], train.y[rows], train.ids[rows])
        return {"train": features, "held": held}

    monkeypatch.setattr(imagefeatures, "compute", compute)
    name, rows = images.run(config(tmp_path), tmp_path, at_once)
    heads, scratch = ([call[1] for call in calls if call[0] == kind] for kind in ("head", "fresh"))
    assert (name, len(rows), len(heads)) == ("blobs", 8, 4)
    for one, other in zip(heads, scratch, strict=True):
        assert one.train.ids.tolist() == other.train.ids.tolist() and one.seed == other.seed
        assert one.train.x[:, 0].tolist() == other.train.x[:, 0, 0, 0].tolist()  # both hold the row
    text = sizes.images_files({name: rows}, config(tmp_path))["transfer_images.md"]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert [line[:2] for line in lines[2:]] == [["1", "50.0 (50.0–50.0)"], ["3", "50.0 (50.0–50.0)"]]
    assert lines[2][3] == "+0.0 (+0.0 to +0.0)"


def test_a_study_without_data_or_weights_is_left_out_in_one_line(tmp_path, at_once, monkeypatch, capsys):
    def absent(config, executor):
        raise TransferError("The ImageNet weights could not be downloaded.")

    table = {"digits": lambda config, executor: {"x.md": "table", "x.csv": "a,b"}, "cuts": absent}
    monkeypatch.setattr(command, "STUDIES", command.STUDIES | table)
    assert command._run(config(tmp_path), at_once) == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "cuts: left out. The ImageNet weights could not be downloaded.",
        "images: left out. --folders names no folder of photographs.",
    ]
    assert (tmp_path / "x.md").read_text(encoding="utf-8") == "table"


def test_an_error_ends_the_command_where_nothing_could_be_studied(tmp_path, at_once):
    with pytest.raises(DataError, match="--folders names no folder of photographs"):
        command._run(config(tmp_path, study="images"), at_once)


def test_the_digits_table_holds_seconds_and_trained_weights(tmp_path, at_once, calls):
    files = sizes.digits_files(digits.run(config(tmp_path), at_once), config(tmp_path))
    row = [cell.strip() for cell in files["transfer_digits.md"].splitlines()[2].split("|")[1:-1]]
    assert row == ["1", *["50.0 (50.0–50.0)"] * 2, "+0.0 (+0.0 to +0.0)", "2", "2", "7", "7"]
    assert files["transfer_digits.csv"].splitlines()[:2] == [
        "seed,kind,size,accuracy,trainable,cpu_seconds",
        "1,base,all,0.5,7,2.0",
    ]
    assert files["transfer_digits.png"][:4] == b"\x89PNG"


def test_images_are_enlarged_and_scored_ones_are_thinned_out_the_same_way(tmp_path, rng):
    from PIL import Image

    for part, count in (("train", 6), ("val", 5)):
        for label in ("ants", "bees"):
            (tmp_path / part / label).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / label / f"{number}.png")
    whole = load_photographs(tmp_path, 16, most_held=100)
    some = load_photographs(tmp_path, 16, rows=np.array([1, 4]), most_held=7)
    assert whole.train.x.shape[1:] == (16, 16, 3) and len(whole.train) + len(whole.held) == 22
    assert some.train.ids.tolist() == whole.train.ids[[1, 4]].tolist() and len(some.held) == 7
    assert set(some.held.ids) < set(whole.held.ids) and not {*whole.held.ids} & {*whole.train.ids}
    assert enlarge(split_of(2, 2, size=4), 8).x.shape == (4, 8, 8, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"study": "yosinski"}, "study must name some of cuts, digits, images"),
        ({"sizes": "5,many"}, "sizes must be numbers"),
        ({"sizes": "0,5"}, "sizes must be at least 1"),
        ({"images_per_class": 5000}, "images_per_class must be 1 to 4,250"),
        ({"backbone": "mobilenet"}, "mobilenet"),
        ({"processes": -1}, "processes must be at least 1"),
    ],
)
def test_settings_that_measure_nothing_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        StudyConfig(**settings)
