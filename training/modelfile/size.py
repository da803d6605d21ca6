"""How large a model would be: its graph is built without memory for its weights, and measured."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from training.modelfile.refusal import Refusal, refuse, shown

if TYPE_CHECKING:
    import keras

SPARE = 2**20  # numbers beyond the weights: states of random layers
LARGEST_OUTPUT = 2**28  # elements of one layer's output for one example: 1 GiB of float32


def check_size(config: dict[str, Any], stored: int) -> None:
    """Refuses a config that asks for more weights than are stored, or for huge outputs.

    Args:
        config: `config.json`, after `check_config`.
        stored: Number of weights in the file.

    Raises:
        Refusal: It is too large, or Keras cannot build it.
    """
    import keras
    from keras.src.saving.serialization_lib import ObjectSharingScope

    try:
        with _nothing_kept() as before, keras.StatelessScope(initialize_variables=False), ObjectSharingScope():
            model = keras.saving.deserialize_keras_object({**config, "compile_config": None}, safe_mode=True)
            needed = sum(math.prod(weight.shape) for weight in model.weights)
            if needed > stored:
                refuse(f"its layers need {needed:,} parameters, but {stored:,} are stored", "all of them")
            made = sum(math.prod(variable.shape) for variable in _uninitialized()[before:])
            if made > 2 * stored + SPARE:  # layers that no output depends on are allocated all the same
                refuse(f"its layers make {made:,} numbers, but {stored:,} are stored", "all of them")
            _check_outputs(model)
    except Refusal:
        raise
    except Exception as error:  # Keras raises whatever the config provokes, MemoryError among it
        reason = shown(" ".join(str(error).rpartition("Exception encountered: ")[2].split()))
        refuse(f"Keras cannot build it ({type(error).__name__}: {reason})", "a model that Keras saved")


@contextmanager
def _nothing_kept() -> Iterator[int]:
    """Leaves Keras as it was: else it would allocate the weights later, and name layers and draw seeds otherwise.

    Gives the number of variables that waited for their values before.
    """
    from keras.src.backend.common import global_state

    draws = random.getstate()  # Keras draws the seeds of layers that have none from here
    pending = _uninitialized()
    numbers = global_state.get_global_attribute("object_name_uids")
    numbers = None if numbers is None else numbers.copy()
    try:
        yield len(pending)
    finally:
        random.setstate(draws)
        global_state.set_global_attribute("uninitialized_variables", pending)
        global_state.set_global_attribute("object_name_uids", numbers)


def _uninitialized() -> list[Any]:
    """Variables that were made without their values."""
    from keras.src.backend.common import global_state

    return list(global_state.get_global_attribute("uninitialized_variables") or [])


def _check_outputs(model: keras.Model) -> None:
    """Whatever goes into or out of any call of a layer; an axis of free size counts once."""
    for layer in _operations(model):
        for node in layer._inbound_nodes:  # `layer.output` knows only the first call
            for tensor in [*node.input_tensors, *node.output_tensors]:
                size = math.prod(length or 1 for length in tensor.shape)
                if size > LARGEST_OUTPUT:
                    refuse(
                        f"its layer {shown(layer.name)} takes or puts out {size:,} numbers for one example",
                        f"at most {LARGEST_OUTPUT:,}",
                    )


def _operations(model: Any) -> Iterator[Any]:
    """Layers and operations of a model and of the models within it."""
    import keras

    for part in {id(part): part for part in [*model.layers, *getattr(model, "operations", [])]}.values():
        yield part
        if isinstance(part, keras.Model):
            yield from _operations(part)
