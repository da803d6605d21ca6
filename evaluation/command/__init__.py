"""Command lines from dataclasses, shared by every command of the project.

A command describes its settings once, as a frozen dataclass. `parse_config` turns flags and an optional YAML file
into an instance of it; `run_main` turns the errors of a command into one line and an exit code.
"""

from __future__ import annotations

import argparse
import errno
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from evaluation.command.arguments import expand_arguments, suggest, values_of
from evaluation.command.settings import Setting, accepts_null, describe_settings, describe_type, help_text, metavar

Config = TypeVar("Config")


def parse_config(
    config_class: type[Config],
    argv: Sequence[str] | None,
    *,
    prog: str,
    description: str,
    positional: str | None = None,
    choices_help: str = "",
) -> Config:
    """Turns command-line arguments into an instance of a frozen dataclass.

    Every field becomes a flag with dashes, explained by its line in the "Attributes:" section of the class docstring.
    `--config FILE.yaml` reads fields by name (unknown keys are errors); flags win over the file.

    Args:
        config_class: A dataclass. Fields may be typed bool, int, float, str, Path, Literal, tuple, dict and `| None`.
        argv: Arguments without the program's name; None reads `sys.argv`.
        prog: The program's name in the help, such as "python -m evaluation".
        description: One sentence for the help.
        positional: Name of the field that the first argument without a flag sets.
        choices_help: Text for the end of the help, such as the names of all models.

    Returns:
        The configuration.

    Raises:
        SystemExit: Code 0 after `--help`; code 2 after one line on stderr that names flag, value and expectation.

    Example:
        >>> parse_config(EvaluateConfig, ["scores.csv", "--positive", "malignant"], prog="x", description="y")
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    settings = describe_settings(config_class)
    parser = _build_parser(settings, prog, description, positional, choices_help)
    try:
        expanded = expand_arguments(arguments, settings, positional)
        for path in values_of("--config", expanded):
            check_config_file(path, config_class)
        values = _parse(parser, expanded, settings)
        return config_class(**values)
    except (ValueError, OSError, RuntimeError) as error:
        message = _describe_home_error(error) if isinstance(error, RuntimeError) else _one_line(error)
        if message is None:
            raise
        print(f"error: {message}; see --help", file=sys.stderr)
        raise SystemExit(2) from None


def run_main(main_function: Callable[[], int | None], *, user_errors: tuple[type[Exception], ...] = ()) -> int:
    """Runs a command and turns its expected errors, with their notes, into one line on stderr.

    Args:
        main_function: The command. What it returns becomes the exit code; None counts as 0.
        user_errors: Error classes whose message is meant for the user, such as PredictionsError.

    Returns:
        0 or the command's own code; 2 after an error of the user's input, 1 after one of the operating system, 130
        after Ctrl-C.
    """
    try:
        return main_function() or 0
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:
        print(f"error: {_with_notes(describe_os_error(error), error)}", file=sys.stderr)
        return 1
    except user_errors as error:
        print(f"error: {_with_notes(_one_line(error), error)}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        message = _describe_home_error(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 1


def _with_notes(text: str, error: BaseException) -> str:
    """The message with what was added to it on the way up (`add_note`), such as how to go on with a run."""
    notes = getattr(error, "__notes__", [])
    return f"{text.rstrip('.')}. {' '.join(notes)}" if notes else text


def describe_os_error(error: OSError) -> str:
    """One line for an operating-system error: the file, what happened, and for a full disk what to do."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where}the disk is full. Free some space or choose another folder, then run the command again"
    return _one_line(f"{where}{error.strerror or error}")


def _describe_home_error(error: RuntimeError) -> str | None:
    """One line for a path such as ~nobody/x, whose home folder `Path.expanduser` cannot find; None for other errors."""
    if not re.search("home directory|expand user", str(error)):
        return None
    return "a path starts with ~ and a user whose home folder cannot be found. Check the name or write the path in full"


def check_settings(settings: Mapping[str, Any], config_class: type) -> dict[str, Any]:
    """Checks a mapping from a YAML file against a dataclass, exactly as `--config` does.

    Args:
        settings: Values by field name.
        config_class: A dataclass as `parse_config` takes it.

    Returns:
        The values of the keys that were given, converted (lists to tuples, …), ready for `config_class(**values)`.

    Raises:
        ValueError: If a key is unknown or a value has the wrong type. One line: key, expected, received.

    Example:
        >>> check_settings({"image_size": [64, 48]}, TrainConfig)
        {'image_size': (64, 48)}
    """
    import jsonargparse

    by_name = {setting.name: setting for setting in describe_settings(config_class)}
    for key, value in settings.items():
        if key not in by_name:
            raise ValueError(f"unknown key {key!r}{suggest(str(key), by_name)}")
        wrong_switch = by_name[key].is_switch and not isinstance(value, bool)
        if wrong_switch or (value is None and not accepts_null(by_name[key].annotation)):
            raise ValueError(_describe_wrong_value(by_name[key], value))
    parser = jsonargparse.ArgumentParser(exit_on_error=False, default_env=False)
    for key in settings:
        parser.add_argument(f"--{key}", type=by_name[key].annotation)
    values: dict[str, Any] = {}
    for key, value in settings.items():
        try:
            values[key] = parser.parse_object({key: value}, defaults=False).as_dict()[key]
        except argparse.ArgumentError:
            raise ValueError(_describe_wrong_value(by_name[key], value)) from None
    return values


def _describe_wrong_value(setting: Setting, value: object) -> str:
    """Key, expectation and value of a setting in a file."""
    received = "null" if value is None else repr(value)
    return _one_line(f"{setting.name}: expected {describe_type(setting.annotation, in_file=True)}, received {received}")


def check_config_file(path: str, config_class: type) -> None:
    """Refuses a YAML file that is missing, unreadable, no mapping, or whose settings `check_settings` refuses."""
    import yaml

    if not Path(path).is_file():
        raise ValueError(f"--config: expected an existing YAML file, received {path!r}")
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"--config {path}: not a YAML file: {_one_line(error)}") from None
    if not isinstance(content, dict):
        raise ValueError(f"--config {path}: expected lines such as 'key: value', received {content!r}")
    try:
        check_settings(content, config_class)
    except ValueError as error:
        raise ValueError(f"--config {path}: {error}") from None


def _build_parser(settings: Sequence[Setting], prog: str, description: str, positional: str | None, epilog: str) -> Any:
    """Builds the jsonargparse parser: one flag per field, in the order of the fields."""
    import jsonargparse

    first = f" [{positional.upper()}]" if positional else ""
    parser = jsonargparse.ArgumentParser(
        prog=prog,
        usage=f"{prog}{first} [--flag value ...]",
        description=description,
        epilog=epilog,
        exit_on_error=False,
        default_env=False,
        allow_abbrev=False,
        print_config=None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", action="config", metavar="FILE", help="YAML file of settings; flags win over it.")
    for setting in settings:
        text = help_text(setting, setting.name == positional).replace("%", "%%")
        if setting.is_switch:
            action = jsonargparse.ActionYesNo(yes_prefix="", no_prefix="no-")
            parser.add_argument(setting.flag, action=action, default=setting.default, help=text)
        else:
            options = {"type": setting.annotation, "default": setting.default, "metavar": metavar(setting)}
            parser.add_argument(setting.flag, help=text, **options)
    return parser


def _parse(parser: Any, expanded: list[str], settings: Sequence[Setting]) -> dict[str, Any]:
    """Parses expanded arguments to a plain dict, or raises ValueError naming flag, value and expectation."""
    try:
        values = parser.parse_args(expanded).as_dict()
    except argparse.ArgumentError as error:
        raise ValueError(_describe_parse_error(str(error), expanded, settings)) from None
    values.pop("config", None)
    for setting in settings:
        if setting.required and values.get(setting.name) is None:
            raise ValueError(f"{setting.flag}: expected {describe_type(setting.annotation)}, received nothing")
    return values


def _describe_parse_error(message: str, expanded: Sequence[str], settings: Sequence[Setting]) -> str:
    """Translates jsonargparse's paragraph into flag, value and expectation."""
    key = re.search(r'key "([\w.-]+)"', message)
    setting = next((s for s in settings if key and s.name == key.group(1).split(".")[0]), None)
    if setting is None:
        return _one_line(message)
    typed = values_of(setting.flag, expanded)
    found = re.search(r"(?:Got|Given) value: (.*)\s*$", message)
    value = repr(typed[-1]) if typed else found.group(1).strip() if found else "something else"
    return f"{setting.flag}: expected {describe_type(setting.annotation)}, received {value}"


def _one_line(message: object) -> str:
    """A message on one line."""
    return " ".join(str(message).split()).rstrip(".;")
