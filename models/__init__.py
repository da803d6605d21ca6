"""The models room: factories that build uncompiled Keras graphs from raw pixels or raw features.

It imports Keras only and knows no data, no files and no flags. Importing this package does not import
Keras: `FACTORIES` and `build` do so on first use, `models.catalog` never does.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from models.catalog import CATALOG

if TYPE_CHECKING:
    import keras

    from models.factories import FACTORIES

__all__ = ["CATALOG", "FACTORIES", "accepted_hyperparameters", "build", "check_hyperparameters"]


def __getattr__(name: str) -> Any:
    """Loads `FACTORIES` (and with it Keras) when it is first asked for, after PEP 562."""
    if name != "FACTORIES":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from models.factories import FACTORIES

    return FACTORIES


def build(name: str, input_shape: Sequence[int], num_classes: int, **hyperparameters: Any) -> keras.Model:
    """Builds the model of that name.

    Args:
        name: A key of `FACTORIES`, such as `"cifar_cnn"`.
        input_shape: `(height, width, channels)` of an image or `(features,)` of a table, without the batch.
        num_classes: Number of classes, at least 2; 0 or 1 for a regressor, which has one output.
        **hyperparameters: Keywords of that factory, such as `dropout_rate=0.2`.

    Returns:
        An uncompiled `keras.Model` that takes raw pixels in 0…255, or raw features.

    Raises:
        ValueError: If no factory has that name, if the factory does not take a keyword, or if the factory
            refuses a value.

    Example:
        >>> model = build("cifar_cnn", (32, 32, 3), 10, dropout_rate=0.0)
        >>> model.count_params()
        528054
    """
    check_hyperparameters(name, hyperparameters)
    from models.factories import FACTORIES

    return FACTORIES[name](tuple(input_shape), num_classes, **hyperparameters)


def accepted_hyperparameters(name: str) -> list[str]:
    """The keywords that a factory takes.

    Raises:
        ValueError: If no factory has that name.
    """
    if name not in CATALOG:
        raise ValueError(f"Unknown model.{_closest(name, CATALOG)} Available: {', '.join(CATALOG)}. Received: {name=}.")
    from models.factories import FACTORIES

    parameters = inspect.signature(FACTORIES[name]).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def check_hyperparameters(name: str, keywords: Iterable[str]) -> None:
    """Refuses keywords that a factory does not take.

    Raises:
        ValueError: If no factory has that name, or it does not take one of the keywords.
    """
    accepted = accepted_hyperparameters(name)
    for keyword in keywords:
        if keyword not in accepted:
            raise ValueError(
                f"{name} does not take the keyword {keyword!r}.{_closest(keyword, accepted)} "
                f"Accepted: {', '.join(accepted)}."
            )


def _closest(word: str, words: Any) -> str:
    matches = difflib.get_close_matches(str(word), words, n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""
