from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from training.datasets.dataset import DataError
from training.datasets.decode import BadImage, DecodeSettings, decode, probe

UPPER, LOWER = (10, 240, 30), (200, 100, 50)
PIXELS = np.zeros((8, 6, 3), np.uint8)
PIXELS[:4], PIXELS[4:] = UPPER, LOWER


def encoded(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def announced_png(width: int, height: int) -> bytes:
    """A PNG whose header announces a size that its pixels do not have."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("form", "options"),
    [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True}), ("GIF", {}), ("TIFF", {}), ("PPM", {}), ("JPEG2000", {})],
)
def test_lossless_formats_give_their_exact_pixels(form, options):
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(PIXELS), form, **options), image_size=(8, 6)), PIXELS)


def test_jpeg_stays_close_to_its_pixels():
    smooth = np.full((16, 16, 3), LOWER, np.uint8)
    received = decode(encoded(Image.fromarray(smooth), "JPEG", quality=100), image_size=(16, 16))
    assert np.abs(received.astype(int) - smooth).max() <= 2


def test_cmyk_jpeg_is_not_inverted():
    data = encoded(Image.fromarray(PIXELS).convert("CMYK"), "JPEG", quality=100)
    received = decode(data, image_size=(8, 6)).astype(int)
    assert np.abs(received[0, 0] - UPPER).max() <= 3
    assert np.abs(received[7, 0] - LOWER).max() <= 3


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(form):
    deep = np.array([[0, 257, 65535], [128 * 257, 1000, 40000]], np.uint16)
    received = decode(encoded(Image.fromarray(deep), form), image_size=(2, 3), color_mode="grayscale")
    np.testing.assert_array_equal(received[..., 0], [[0, 1, 255], [128, 4, 156]])


def test_16_bit_rgb_png_keeps_its_high_bytes():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixel = struct.pack(">HHH", 200 * 257, 100 * 257, 50 * 257)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0" + pixel))
        + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(decode(data, image_size=(1, 1))[0, 0], LOWER)


def test_one_bit_images_use_the_full_range():
    received = decode(encoded(Image.new("1", (3, 2), 1), "PNG"), image_size=(2, 3), color_mode="grayscale")
    assert received.shape == (2, 3, 1)
    assert (received == 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(mode):
    image, options = Image.new(mode, (2, 2), 0), {}
    if mode == "P":
        image.putpalette([10, 20, 30])
        options["transparency"] = 0
    assert (decode(encoded(image, "PNG", **options), image_size=(2, 2)) == 255).all()


def test_half_transparent_black_becomes_middle_grey():
    image = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    np.testing.assert_array_equal(decode(encoded(image, "PNG"), image_size=(1, 1))[0, 0], [127, 127, 127])


def test_palette_images_give_their_colours():
    image = Image.new("P", (2, 2), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    np.testing.assert_array_equal(decode(encoded(image, "PNG"), image_size=(2, 2))[0, 0], [0, 255, 0])


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_animations_give_their_first_frame(form):
    first, second = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(first, form, save_all=True, append_images=[second], **options)
    np.testing.assert_array_equal(decode(data, image_size=(4, 4))[0, 0], [255, 0, 0])


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})])
def test_exif_orientation_is_applied(form, options, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    data = encoded(Image.fromarray(PIXELS), form, exif=exif, **options)
    np.testing.assert_array_equal(decode(data, image_size=(6, 8)), np.rot90(PIXELS, -1))
    (tmp_path / "photo").write_bytes(data)
    assert probe(tmp_path / "photo") == (6, 8, False)


def test_all_eight_orientations_agree():
    upright = np.random.default_rng(0).integers(0, 256, (4, 3, 3)).astype(np.uint8)
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1]}
    turned = upright.transpose(1, 0, 2)
    stored |= {5: turned, 6: turned[::-1], 7: turned[::-1, ::-1], 8: turned[:, ::-1]}
    for orientation, pixels in stored.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encoded(Image.fromarray(np.ascontiguousarray(pixels)), "PNG", exif=exif)
        np.testing.assert_array_equal(decode(data, image_size=(4, 3)), upright, err_msg=str(orientation))


def test_crop_takes_the_centre_of_the_longer_side():
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 255
    received = decode(encoded(Image.fromarray(wide), "PNG"), image_size=(4, 4), resize="crop")
    assert (received == 255).all()


def test_pad_keeps_everything_between_black_bars():
    data = encoded(Image.new("RGB", (8, 4), (9, 9, 9)), "PNG")
    received = decode(data, image_size=(8, 8), resize="pad")
    assert (received[2:6] == 9).all()
    assert (received[:2] == 0).all()
    assert (received[6:] == 0).all()


def test_stretch_uses_the_whole_image():
    data = encoded(Image.fromarray(PIXELS), "PNG")
    received = decode(data, image_size=(2, 2), resize="stretch")
    assert np.abs(received[0, 0].astype(int) - UPPER).max() < 40
    assert np.abs(received[1, 0].astype(int) - LOWER).max() < 40


def test_shrinking_is_antialiased():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    received = decode(encoded(Image.fromarray(stripes), "PNG"), image_size=(8, 8), color_mode="grayscale")
    assert np.abs(received.astype(int) - 127).max() < 20


def test_large_jpegs_decoded_at_reduced_scale_stay_close_to_full_decoding():
    ramp = np.linspace(0, 255, 512).astype(np.uint8)
    image = Image.fromarray(np.add.outer(ramp // 2, ramp // 2).astype(np.uint8))
    exact = decode(encoded(image, "PNG"), image_size=(32, 32), color_mode="grayscale").astype(int)
    reduced = decode(encoded(image, "JPEG", quality=100), image_size=(32, 32), color_mode="grayscale")
    assert np.abs(exact - reduced).max() <= 4


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<html>not found</html>", "not an image (text?)"),
        ("Käse".encode(), "not an image (text?)"),
        (bytes(range(256)), "unknown image format"),
        (encoded(Image.fromarray(PIXELS), "JPEG")[:300], "truncated"),
        (encoded(Image.fromarray(PIXELS), "PNG")[:60], "truncated"),
        (encoded(Image.fromarray(PIXELS), "GIF")[:40], "truncated"),
        (encoded(Image.fromarray(PIXELS), "BMP")[:100], "truncated"),
        (encoded(Image.fromarray(PIXELS), "WEBP")[:30], "truncated"),
        (announced_png(60000, 60000), "too many pixels (60000×60000)"),
        (announced_png(12000, 9000), "too many pixels (12000×9000)"),
        (encoded(Image.new("F", (2, 2)), "TIFF"), "float pixels, expected 8 or 16 bits"),
    ],
)
def test_bad_bytes_give_their_reason(data, reason):
    with pytest.raises(BadImage) as caught:
        decode(data, image_size=(8, 6))
    assert caught.value.reason == reason
    assert str(caught.value) == f"The given bytes cannot be read as an image: {reason}. Replace or remove it."


def test_a_bad_file_is_named(tmp_path):
    with pytest.raises(BadImage, match=r"nowhere\.png cannot be read as an image: file not found"):
        decode(tmp_path / "nowhere.png", image_size=(2, 2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": (0, 3)}, "image_size must be two numbers of at least 1. Received: (0, 3)."),
        ({"image_size": (2, 3), "resize": "zoom"}, "resize must be crop, pad or stretch. Received: zoom."),
        ({"image_size": (2, 3), "color_mode": "auto"}, "color_mode must be rgb or grayscale here. Received: auto."),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(DataError) as caught:
        DecodeSettings(**settings)
    assert str(caught.value) == message


def test_probe_sees_grey_in_the_header(tmp_path, write_image):
    assert probe(write_image(tmp_path / "grey.jpg", grey=True)) == (12, 10, True)
    assert probe(write_image(tmp_path / "colour.jpg")) == (12, 10, False)
