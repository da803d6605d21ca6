"""`fast_math`: a model that computes the same up to rounding, with less work for a processor."""

from __future__ import annotations

import keras

from training.fused import use_fused
from training.winograd import use_winograd


def use_fast_math(model: keras.Model) -> list[str]:
    """Changes the layers for which there is a quicker way; the model in memory alone, not what is saved of it.

    Returns:
        Names of the layers that were changed; none in another precision than float32.
    """
    fused = use_fused(model)  # before Winograd's convolutions, which wrap the poolings between them
    return use_winograd(model) + fused
