"""Labels as files write them: the same class may stand as "1" and "1.0", or with spaces around it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

_WHOLE = re.compile(r"[+-]?\d+")
_FLOAT = re.compile(r"[+-]?\d+(\.\d*(e[+-]?\d+)?|e[+-]?\d+)", re.IGNORECASE)
_EXACT_LIMIT = 2**53
GENERIC_NAMES = ("score", "y_score", "probability", "y_prob", "prob", "y_proba", "proba", "prediction")
MISSING_WORDS = frozenset(("", "nan", "na", "n/a", "null", "none", "missing", "indeterminate"))


def is_missing_word(text: str) -> bool:
    """Whether a cell's text stands for a missing or indeterminate result, in any case and with spaces around it."""
    return text.strip().lower() in MISSING_WORDS


def plain_label(label: str) -> str:
    """A label without surrounding spaces; a whole number written as a float ("1.0", "1.", "1e+00") as an integer."""
    label = label.strip()
    if not _FLOAT.fullmatch(label):
        return label
    value = float(label)
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT_LIMIT else label


def match_labels(truth: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Brings y_true and the names of the score columns to one way of writing, changing as little as possible.

    Tried in turn: as they stand, without surrounding spaces, whole numbers as integers. A single label that the
    single column does not name keeps its spaces.

    Args:
        truth: Labels as in the file, shape (n,).
        names: Classes that the score columns name.

    Returns:
        The labels, shape (n,), and the names.
    """
    present = set(truth)
    form = next((form for form in _forms(present) if _agree(map(form, present), map(form, names))), None)
    if form is None:
        form = _forms(present)[-1]
        lone = len(names) == len(present) == 1 and names[0] not in GENERIC_NAMES and form is not plain_label
        form = str if lone or len(set(map(form, names))) < len(names) else form
    changed = {label: form(label) for label in present}
    return np.array([changed[label] for label in truth], dtype=object), [form(name) for name in names]


def find_label(label: str, known: Iterable[str]) -> str:
    """The known label that equals this one, as it stands or else in its plain form; itself where there is none."""
    known = list(known)
    if label in known:
        return label
    return next((other for other in known if plain_label(other) == plain_label(label)), label)


def _forms(present: set[str]) -> list[Callable[[str], str]]:
    """Ways of writing, from the file's own on; integers only where every label is a whole number."""
    numbered = all(_WHOLE.fullmatch(plain_label(label)) for label in present)
    return [str, str.strip, plain_label] if numbered else [str, str.strip]


def _agree(present: Iterable[str], names: Iterable[str]) -> bool:
    """Whether columns name every label; a single column: its class and one other, not as 1 and 1.0."""
    present, names = set(present), list(names)
    if len(names) > 1:
        return present <= set(names) and len(set(names)) == len(names)
    numbers = [label for label in present if _WHOLE.fullmatch(plain_label(label))]
    ways_to_write_numbers = {bool(_FLOAT.fullmatch(label)) for label in numbers}
    return names[0] in present and len(present) <= 2 and len(ways_to_write_numbers) <= 1
