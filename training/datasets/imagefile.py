"""Opens image files by content: what format, how large, and why not."""

from __future__ import annotations

import io
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from training.datasets.dataset import DataError
from training.datasets.text import printable

# A pipe opened so does not wait for its other end.
READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
MAX_PIXELS = 100_000_000
# Importing a plugin registers its format; formats that run other programs (EPS) stay out.
PLUGINS = (
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    TiffImagePlugin,
    PpmImagePlugin,
    Jpeg2KImagePlugin,
    AvifImagePlugin,
)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")


class BadImage(DataError):
    """An image cannot be read.

    Attributes:
        reason: A few words, such as `truncated` or `empty file`.
    """

    def __init__(self, reason: str, name: str = "The given bytes") -> None:
        self.reason = reason
        super().__init__(f"{printable(name)} cannot be read as an image: {reason}. Replace or remove it.")


def probe(path: Path | str) -> tuple[int, int, bool]:
    """Reads the header only.

    Returns:
        Height, width (after EXIF orientation) and whether the image is stored in grey.

    Raises:
        BadImage: The header cannot be read, or announces too many pixels.
    """
    try:
        with open(_regular(Path(path)), "rb") as file:
            image = open_image(file)
            grey = _is_grey(image)
            width, height = image.size
            turned = image.format != "TIFF" and orientation(image) >= 5  # Pillow turns TIFF itself
            return (width, height, grey) if turned else (height, width, grey)
    except OSError as error:
        raise BadImage(_os_reason(error), str(path)) from error
    except BadImage as error:
        raise BadImage(error.reason, str(path)) from error


def stored_in_grey(data: bytes) -> bool:
    """Whether the header of these bytes announces a grey image.

    Raises:
        BadImage: The header cannot be read.
    """
    return _is_grey(open_image(io.BytesIO(data)))


def _is_grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L", "LA", *SIXTEEN_BIT) or _grey_palette(image)


def read_bytes(path: Path | str) -> bytes:
    """The bytes of a regular file; `BadImage` with a reason where there are none.

    By the system's own calls: Python's file objects take longer to open than a small JPEG takes to decode.
    """
    try:
        handle = os.open(path, READ)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise BadImage("not a regular file", str(path))
            return _content(handle, status.st_size)
        finally:
            os.close(handle)
    except OSError as error:
        _regular(Path(path))
        raise BadImage(_os_reason(error), str(path)) from error


def _content(handle: int, size: int) -> bytes:
    """What an open file holds; one call suffices but for very large files."""
    content = os.read(handle, size)
    while len(content) < size and (more := os.read(handle, size - len(content))):
        content += more
    return content


def _regular(path: Path) -> Path:
    """`path`, if it is a file: opening a pipe would wait for ever."""
    if not path.is_file():
        if path.exists():
            raise BadImage("not a regular file", str(path))
        raise BadImage("broken link" if path.is_symlink() else "file not found", str(path))
    return path


def _os_reason(error: OSError) -> str:
    """A few words for what the operating system refused."""
    return "permission denied" if isinstance(error, PermissionError) else (error.strerror or str(error)).lower()


def open_image(file: IO[bytes]) -> Image.Image:
    """Opens by content and checks the pixel limit before a pixel is decoded.

    `Image.open` would warn and name no size for a decompression bomb, and tries every plugin.
    """
    prefix = file.read(16)
    recognised = False
    for name in FORMATS:
        factory, accept = Image.OPEN[name]
        if not accept or accept(prefix) is not True:
            continue
        recognised = True
        file.seek(0)
        try:
            image = factory(file, "")
        except Image.DecompressionBombError as error:
            raise BadImage("too many pixels") from error
        except Exception:  # a wrong guess or a torn header: the next format may know it
            continue
        if image.width * image.height > MAX_PIXELS:
            raise BadImage(f"too many pixels ({image.width}×{image.height})")
        return image
    file.seek(0)
    raise BadImage(_unknown(file.read(1024), recognised))


def _unknown(head: bytes, recognised: bool) -> str:
    """Why no format opened the file."""
    if not head:
        return "empty file"
    if _is_video(head):
        return "not an image (video?)"
    if b"\0" not in head:
        with suppress(UnicodeDecodeError):
            head[: len(head) - 3 if len(head) == 1024 else None].decode("utf-8")
            return "not an image (text?)"
    return "truncated" if recognised else "unknown image format"


def _is_video(head: bytes) -> bool:
    """Whether a file begins as MP4/QuickTime, Matroska/WebM, AVI, MPEG or Flash video do."""
    moving = head[4:8] == b"ftyp" and head[8:12] not in (b"avif", b"avis", b"heic", b"mif1")
    return moving or head[8:12] == b"AVI " or head.startswith((b"\x1a\x45\xdf\xa3", b"\0\0\1\xba", b"FLV\1"))


def damage(error: Exception) -> str:
    """Why decoding stopped."""
    text = str(error).lower()
    if isinstance(error, EOFError) or any(
        word in text for word in ("truncated", "not enough", "unexpected end", "eof")
    ):
        return "truncated"
    return f"damaged ({printable(str(error)) or type(error).__name__})"


def orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; a damaged EXIF block counts as upright."""
    try:
        # The base method: PNG's own would decode all pixels to look for EXIF behind them.
        return int(Image.Image.getexif(image).get(0x0112, 1))
    except Exception:
        return 1


def _grey_palette(image: Image.Image) -> bool:
    if image.mode != "P":
        return False
    colours = np.array(image.getpalette() or [], dtype=np.uint8).reshape(-1, 3)
    return bool(len(colours)) and bool((colours == colours[:, :1]).all())
