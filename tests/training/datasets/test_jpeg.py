"""JPEG at reduced scale: close to full decoding, in its place, and the same from both libraries."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from training.datasets import jpeg
from training.datasets.decode import BadImage, DecodeSettings, decode, decode_bytes
from training.datasets.jpeg import load_jpeg, reduction

LIBRARIES = ["Pillow", "simplejpeg"]


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Texture of several scales, with the contrast of a photograph."""
    random = np.random.default_rng(seed)
    texture = np.zeros((height, width, 3))
    for cells in (4, 16, 64, 256):
        noise = Image.fromarray(random.integers(0, 256, (cells, cells, 3)).astype(np.uint8))
        texture += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), np.float64) / 4
    return Image.fromarray(texture.astype(np.uint8))


def encoded(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


def choose(monkeypatch, library: str) -> None:
    if library == "Pillow":
        monkeypatch.setattr("training.datasets.decode.load_jpeg", lambda data, settings: None)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_reduced_decoding_differs_from_full_by_less_than_a_grey_level_on_average(
    monkeypatch, library, resize, orientation
):
    choose(monkeypatch, library)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photograph(1597, 1067), exif=exif)
    reduced = decode(data, image_size=(192, 160), resize=resize).astype(int)
    monkeypatch.setattr(jpeg, "SCALES", (1,))
    full = decode(data, image_size=(192, 160), resize=resize).astype(int)
    difference = np.abs(reduced - full)
    assert 0 < difference.mean() < 1
    assert difference.max() < 40


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_edge_stays_in_its_place_where_the_size_is_no_multiple_of_the_scale(monkeypatch, library):
    choose(monkeypatch, library)
    pixels = np.zeros((1001, 1001), np.uint8)
    pixels[:, 751:] = 255
    received = decode(encoded(Image.fromarray(pixels)), image_size=(100, 100), color_mode="grayscale")
    np.testing.assert_allclose(received.mean(axis=(0, 2)).sum() / 255, 100 * 250 / 1001, atol=0.1)


@pytest.mark.parametrize(
    ("size", "wanted", "resize", "turned", "expected"),
    [
        ((1600, 1067), (192, 192), "crop", False, 4),
        ((1600, 900), (192, 192), "crop", False, 2),
        ((1600, 400), (192, 192), "pad", False, 4),
        ((1600, 400), (192, 192), "crop", False, 1),
        ((4000, 3000), (224, 224), "crop", False, 8),
        ((1600, 400), (100, 400), "stretch", False, 2),
        ((1600, 400), (400, 100), "stretch", True, 2),
        ((1600, 400), (400, 100), "stretch", False, 1),
        ((240, 240), (192, 192), "crop", False, 1),
        ((10, 10), (192, 192), "crop", False, 1),
    ],
)
def test_the_scale_leaves_a_quarter_more_than_is_wanted(size, wanted, resize, turned, expected):
    assert reduction(*size, DecodeSettings(wanted, resize), turned) == expected


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 3}, {"quality": 20}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
def test_both_libraries_give_the_same_pixels(monkeypatch, options, mode, color_mode):
    data = encoded(photograph(301, 203).convert(mode), **options)
    sizes = [(203, 301), (96, 96), (30, 41)]
    ours = [decode(data, image_size=size, color_mode=color_mode) for size in sizes]
    choose(monkeypatch, "Pillow")
    for size, image in zip(sizes, ours, strict=True):
        np.testing.assert_array_equal(decode(data, image_size=size, color_mode=color_mode), image)


def test_both_libraries_refuse_the_same_damaged_files_in_the_same_words(monkeypatch):
    whole, random = encoded(photograph(61, 43), restart_marker_blocks=2), np.random.default_rng(1)
    damaged = [whole[: random.integers(len(whole))] for _ in range(40)] + [whole[:-2], whole + b"more"]
    for _ in range(80):
        data = bytearray(whole)
        data[random.integers(len(whole))] = random.integers(256)
        damaged.append(bytes(data))

    def verdict(data: bytes) -> object:
        try:
            return decode_bytes(data, DecodeSettings((43, 61))).tolist()
        except BadImage as error:
            return error.reason

    ours = [verdict(data) for data in damaged]
    choose(monkeypatch, "Pillow")
    assert ours == [verdict(data) for data in damaged]
    assert 40 < sum(isinstance(found, str) for found in ours) < len(ours)


def test_ordinary_jpegs_take_the_short_way_and_others_do_not():
    settings = DecodeSettings((43, 61))
    assert load_jpeg(encoded(photograph(61, 43)), settings)[1:] == ((61, 43), 1)
    assert load_jpeg(encoded(photograph(61, 43).convert("CMYK")), settings) is None
    assert load_jpeg(b"\x89PNG", settings) is None
