"""Pictures of examples, for the mistakes in a report."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evaluation.predictions import Predictions, RegressionPredictions

MOST_PIXELS = 100_000_000


def picture_finder(
    predictions: Predictions | RegressionPredictions, folder: Path
) -> Callable[[str], np.ndarray | None] | None:
    """A function from an example's id to its picture, where the predictions name picture files.

    Args:
        predictions: Predictions, perhaps with `images`.
        folder: Where relative file names start.

    Returns:
        A function that gives uint8 of shape (h, w, 3), or None for a file that is missing, broken or larger than
        100 megapixels; None instead of a function where no files are named.
    """
    images = getattr(predictions, "images", None)
    if images is None:
        return None
    files = dict(zip(map(str, predictions.ids), map(str, images), strict=True))
    return lambda example: read_picture(folder / files[example]) if example in files else None


def read_picture(path: Path) -> np.ndarray | None:
    """A picture as uint8 of shape (h, w, 3), upright; None where the file cannot be used."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    return None
                picture.draft("RGB", (640, 640))
                upright = ImageOps.exif_transpose(picture)
                return np.asarray(upright.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
