"""Small helpers for messages: every error and note is one line."""

from __future__ import annotations

from collections.abc import Iterable


def printable(text: object) -> str:
    """`text` on one line: unprintable characters, such as a newline in a file name, are escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def listed(items: Iterable[object], limit: int = 5) -> str:
    """The first `limit` items with commas, and how many more there are."""
    texts = [printable(item) for item in items]
    more = f", … ({len(texts) - limit} more)" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def counted(number: int, unit: str) -> str:
    """`1 file`, `2 files`."""
    plural = f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}es" if unit.endswith("s") else f"{unit}s"
    return f"{number:,} {unit if number == 1 else plural}"
