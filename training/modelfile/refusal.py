"""Why a model file is refused, in words that are safe to print."""

from __future__ import annotations

from typing import Any, NoReturn

CURE = "Do not use it, or have its author save the model from Keras' own layers."
AGAIN = "Copy the file again from where it was whole, or save the model again."


class Refusal(ValueError):
    """A part of a model file is not what Keras writes for an image model."""


def refuse(found: str, expected: str, cure: str = CURE) -> NoReturn:
    """Raises Refusal.

    Args:
        found: Half a sentence: what the file holds.
        expected: Half a sentence: what it should hold.
        cure: A sentence: what to do.
    """
    raise Refusal(f"{found}. Expected {expected}. {cure}")


def shown(value: Any) -> str:
    """Text of the file, short and in printable ASCII: a name could hold line breaks or terminal codes."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:60]}…{text[-10:]}"
