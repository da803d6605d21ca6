"""Numbers as a person says them."""

from __future__ import annotations


def in_words(seconds: float) -> str:
    """A duration as a person says it: `12 s`, `3 min`, `2 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
