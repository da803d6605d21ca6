"""Two runs made by hand, what answers for them, and a few files that are no plain pictures."""

import contextlib
import io

import numpy as np
import pytest
from PIL import Image

from tests.training.predict.conftest import make_run
from training.datasets.decode import DecodeSettings
from training.demo.answers import Answers
from training.demo.app import Limits, make_app
from training.demo.decoding import Decoder
from training.demo.page import render_page
from training.trained import open_trained

MAX_PIXELS = 64_000_000
SETTINGS = DecodeSettings((12, 12))


@pytest.fixture(scope="session")
def decoder():
    """One process that decodes, for all tests."""
    with Decoder(SETTINGS, max_pixels=MAX_PIXELS, seconds=20) as running:
        yield running


@pytest.fixture(scope="session")
def two(tmp_path_factory):
    """A run of two classes, at whose operating point nearly everything is called ill."""
    path = tmp_path_factory.mktemp("runs") / "two"
    return make_run(path, classes=("healthy", "<b>ill</b>"), positive="<b>ill</b>", threshold=0.25)


@pytest.fixture(scope="session")
def answers(two, decoder):
    return Answers(open_trained(str(two.path)), decoder)


@pytest.fixture(scope="session")
def page(answers):
    limits = {"top_k": 5, "max_bytes": 1_000_000, "max_pixels": MAX_PIXELS}
    return render_page(answers.trained, answers.heat_words, explains=answers.explains, **limits)


@pytest.fixture
def client(answers, page):
    """The application without a network."""
    with client_of(answers.answer, page) as made:
        yield made


@contextlib.contextmanager
def client_of(answer, page, **limits):
    """A client that calls itself a browser of this machine."""
    from starlette.testclient import TestClient

    app = make_app(answer, page, Limits(**{"max_bytes": 1_000_000, "seconds": 5, **limits}))
    with TestClient(app, base_url="http://127.0.0.1:8642") as made:
        yield made


def noise(height=20, width=16, seed=0):
    """`(height, width, 3)` random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def encoded(image, kind="PNG", **options):
    """The bytes of a file."""
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
    return buffer.getvalue()


def photo(seed=0):
    return encoded(noise(seed=seed))


def turned(kind="JPEG"):
    """A picture whose EXIF block says that it lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(noise(), kind, exif=exif)


def bomb():
    """A hundred megapixels in 12 kB."""
    return encoded(Image.new("1", (10_000, 10_000)))


PICTURES = {
    "png": lambda: photo(),
    "jpeg": lambda: encoded(noise(), "JPEG"),
    "cmyk jpeg": lambda: encoded(Image.fromarray(noise()).convert("CMYK"), "JPEG"),
    "16-bit png": lambda: encoded(np.random.default_rng(0).integers(0, 65536, (20, 16)).astype(np.uint16)),
    "turned jpeg": turned,
    "transparent png": lambda: encoded(np.dstack([noise(), noise(seed=1)[..., :1]])),
    "animated gif": lambda: encoded(
        Image.fromarray(noise()), "GIF", save_all=True, append_images=[Image.fromarray(noise(seed=1))]
    ),
    "animated webp": lambda: encoded(
        Image.fromarray(noise()), "WEBP", save_all=True, append_images=[Image.fromarray(noise(seed=1))]
    ),
    "tiff": lambda: encoded(noise(), "TIFF"),
    "jpeg 2000": lambda: encoded(noise(64, 64), "JPEG2000"),
    "size of the network": lambda: encoded(noise(12, 12)),
}
REFUSED = {
    "text": (lambda: b"no picture", "not an image (text?)"),
    "empty": (lambda: b"", "empty file"),
    "torn": (lambda: photo()[:100], "truncated"),
    "torn jpeg": (lambda: encoded(noise(200, 200), "JPEG")[:2000], "truncated"),
    "video": (lambda: b"\0\0\0\x18ftypmp42" + b"\0" * 500, "not an image (video?)"),
    "page": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image (text?)"),
    "program": (lambda: b"\x7fELF" + bytes(range(256)), "unknown image format"),
    "bomb": (bomb, "too many pixels (10,000×10,000); at most 64 megapixels are taken"),
}
