"""Files of features: right or computed again, never wrong ones. NumPy plays the network."""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from training.checks import ConfigError
from training.datasets.cachewriter import UNFINISHED, Writer
from training.datasets.dataset import DataError
from transfer.bottleneck.store import Batches, Features, FeatureSettings, FeatureTable, obtain


def table(key: str = "a", width: int = 5) -> FeatureTable:
    return FeatureTable("block/pool", key * 64, (11, 2, width), "float32")


def expected(of: FeatureTable) -> np.ndarray:
    """Numbers that follow from the key, as a network's do."""
    return np.random.default_rng(ord(of.key[0])).normal(size=of.array_shape).astype(np.float32)


def network(of: FeatureTable, calls: list[int] | None = None) -> Callable[[], Batches]:
    def compute() -> Batches:
        if calls is not None:
            calls.append(1)
        for start in range(0, 11, 4):
            yield start, expected(of)[start : start + 4]

    return compute


@pytest.fixture
def calls() -> list[int]:
    """One entry for every time that the features were computed."""
    return []


@pytest.fixture
def settings(tmp_path) -> FeatureSettings:
    return FeatureSettings(tmp_path / "runs" / ".cache", limit_mb=1)


def run(settings, calls=None, of=None) -> Features:
    of = of or table()
    found = obtain(of, settings, network(of, calls), named="images")
    np.testing.assert_array_equal(found.array, expected(of))
    return found


def files(settings) -> list[Path]:
    return sorted(settings.folder.iterdir())


def test_a_second_time_the_file_is_mapped_and_said(settings, calls):
    first, second = run(settings, calls), run(settings, calls)
    assert (first.from_cache, second.from_cache, len(calls)) == (False, True, 1)
    assert isinstance(second.array, np.memmap) and not second.array.flags.writeable
    assert files(settings) == [second.path]
    said = f"Features of 11 images at block/pool stand in {second.path} (0.0 MB), checked: nothing was computed."
    assert second.note == said
    assert first.note.endswith(f"are kept in {first.path} (0.0 MB); it may be removed at any time.")


@pytest.mark.parametrize("damage", ["header", "index", "row", "torn", "empty", "foreign", "longer", "other", "folder"])
def test_a_damaged_or_foreign_file_is_named_and_computed_again(settings, calls, damage):
    path = run(settings, calls).path
    data = bytearray(path.read_bytes())
    if damage in ("header", "index", "row"):
        data[{"header": 3, "index": 100, "row": -5}[damage]] ^= 255
    elif damage == "other":  # of another network, under this name
        data = run(settings, of=table("b")).path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        contents = {"torn": data[:-1], "empty": b"", "foreign": b"x" * 9000, "longer": data + b"x"}
        path.write_bytes(contents.get(damage, data))
    again = run(settings, calls)
    assert len(calls) == (3 if damage == "folder" else 2)  # a folder in the way: once for the disk, once for memory
    if damage != "folder":
        assert again.note.startswith(f"{path} is not used (") and "computed again. Features of 11" in again.note
        assert run(settings, calls).from_cache


@pytest.mark.parametrize("at", ["write", "finish"])
def test_a_full_disk_is_said_and_leaves_nothing(settings, calls, monkeypatch, at):
    def full(self, *given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, at, full)
    found = run(settings, calls)
    assert found.note.endswith("and stand in memory: No space left on device.")
    assert found.path is None and not files(settings) and len(calls) == 2


def test_a_file_size_limit_is_like_a_full_disk(settings):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4300, limits[1]))
    try:
        found = run(settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert found.note.endswith("stand in memory: File too large.")
    assert not files(settings)


def test_features_for_which_neither_disk_nor_memory_suffice_are_refused_in_one_line(settings):
    small = dataclasses.replace(settings, memory_limit_mb=1)
    large = table(width=15_000)
    with pytest.raises(DataError, match=r"block/pool need 1 MB. They .* \(1 MB are more than cache_limit_mb=1\) and a"):
        obtain(large, small, network(large), named="images")


def test_a_folder_that_cannot_be_made_or_written_and_none_are_said(settings, monkeypatch, tmp_path):
    (tmp_path / "runs").write_text("a file")
    assert "stand in memory: Not a directory (" in run(settings).note
    assert run(FeatureSettings(None)).note.endswith("stand in memory: no folder keeps them.")

    def refuse(*given, **names):
        raise OSError(30, "Read-only file system", "cache")

    (tmp_path / "runs").unlink()
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert run(settings).note.endswith("stand in memory: Read-only file system (cache).")


def test_features_in_a_read_only_folder_are_found(settings, calls, monkeypatch):
    run(settings, calls)

    def refuse(*given, **names):
        raise OSError(30, "Read-only file system")

    for name in ("os.utime", "tempfile.mkstemp", "os.replace"):
        monkeypatch.setattr(name, refuse)
    assert run(settings, calls).from_cache


def test_the_least_recently_used_features_make_room_but_not_those_in_use(settings):
    first, second = (run(settings, of=table(key, 4500)) for key in "ab")  # 0.40 MB each
    for found, when in ((first, 2), (second, 1)):
        os.utime(found.path, (when, when))
    in_use = second.path
    del first, found
    third = run(settings, of=table("c", 4500))
    assert files(settings) == sorted([in_use, third.path])  # the second is older, but in use


def test_pixels_and_features_share_one_limit(settings):
    settings.folder.mkdir(parents=True)
    (settings.folder / "12x10x3-crop-0.pixels").write_bytes(b"x" * 800_000)
    found = run(settings, of=table("c", 4500))
    assert files(settings) == [found.path]


def test_an_interrupted_extraction_leaves_nothing(settings, monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        run(settings)
    assert not files(settings)


@pytest.mark.parametrize("wrong", [{"dtype": "int8"}, {"limit_mb": 0}, {"batch_size": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be .* Received: {next(iter(wrong))}="):
        FeatureSettings(**wrong)


PROGRAM = """
import sys
from pathlib import Path
from tests.transfer.test_features_store import network, run, table
from training.datasets import cachewriter
from transfer.bottleneck.store import FeatureSettings
if sys.argv[2] == "hang":
    import time
    write = cachewriter.Writer.write
    def slow(self, *given):
        write(self, *given)
        print("writing", flush=True)
        time.sleep(600)
    cachewriter.Writer.write = slow
print(run(FeatureSettings(Path(sys.argv[1]), limit_mb=1)).path.name)
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


def start(settings, how="work") -> subprocess.Popen:
    command = [sys.executable, "-c", PROGRAM, str(settings.folder), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_what_a_killed_process_left_is_removed_but_not_what_a_living_one_writes(settings, calls):
    with start(settings, "hang") as killed, start(settings, "hang") as alive:
        assert killed.stdout.readline() == alive.stdout.readline() == "writing\n"
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        found = run(settings, calls)
        assert not found.from_cache
        assert [path.name.startswith(UNFINISHED) for path in files(settings)] == [True, False]
        alive.kill()
    assert run(settings, calls).from_cache and len(calls) == 1


def test_two_processes_at_once_end_with_one_good_file(settings, calls):
    with start(settings) as one, start(settings) as other:
        answers = [process.communicate(timeout=100)[0].strip() for process in (one, other)]
        assert one.returncode == other.returncode == 0
    assert answers == [path.name for path in files(settings)] * 2
    assert run(settings, calls).from_cache and not calls
