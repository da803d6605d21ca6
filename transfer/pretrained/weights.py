"""Weights of a backbone: where Keras keeps ImageNet's, and files of the user's; every failure is one clear line."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from training.checkpoint import load_model
from training.run import RunError
from transfer.pretrained.catalog import TransferError, entry
from transfer.pretrained.flat import flatten, number_afresh

SUFFIXES = (".h5", ".keras")  # .weights.h5 among the first


def keras_folder() -> Path:
    """Where Keras looks for downloaded weights: `$KERAS_HOME/models`, else `~/.keras/models`."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def imagenet_file(name: str, include_top: bool = False) -> Path:
    """Where the ImageNet weights of a backbone lie, or will lie once Keras has downloaded them."""
    return keras_folder() / entry(name).weights_files[include_top]


@contextmanager
def imagenet(name: str, include_top: bool) -> Iterator[str]:
    """Gives what `keras.applications` takes as `weights`, and turns its errors into one line.

    Raises:
        TransferError: If the file is absent and cannot be downloaded, or it is damaged.
    """
    path = imagenet_file(name, include_top)
    present = path.is_file()
    # Keras ignores a folder that it may not write to, and would download what lies there already
    source = str(path) if present and not os.access(path.parent.parent, os.W_OK) else "imagenet"
    try:
        yield source
    except Exception as error:  # Keras raises a plain Exception for a failed download, h5py three kinds for bad files
        reason = _one_line(error)
        if present and "URL fetch failure" not in reason:
            raise TransferError(
                f"The ImageNet weights of {name} in {path} cannot be read ({reason}). Remove the file, so that Keras "
                "downloads it again."
            ) from error
        raise TransferError(
            f"The ImageNet weights of {name} could not be downloaded ({reason}). Without a network, put the file "
            f"{path.name} into {path.parent}, where Keras looks (KERAS_HOME changes the place), or give a file or none."
        ) from error


def check_file(path: Path) -> Path:
    """The path of a user's weights, which exists and is of a kind that is loaded.

    Raises:
        TransferError: If it is absent or of another kind.
    """
    path = path.expanduser()
    if path.suffix not in SUFFIXES:
        raise TransferError(
            f"weights must be imagenet, none, or a file that ends in {' or '.join(SUFFIXES)}. Received: weights={path}."
        )
    if not path.is_file():
        raise TransferError(f"The weights file does not exist: {path}")
    return path


def load_weights(model: keras.Model, path: Path, name: str) -> None:
    """Loads a file of weights only (`.weights.h5`, or an `.h5` of Keras 2) into the graph that Keras built.

    Raises:
        TransferError: If the file is torn, or of another network.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            model.load_weights(path)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise TransferError(f"{path} does not hold the weights of {name}: {_one_line(error)}.") from error
    for warning in caught:
        if issubclass(warning.category, UserWarning):  # Keras only warns where layers keep their random weights
            raise TransferError(f"{path} does not hold the weights of {name}: {_one_line(warning.message)}.")


def copy_weights(model: keras.Model, path: Path, name: str) -> None:
    """Takes weights over by layer name from a whole model (`.keras`, loaded with `safe_mode=True`).

    Args:
        model: The flat network; changed in place.
        path: A model that starts with the same layers: Keras' own, or one that this project trained.
        name: The backbone's name, for messages.

    Raises:
        TransferError: If the file is torn, or of another network.
    """
    try:
        source = flatten(load_model(path))
    except RunError as error:
        raise TransferError(str(error)) from error
    number_afresh(source)
    wanted = {layer.name: layer for layer in model.layers if layer.weights}
    first = {layer.name: layer for layer in [layer for layer in source.layers if layer.weights][: len(wanted)]}
    # VGG19 holds all layers of VGG16, and more between them: the first ones must be exactly those wanted
    if {key: _shapes(layer) for key, layer in first.items()} != {key: _shapes(layer) for key, layer in wanted.items()}:
        raise TransferError(
            f"{path} holds the model {source.name}, whose layers are not those of {name}. Give weights of {name}."
        )
    for key, layer in wanted.items():
        layer.set_weights(first[key].get_weights())


def _shapes(layer: keras.Layer) -> list[tuple[int, ...]]:
    """The shapes of a layer's weights."""
    return [tuple(weight.shape) for weight in layer.weights]


def _one_line(error: Exception | Warning | str) -> str:
    """What an error or a warning says, in one line of at most 200 characters, without the full stop."""
    return " ".join(str(error).split())[:200].rstrip(". ") or type(error).__name__
