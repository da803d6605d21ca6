"""What a configuration dataclass says about itself: names, types, defaults and the words that explain them."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_EXAMPLES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
_METAVARS = {int: "N", float: "X", Path: "PATH"}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One field of a configuration, as the command line shows it.

    Attributes:
        name: Field name, which is also the key in a YAML file.
        annotation: The field's type.
        default: The field's default; None where it is required.
        required: Whether the field has no default.
        text: The field's line of the class docstring.
    """

    name: str
    annotation: Any
    default: Any
    required: bool
    text: str

    @property
    def flag(self) -> str:
        """The flag: dashes for underscores."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Whether the flag stands alone (`--name`, `--no-name`)."""
        return self.annotation is bool


def describe_settings(config_class: type) -> list[Setting]:
    """Reads names, types, defaults and docstring lines of a dataclass' fields: its own first, then inherited ones.

    A docstring line may name several fields ("train, validation: Number of …").
    """
    lines = {name: text for owner in reversed(config_class.__mro__) for name, text in _docstring_lines(owner).items()}
    hints = get_type_hints(config_class)
    settings = []
    own = config_class.__dict__.get("__annotations__", {})
    for field in sorted(dataclasses.fields(config_class), key=lambda field: field.name not in own):
        factory = field.default_factory
        default = field.default if factory is dataclasses.MISSING else factory()
        required = default is dataclasses.MISSING
        default = None if required else default
        settings.append(Setting(field.name, hints[field.name], default, required, lines.get(field.name, "")))
    return settings


def _docstring_lines(config_class: type) -> dict[str, str]:
    """The "Attributes:" section of a dataclass: text by field name."""
    import docstring_parser

    lines: dict[str, str] = {}
    text = config_class.__doc__ or "" if dataclasses.is_dataclass(config_class) else ""
    for entry in docstring_parser.parse(text).params:
        for name in entry.arg_name.split(","):
            lines[name.strip()] = " ".join((entry.description or "").split())
    return lines


def accepts_null(annotation: Any) -> bool:
    """Whether a field of this type may be None."""
    return annotation in (Any, None, type(None)) or type(None) in get_args(annotation)


def describe_type(annotation: Any, *, in_file: bool = False) -> str:
    """What a value of this type looks like on a command line or in a YAML file: "one of crop, pad"."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join("null" if part is type(None) else describe_type(part, in_file=in_file) for part in arguments)
    if origin is Literal:
        return "one of " + ", ".join(str(choice) for choice in arguments)
    if origin is tuple:
        items = [part for part in arguments if part is not Ellipsis]
        example = ["64", "32", "16"][: max(2, len(items))]
        shown = f"[{', '.join(example)}]" if in_file else " ".join(example)
        if Ellipsis in arguments or len(items) != 2 or items[0] is not int:
            return f"a list such as {shown}"
        return f"two whole numbers such as {'[64, 64]' if in_file else '64 64 (one number means both)'}"
    if origin is dict or annotation is dict:
        return f"keywords such as {'{keyword: value}' if in_file else '--name.keyword value'}"
    return _EXAMPLES.get(annotation, "a value")


def help_text(setting: Setting, is_positional: bool) -> str:
    """A field's line in the help: what it is, and its default."""
    default = setting.default
    if isinstance(default, bool):
        default = "yes" if default else "no"
    shown = "" if default is None or default in ({}, ()) else f" (default: {default})"
    return setting.text + (" May stand first, without the flag." if is_positional else "") + shown


def metavar(setting: Setting) -> str | None:
    """The placeholder of a flag's value."""
    parts = (setting.annotation, *get_args(setting.annotation))
    if "dict" in str(setting.annotation):
        return "{keyword: value}"
    for part in parts:
        if get_origin(part) is Literal:
            return "{" + ",".join(str(choice) for choice in get_args(part)) + "}"
        if get_origin(part) is tuple:
            return {str: "NAME [NAME ...]", Path: "PATH [PATH ...]"}.get(get_args(part)[0], "N [N ...]")
        if part in _METAVARS:
            return _METAVARS[part]
    return "NAME" if str in parts else "VALUE"
