"""A torn snapshot is passed over, and one that cannot be written leaves what was there."""

import random

import pytest

from training.run import RunError
from training.tuning.snapshots import NEWEST, NEXT, PREVIOUS, Snapshots


def state(number: int) -> dict:
    return {"number": number, "trials": list(range(number))}


def test_the_newest_state_is_read_and_the_one_before_it_is_kept(tmp_path):
    store = Snapshots(tmp_path)
    assert store.read() == (None, None)
    for number in (1, 2, 3):
        store.write(state(number))
    assert store.read() == (state(3), None)
    (tmp_path / NEWEST).unlink()
    assert store.read() == (state(2), None)


def test_a_snapshot_cut_at_any_byte_gives_way_to_the_one_before_it(tmp_path):
    store, draw = Snapshots(tmp_path), random.Random(0)
    for number in (40, 50):
        store.write(state(number))
    content = (tmp_path / NEWEST).read_bytes()
    for length in [0, 1, len(content) - 2, *(draw.randrange(len(content) - 1) for _ in range(30))]:
        (tmp_path / NEWEST).write_bytes(content[:length])
        assert store.read() == (state(40), f"{NEWEST} is torn: going on from {PREVIOUS}")


def test_a_torn_snapshot_never_takes_the_place_of_a_whole_one(tmp_path):
    store = Snapshots(tmp_path)
    for number in (4, 5):
        store.write(state(number))
    (tmp_path / NEWEST).write_text("torn")
    store.write(state(6))
    assert store.read() == (state(6), None)
    (tmp_path / NEWEST).unlink()
    assert store.read() == (state(4), None)


@pytest.mark.parametrize("renames", [0, 1])
def test_death_between_the_renames_loses_nothing(tmp_path, monkeypatch, renames):
    store = Snapshots(tmp_path)
    for number in (1, 2):
        store.write(state(number))
    import training.tuning.snapshots as module

    real, done = module.os.replace, []

    def replace(source, target):
        if str(target).endswith((NEWEST, PREVIOUS)):
            if len(done) == renames:
                raise KeyboardInterrupt
            done.append(target)
        real(source, target)

    monkeypatch.setattr(module.os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        store.write(state(3))
    monkeypatch.undo()
    assert (tmp_path / NEXT).exists()
    assert store.read()[0] == state(3)


def test_two_torn_files_are_refused_in_one_line(tmp_path):
    store = Snapshots(tmp_path)
    for number in (1, 2):
        store.write(state(number))
    for name in (NEWEST, PREVIOUS):
        (tmp_path / name).write_text("{")
    with pytest.raises(RunError, match="search.json and search.previous.json of .* nothing is left to go on from"):
        store.read()
