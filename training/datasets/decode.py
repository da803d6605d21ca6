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
from PIL import Image

from training.datasets.dataset import DataError
from training.datasets.imagefile import SIXTEEN_BIT, BadImage, damage, open_image, orientation, probe, read_bytes

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

    def as_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        return {**asdict(self), "image_size": list(self.image_size)}


def decode(
    source: Path | str | bytes, *, image_size: tuple[int, int], resize: Resize = "crop", color_mode: ColorMode = "rgb"
) -> np.ndarray:
    """Decodes one image.

    EXIF orientation is applied, transparency is composited on white, 16-bit pixels are scaled to
    8 bits, an animation gives its first frame, colour profiles are ignored. Resizing is bilinear
    and antialiased; an image that already has the size keeps its pixels.

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
    image = open_image(io.BytesIO(data))
    try:
        # JPEG only: decode at 1/2, 1/4 or 1/8 where twice the wanted size remains.
        image.draft(image.mode, (2 * max(settings.image_size),) * 2)
        image.load()
        upright = _upright(image)
        resized = _fit(_eight_bit(upright, settings.color_mode), settings.image_size, settings.resize)
    except BadImage:
        raise
    except MemoryError as error:
        raise BadImage("not enough memory to decode it") from error
    except Exception as error:  # Pillow raises a dozen types for damaged files
        raise BadImage(damage(error)) from error
    return np.asarray(resized, dtype=np.uint8).reshape(settings.shape)


def _upright(image: Image.Image) -> Image.Image:
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


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


def _fit(image: Image.Image, image_size: tuple[int, int], resize: Resize) -> Image.Image:
    """Resizes to `image_size` = (height, width)."""
    height, width = image_size
    if image.size == (width, height):
        return image
    how = Image.Resampling.BILINEAR
    if resize == "stretch":
        return image.resize((width, height), how)
    ratios = (width / image.width, height / image.height)
    if resize == "crop":
        left, top = (image.width - width / max(ratios)) / 2, (image.height - height / max(ratios)) / 2
        box = (max(left, 0), max(top, 0), min(image.width - left, image.width), min(image.height - top, image.height))
        return image.resize((width, height), how, box=box)
    inner = tuple(max(1, round(side * min(ratios))) for side in image.size)
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image.resize((inner[0], inner[1]), how), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas
