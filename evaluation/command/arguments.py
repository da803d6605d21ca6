"""Command-line arguments rewritten so that every flag carries its value, before the parser sees them."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from evaluation.command.settings import Setting

_NUMBER = re.compile(r"\d+")


def expand_arguments(arguments: Sequence[str], settings: Sequence[Setting], positional: str | None) -> list[str]:
    """Rewrites arguments so that every flag carries its value: `--image-size 64 64` to `--image-size=[64, 64]`.

    Args:
        arguments: As the user typed them.
        settings: The fields.
        positional: Name of the field that an argument without a flag sets.

    Returns:
        Arguments of the form `--flag=value`, `--switch` or `--no-switch`.

    Raises:
        ValueError: If a flag is unknown, misses its value, or an argument belongs to no flag.
    """
    by_flag = {setting.flag: setting for setting in settings}
    switches = {flag for s in settings if s.is_switch for flag in (s.flag, "--no-" + s.flag[2:])}
    waiting = list(arguments)
    expanded: list[str] = []
    while waiting:
        flag, equals, value = waiting.pop(0).partition("=")
        if not flag.startswith("-") or flag == "-":
            expanded.append(_expand_positional(flag + equals + value, expanded, positional))
        elif flag in ("-h", "--help") or (flag in switches and not equals):
            expanded.append(flag)
        elif flag in switches:
            raise ValueError(f"{flag} takes no value, received {value!r}: write {flag} or --no-{flag[2:]}")
        else:
            known = _known_flag(flag, by_flag, switches)
            alone = positional is None or bool(values_of(f"--{positional.replace('_', '-')}", expanded))
            values = [value] if equals else _take_values(flag, waiting, known, alone)
            expanded.append(f"{flag}={_join_tuple(values, known)}")
    return expanded


def values_of(flag: str, expanded: Sequence[str]) -> list[str]:
    """All values that expanded arguments give to a flag (its dotted keywords included)."""
    return [a.partition("=")[2] for a in expanded if "=" in a and a.split("=")[0].split(".")[0] == flag]


def suggest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean …?" where a known name is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def _known_flag(flag: str, by_flag: dict[str, Setting], switches: set[str]) -> Setting | None:
    """The setting of a flag (None for `--config`), or ValueError with the closest name."""
    owner = by_flag.get(flag.split(".")[0])
    if flag == "--config":
        return None
    if owner is None or ("." in flag and "dict" not in str(owner.annotation)):
        raise ValueError(f"{flag}: no such flag{suggest(flag, [*by_flag, *switches, '--config'])}")
    return owner if flag == owner.flag else None


def _expand_positional(token: str, expanded: Sequence[str], positional: str | None) -> str:
    """Gives an argument without a flag to the positional field, once."""
    flag = f"--{(positional or '').replace('_', '-')}"
    if positional is None or values_of(flag, expanded):
        raise ValueError(f"expected a flag such as --name value, received {token!r}, which belongs to no flag")
    return f"{flag}={token}"


def _take_values(flag: str, waiting: list[str], setting: Setting | None, alone: bool) -> list[str]:
    """Takes a flag's value off the waiting arguments; for a tuple as many numbers as it holds, or all names.

    Several names are taken only where no argument without a flag is still expected, which could be meant instead.
    """
    if not waiting or waiting[0].startswith("--"):
        received = repr(waiting[0]) if waiting else "nothing"
        raise ValueError(f"{flag}: expected a value, received {received}")
    values = [waiting.pop(0)]
    if _holds_names(setting):
        while alone and waiting and not waiting[0].startswith("-"):
            values.append(waiting.pop(0))
        return values
    length = _tuple_length(setting)
    while len(values) < length and _NUMBER.fullmatch(values[0]) and waiting and _NUMBER.fullmatch(waiting[0]):
        values.append(waiting.pop(0))
    return values


def _holds_names(setting: Setting | None) -> bool:
    """Whether a field is a tuple of any number of names or paths."""
    items = _tuple_type(setting)
    return Ellipsis in items and items[0] in (str, Path)


def _tuple_type(setting: Setting | None) -> tuple[Any, ...]:
    """The item types of a field typed `tuple[...]` or `tuple[...] | None`; empty for any other."""
    if setting is None:
        return ()
    parts = (setting.annotation, *get_args(setting.annotation))
    return next((get_args(part) for part in parts if get_origin(part) is tuple), ())


def _tuple_length(setting: Setting | None) -> int:
    """How many values the flag of this field may take."""
    items = _tuple_type(setting)
    return 1000 if Ellipsis in items else max(1, len(items))


def _names_in(value: str, *, paths: bool) -> list[str]:
    """Several names in one value, with commas between them; a path that exists is one, whatever is in it."""
    if paths and os.path.lexists(os.path.expanduser(value)):
        return [value]
    listed = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    return [name.strip() for name in listed.split(",")]


def _join_tuple(values: list[str], setting: Setting | None) -> str:
    """Writes the values of a tuple field as a list: `64 64`, `64,64`, `[64, 64]` and `64` all give `[64, 64]`."""
    items = _tuple_type(setting)
    if _holds_names(setting):
        names = [name for value in values for name in _names_in(value, paths=Path in items)]
        return "null" if names in (["null"], ["none"], ["None"]) else json.dumps([name for name in names if name])
    parts = [part.strip() for part in ",".join(values).strip("[]() ").split(",")]
    if not items or parts in (["null"], ["none"], ["None"]):
        return "null" if items else values[0]
    if len(parts) == 1 and Ellipsis not in items and _NUMBER.fullmatch(parts[0]):
        parts = parts * len(items)
    return f"[{', '.join(parts)}]"
