"""The layers of a model, whatever models stand in it."""

from __future__ import annotations

from collections.abc import Iterator

import keras


def innermost(model: keras.Model) -> Iterator[keras.Layer]:
    """Every layer that is no model itself, in order and once; nested models are followed."""
    yield from dict.fromkeys(_innermost(model))


def _innermost(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _innermost(layer)
        else:
            yield layer
