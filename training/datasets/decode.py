"""The one decoding function: training, prediction and the demo all read images through it.

A file or its bytes become raw pixels, uint8 `(height, width, channels)` in 0…255. The format is
found by content, never by suffix, and a file that cannot be decoded completely is an error.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, JpegImagePlugin

from training.datasets.dataset import DataError
from training.datasets.imagefile import SIXTEEN_BIT, BadImage, damage, open_image, orientation, probe, read_bytes
from training.datasets.jpeg import load_jpeg, reduction

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

__all__ = ["BadImage", "ColorMode", "DecodeSettings", "Resize", "decode", "decode_bytes", "probe", "read_bytes"]

Resize = Literal["crop", "pad", "stretch"]
ColorMode = Literal["rgb", "grayscale"]


@dataclass(frozen=True)
class DecodeSettings:
    """How an image file becomes an array; recorded in `Dataset.settings`.

    Attributes:
        image_size: Height and width in pixels.
        resize: `crop` (shorter side to size, then the centre), `pad` (all of it, black bars), `stretch`.
        color_mode: `rgb` (3 channels) or `grayscale` (1 channel).
    """

    image_size: tuple[int, int]
    resize: Resize = "crop"
    color_mode: ColorMode = "rgb"

    def __post_init__(self) -> None:
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise DataError(f"image_size must be two numbers of at least 1. Received: {self.image_size}.")
        if self.resize not in ("crop", "pad", "stretch"):
            raise DataError(f"resize must be crop, pad or stretch. Received: {self.resize}.")
        if self.color_mode not in ("rgb", "grayscale"):
            raise DataError(f"color_mode must be rgb or grayscale here. Received: {self.color_mode}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)` of every decoded image."""
        return (*self.image_size, 3 if self.color_mode == "rgb" else 1)

    def file_name(self, content: str) -> str:
        """How the cache names a file of such pixels; `content` tells files with the same settings apart."""
        height, width, channels = self.shape
        return f"{height}x{width}x{channels}-{self.resize}-{content}.pixels"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        return {**asdict(self), "image_size": list(self.image_size)}


def decode(
    source: Path | str | bytes, *, image_size: tuple[int, int], resize: Resize = "crop", color_mode: ColorMode = "rgb"
) -> np.ndarray:
    """Decodes one image.

    EXIF orientation is applied, transparency is composited on white, 16-bit pixels are scaled to
    8 bits, an animation gives its first frame, colour profiles are ignored. Resizing is bilinear
    and antialiased; an image that already has the size keeps its pixels. A large JPEG is decoded at
    1/2, 1/4 or 1/8 of its size: on photographs the result differs from that of full decoding by about
    one grey level on average, at most three in any one picture.

    Args:
        source: A path, or the bytes of a file.
        image_size: Height and width of the result in pixels.
        resize: `crop`, `pad` or `stretch`.
        color_mode: `rgb` or `grayscale`.

    Returns:
        uint8, `(height, width, 3 or 1)`, 0…255.

    Raises:
        BadImage: The image cannot be read completely; `.reason` says why.
    """
    name = "The given bytes" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else read_bytes(Path(source))
    settings = DecodeSettings((int(image_size[0]), int(image_size[1])), resize, color_mode)
    try:
        return decode_bytes(data, settings)
    except BadImage as error:
        raise BadImage(error.reason, name) from error


def decode_bytes(data: bytes, settings: DecodeSettings) -> np.ndarray:
    """`decode` for bytes that were read already, with settings that were checked already."""
    try:
        found = load_jpeg(data, settings)
        if found and found[0].shape == settings.shape and found[1] == settings.image_size[::-1] and found[2] == 1:
            return found[0]
        image, size, turn = _picture(*found) if found else _load(data, settings)
        resized = _fit(_eight_bit(image, settings.color_mode), size, turn, settings)
    except BadImage:
        raise
    except MemoryError as error:
        raise BadImage("not enough memory to decode it") from error
    except Exception as error:  # Pillow raises a dozen types for damaged files
        raise BadImage(damage(error)) from error
    return np.asarray(resized, dtype=np.uint8).reshape(settings.shape)


def _picture(pixels: np.ndarray, size: tuple[float, float], turn: int) -> tuple[Image.Image, tuple[float, float], int]:
    """What `load_jpeg` found, as Pillow's image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), size, turn


def _load(data: bytes, settings: DecodeSettings) -> tuple[Image.Image, tuple[float, float], int]:
    """The stored picture, its exact width and height, and its EXIF orientation.

    A JPEG of 1,067 rows decoded at 1/4 has 267, the last of them three quarters full: resized as 267 instead of
    266.75 rows, the picture would shift, by several grey levels at every edge (measured).
    """
    image = open_image(io.BytesIO(data))
    exact = None
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        scale = reduction(*image.size, settings, orientation(image) >= 5)
        drafted = image.draft(None, (image.width // scale, image.height // scale))
        exact = drafted[1][2:] if drafted else None
    image.load()
    return image, exact or image.size, orientation(image)


def _eight_bit(image: Image.Image, color_mode: ColorMode) -> Image.Image:
    """Any Pillow mode as L or RGB."""
    mode = "RGB" if color_mode == "rgb" else "L"
    if image.mode in SIXTEEN_BIT:
        image = _scale_16_bit(image)
    elif image.mode == "F":
        raise BadImage("float pixels, expected 8 or 16 bits")
    elif image.has_transparency_data:
        image = _on_white(image)
    elif image.mode == "P":
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _scale_16_bit(image: Image.Image) -> Image.Image:
    """0…65535 to 0…255, rounded (Pillow's own conversion clips at 255)."""
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise BadImage("32-bit pixels, expected 8 or 16 bits")
    return Image.fromarray(((pixels + 128) // 257).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _fit(image: Image.Image, size: tuple[float, float], turn: int, settings: DecodeSettings) -> Image.Image:
    """Resizes, then turns: the result has fewer pixels. `size` is the exact (width, height) of `image`."""
    height, width = settings.image_size
    columns, rows = (height, width) if turn >= 5 else (width, height)
    if image.size != (columns, rows) or size != image.size:
        image = _resized(image, size, (columns, rows), settings.resize)
    if turn in _TURNS:
        image = image.transpose(_TURNS[turn])
    if image.size == (width, height):
        return image
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


def _resized(image: Image.Image, size: tuple[float, float], wanted: tuple[int, int], resize: Resize) -> Image.Image:
    """The picture at the wanted (width, height); for `pad` the largest that fits into it."""
    how = Image.Resampling.BILINEAR
    ratios = (wanted[0] / size[0], wanted[1] / size[1])
    if resize == "crop":
        left, top = (size[0] - wanted[0] / max(ratios)) / 2, (size[1] - wanted[1] / max(ratios)) / 2
        box = (max(left, 0), max(top, 0), min(size[0] - left, size[0]), min(size[1] - top, size[1]))
        return image.resize(wanted, how, box=box)
    if resize == "pad":
        wanted = (max(1, round(size[0] * min(ratios))), max(1, round(size[1] * min(ratios))))
    return image.resize(wanted, how, box=(0, 0, *size))
