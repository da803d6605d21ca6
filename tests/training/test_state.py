"""Checkpoint files: whole or refused, the one before kept, nothing pickled."""

import errno

import numpy as np
import pytest

from training import state as module
from training.state import State, read_state, write_state


def state(epoch: int, step: int = 0) -> State:
    return State(epoch, step, {"model/00000": np.full(5, epoch, np.float32)}, {"history": {"loss": [0.1] * epoch}})


def test_a_state_comes_back_exactly(tmp_path):
    write_state(tmp_path / "checkpoint", state(3, 7))
    found, path, damaged = read_state(tmp_path / "checkpoint")
    assert (found.epoch, found.step, found.facts) == (3, 7, {"history": {"loss": [0.1] * 3}})
    np.testing.assert_array_equal(found.group("model")[0], np.full(5, 3, np.float32))
    assert path.name == "epoch-00003-step-0000007.npz" and damaged == []


def test_the_one_before_is_kept_and_older_ones_go(tmp_path):
    kept = None
    for one in (state(1), state(1, 4), state(2), state(3)):
        kept = write_state(tmp_path, one, keep=kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-00002.npz", "epoch-00003.npz"]


@pytest.mark.parametrize("size", [0, 10, 63, 64, -1, -64, -65])
def test_a_torn_newest_file_falls_back_to_the_one_before_and_is_named(tmp_path, size):
    first = write_state(tmp_path, state(9))
    second = write_state(tmp_path, state(10), keep=first)
    second.write_bytes(second.read_bytes()[:size])
    found, path, damaged = read_state(tmp_path)
    assert found.epoch == 9 and path == first and damaged == ["epoch-00010.npz"]


def test_a_flipped_bit_is_found(tmp_path):
    path = write_state(tmp_path, state(1))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert read_state(tmp_path) == (None, None, ["epoch-00001.npz"])


def test_no_folder_holds_no_state(tmp_path):
    assert read_state(tmp_path / "absent") == (None, None, [])


def test_a_full_disk_leaves_what_was_there_and_names_the_file(tmp_path, monkeypatch):
    first = write_state(tmp_path, state(1))

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.np, "savez", full)
    with pytest.raises(OSError, match="No space left.*epoch-00002.npz"):
        write_state(tmp_path, state(2), keep=first)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-00001.npz"]
    assert read_state(tmp_path)[0].epoch == 1


def test_the_file_opens_without_pickle(tmp_path):
    path = write_state(tmp_path, state(2))
    with np.load(path, allow_pickle=False) as archive:
        assert archive.files == ["model/00000", "facts"]
