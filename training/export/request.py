"""A request that TensorFlow Serving, or anyone who rebuilds the input, can be tried with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.files import write_atomically
from training.trained import Trained


def write_request(path: Path, trained: Trained) -> dict[str, Any]:
    """Writes a request for TensorFlow Serving: a made-up picture, since those of the data may be private.

    Returns:
        Its name, and the answer of the Keras model.
    """
    rows, columns, channels = np.indices(trained.decode.shape)
    pixels = ((3 * rows + 5 * columns + 40 * channels) % 256)[None]
    write_atomically(path, json.dumps({"instances": pixels.tolist()}, separators=(",", ":")) + "\n")
    answer = np.asarray(trained.model.predict_on_batch(pixels.astype(np.float32)))
    return {"file": path.name, "predictions": answer.astype(float).tolist()}
