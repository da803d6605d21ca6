"""What goes wrong when a model is explained, in one line that says what to do."""

from __future__ import annotations


class ExplainError(ValueError):
    """A model, a layer, a class or images cannot be explained. The message says what to do."""
