"""The process that decodes: the same pixels as prediction, and no picture that holds it up or brings it down."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.training.demo.conftest import MAX_PIXELS, PICTURES, REFUSED, SETTINGS, encoded, noise, photo, turned
from training.datasets.decode import BadImage, decode_bytes
from training.demo.decoding import Decoder, Header


@pytest.mark.parametrize("kind", PICTURES)
def test_pixels_are_those_of_prediction(decoder, kind):
    data = PICTURES[kind]()
    np.testing.assert_array_equal(decoder.decode(data).pixels, decode_bytes(data, SETTINGS))


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_refused_with_the_reason(decoder, kind):
    make, reason = REFUSED[kind]
    with pytest.raises(BadImage) as error:
        decoder.decode(make())
    assert error.value.reason == reason


def test_a_header_tells_format_upright_size_and_grey(decoder):
    assert decoder.decode(turned()).header == Header("JPEG", 20, 16, grey=False)
    assert decoder.decode(encoded(noise()[..., 0], "TIFF")).header == Header("TIFF", 16, 20, grey=True)


def scans(count):
    """A progressive JPEG of 300 kB at most whose last scan comes again and again: each costs a pass over all pixels."""
    plain = encoded(np.full((2000, 2000, 3), 100, np.uint8), "JPEG", progressive=True)
    last = plain[plain.rindex(b"\xff\xc4", 0, plain.rindex(b"\xff\xda")) : -2]
    return plain[:-2] + count * last + b"\xff\xd9"


def test_a_picture_that_takes_too_long_is_stopped_and_the_next_one_is_decoded():
    with Decoder(SETTINGS, max_pixels=MAX_PIXELS, seconds=20) as decoder:
        assert decoder.decode(scans(0)).header.width == 2000
        decoder.seconds = 0.5
        with pytest.raises(BadImage, match="it takes longer than 0.5 s to decode"):
            decoder.decode(scans(2000))
        decoder.seconds = 20
        assert decoder.decode(scans(0)).header.width == 2000


def test_a_picture_that_brings_the_process_down_leaves_another_one(decoder):
    decoder.decode(photo())
    decoder._process.kill()
    decoder._process.join()
    with pytest.raises(BadImage, match="it crashes the decoder"):
        decoder.decode(photo())
    np.testing.assert_array_equal(decoder.decode(photo()).pixels, decode_bytes(photo(), SETTINGS))


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent otherwise there")
def test_ctrl_c_while_the_process_begins_is_not_for_it():
    with Decoder(SETTINGS, max_pixels=MAX_PIXELS, seconds=20) as decoder:
        os.kill(decoder._process.pid, signal.SIGINT)
        assert decoder.decode(photo()).header.format == "PNG"


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
@pytest.mark.parametrize(
    ("deed", "words"),
    [("print(1, file=open('x', 'w'), flush=True)", "File too large"), ("bytes(5 * 2**30)", "MemoryError")],
)
def test_the_process_can_write_no_file_and_fill_no_memory(tmp_path, deed, words):
    code = f"from training.demo.decoding import _confine; _confine(); {deed}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert words in done.stderr and sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


def test_the_process_loads_no_tensorflow():
    code = "import sys, training.demo.__main__, training.demo.decoding; print('tensorflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "False\n"
