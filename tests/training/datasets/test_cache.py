"""Decoded pixels on disk: right or absent, whatever happened to the folder, the files or the process."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from training.datasets import shelf
from training.datasets.cache import CachedImages, CacheSettings, Entry, open_entry
from training.datasets.cachewriter import UNFINISHED, Writer
from training.datasets.decode import DecodeSettings, decode
from training.datasets.folder import load_folder
from training.datasets.scan import scan

SIZE = DecodeSettings((12, 10))


@pytest.fixture
def paths(make_folder) -> list[Path]:
    return sorted(make_folder(count=6).glob("*/*.png"))


@pytest.fixture
def cache(tmp_path) -> CacheSettings:
    return CacheSettings(tmp_path / "runs" / ".cache", limit_mb=1)


@pytest.fixture
def decoded(monkeypatch) -> list[int]:
    """One entry for every image that was decoded."""
    calls: list[int] = []
    original = shelf.decode_bytes
    monkeypatch.setattr(shelf, "decode_bytes", lambda *given: (calls.append(1), original(*given))[1])
    return calls


def run(paths, cache, settings=SIZE, memory_limit_mb=0):
    return scan(paths, settings, memory_limit_mb=memory_limit_mb, cache=cache, progress=False)


def check_pixels(found, paths, settings=SIZE):
    assert len(found.images) == len(paths)
    for row, path in enumerate(paths):
        expected = decode(path, image_size=settings.image_size, resize=settings.resize, color_mode=settings.color_mode)
        np.testing.assert_array_equal(found.images[np.array([row])][0], expected)


def entries(cache) -> list[Path]:
    return sorted(cache.folder.glob("*.pixels"))


def test_a_second_scan_decodes_nothing_and_gives_the_same(paths, cache, decoded):
    first = run(paths, cache)
    assert len(decoded) == 12
    second = run(paths, cache)
    assert len(decoded) == 12
    assert isinstance(second.images, CachedImages)
    check_pixels(second, paths)
    assert (first.pixel_hashes, first.file_hashes) == (second.pixel_hashes, second.file_hashes)
    assert second.notes == [f"No file had to be decoded: its pixels stand in {entries(cache)[0]} (checked)."]


def test_only_a_changed_image_is_decoded_again(paths, cache, decoded, write_image):
    run(paths, cache)
    write_image(paths[3], seed=77)
    changed = run(paths, cache)
    assert len(decoded) == 13
    check_pixels(changed, paths)
    assert len(entries(cache)) == 2


@pytest.mark.parametrize(
    "other", [DecodeSettings((12, 10), "pad"), DecodeSettings((10, 12)), DecodeSettings((12, 10), "crop", "grayscale")]
)
def test_other_settings_have_pixels_of_their_own(paths, cache, decoded, other):
    run(paths, cache)
    check_pixels(run(paths, cache, other), paths, other)
    assert len(decoded) == 24


def test_a_file_under_the_name_of_other_settings_is_not_believed(paths, cache, decoded):
    run(paths, cache)
    (cache.folder / entries(cache)[0].name.replace("crop", "stretch")).write_bytes(entries(cache)[0].read_bytes())
    run(paths, cache, DecodeSettings((12, 10), "stretch"))
    assert len(decoded) == 24


def test_a_flipped_byte_of_pixels_is_noticed_and_decoded_again(paths, cache, decoded):
    run(paths, cache)
    data = bytearray(entries(cache)[0].read_bytes())
    data[-5] ^= 1
    entries(cache)[0].write_bytes(data)
    mended = run(paths, cache)
    assert len(decoded) == 13
    assert mended.notes[0] == "1 image of the cache was damaged and decoded again."
    check_pixels(mended, paths)
    run(paths, cache)
    assert len(decoded) == 13


@pytest.mark.parametrize("damage", ["header", "index", "torn", "empty", "foreign", "longer"])
def test_a_damaged_file_is_named_and_written_again(paths, cache, decoded, damage):
    run(paths, cache)
    (path,) = entries(cache)
    data = bytearray(path.read_bytes())
    if damage in ("header", "index"):
        data[3 if damage == "header" else 100] ^= 255
    path.write_bytes({"torn": data[:-1], "empty": b"", "foreign": b"x" * 9000, "longer": data + b"x"}.get(damage, data))
    again = run(paths, cache)
    assert len(decoded) == 24
    assert str(path) in again.notes[0] and "its images are decoded again" in again.notes[0]
    check_pixels(again, paths)
    run(paths, cache)
    assert len(decoded) == 24


def test_bad_files_are_found_with_and_without_the_cache(paths, cache):
    paths[2].write_bytes(b"")
    first, second = run(paths, cache), run(paths, cache)
    assert first.bad == second.bad == {2: "empty file"}
    assert isinstance(first.images, CachedImages)
    check_pixels(second, paths[:2] + paths[3:])


def test_images_that_fit_in_memory_are_kept_on_request_only(paths, cache, decoded):
    run(paths, cache, memory_limit_mb=1)
    assert not cache.folder.exists()
    always = CacheSettings(cache.folder, always=True)
    for _ in range(2):
        found = run(paths, always, memory_limit_mb=1)
        assert type(found.images) is np.ndarray
        check_pixels(found, paths)
    assert len(decoded) == 24


def test_the_least_recently_used_file_goes_first_and_none_in_use(tmp_path, cache):
    settings = DecodeSettings((400, 400), color_mode="grayscale")  # 0.16 MB an image

    def fill(name: int, count: int = 2) -> Entry:
        writer = Writer(cache, settings, count)
        for row in range(count):
            writer.write(row, bytes([name, row] * 16), np.full((400, 400, 1), name, np.uint8), b"0" * 16)
        return writer.finish()

    first, second, third = fill(1), fill(2), fill(3)
    times = {first.path: 3, second.path: 1, third.path: 2}
    for path, when in times.items():
        os.utime(path, (when, when))
    del first, third  # the second stays in use
    fourth = fill(4)
    left = set(entries(cache))
    assert left == {second.path, fourth.path} | {path for path, when in times.items() if when == 3}
    with pytest.raises(OSError, match="beside files in use are more than cache_limit_mb=1"):
        fill(5, count=5)


def test_data_beyond_the_limit_stream_from_files_and_say_so(make_folder, cache):
    root = make_folder(count=6)
    data = load_folder(root, image_size=(256, 256), memory_limit_mb=1, cache=cache, progress=False)
    assert data.settings["storage"] == "files"
    assert "Decoded pixels are not kept on disk: 2 MB are more than cache_limit_mb=1." in data.notes
    assert not list(cache.folder.iterdir())


@pytest.mark.parametrize("at", ["row", "end"])
def test_a_full_disk_is_said_and_leaves_nothing(paths, cache, monkeypatch, at):
    def full(self, *given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "write" if at == "row" else "finish", full)
    found = run(paths, cache)
    check_pixels(found, paths)
    assert not isinstance(found.images, CachedImages)
    assert found.notes == ["Decoded pixels are not kept on disk: No space left on device."]
    assert not list(cache.folder.iterdir())


def test_a_file_size_limit_is_like_a_full_disk(paths, cache):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        found = run(paths, cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    check_pixels(found, paths)
    assert found.notes == ["Decoded pixels are not kept on disk: File too large."]
    assert not list(cache.folder.iterdir())


def test_a_folder_that_cannot_be_written_is_said(paths, tmp_path):
    (tmp_path / "runs").write_text("a file")
    found = run(paths, CacheSettings(tmp_path / "runs" / ".cache"))
    check_pixels(found, paths)
    assert found.notes[0].startswith("Decoded pixels are not kept on disk: Not a directory (")


def test_a_scan_that_is_broken_off_leaves_nothing(paths, cache, monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        run(paths, cache)
    assert not list(cache.folder.iterdir())


PROGRAM = """
import sys
from pathlib import Path
from training.datasets import cachewriter
from training.datasets.cache import CacheSettings
from training.datasets.decode import DecodeSettings
from training.datasets.scan import scan
if sys.argv[3] == "hang":
    import time
    write = cachewriter.Writer.write
    def slow(self, *given):
        write(self, *given)
        print("writing", flush=True)
        time.sleep(60)
    cachewriter.Writer.write = slow
paths = sorted(Path(sys.argv[1]).glob("*/*.png"))
found = scan(paths, DecodeSettings((12, 10)), memory_limit_mb=0, cache=CacheSettings(Path(sys.argv[2])), progress=False)
print(type(found.images).__name__, int(found.images[:].sum()))
"""


def start(paths, cache, how="work") -> subprocess.Popen:
    command = [sys.executable, "-c", PROGRAM, str(paths[0].parents[1]), str(cache.folder), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_a_killed_process_left_is_removed_but_not_what_a_living_one_writes(paths, cache):
    with start(paths, cache, "hang") as killed, start(paths, cache, "hang") as alive:
        assert killed.stdout.readline() == alive.stdout.readline() == "writing\n"
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(list(cache.folder.glob(f"{UNFINISHED}*"))) == 2
        found = run(paths, cache)
        assert len(list(cache.folder.glob(f"{UNFINISHED}*"))) == 1
        alive.kill()
    check_pixels(found, paths)


def test_two_processes_at_once_end_with_one_good_file(paths, cache, decoded):
    with start(paths, cache) as one, start(paths, cache) as other:
        answers = [process.communicate(timeout=60)[0] for process in (one, other)]
    assert answers[0] == answers[1]
    assert answers[0].startswith("CachedImages ")
    assert len(list(cache.folder.iterdir())) == 1
    check_pixels(run(paths, cache), paths)
    assert not decoded


def test_an_entry_that_is_replaced_while_it_is_read_stays_readable(paths, cache):
    found = run(paths, cache)
    before = found.images[:]
    entries(cache)[0].unlink()
    run(paths, cache)
    np.testing.assert_array_equal(found.images[:], before)


def test_using_a_file_makes_it_the_most_recent(paths, cache):
    run(paths, cache)
    (path,) = entries(cache)
    os.utime(path, (1, 1))
    run(paths, cache)
    assert time.time() - path.stat().st_mtime < 100
    assert open_entry(cache, DecodeSettings((3, 3)), [b"x"]) == (None, "")
