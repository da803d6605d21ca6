"""A user's own ranges: a YAML file of settings, one range each, checked line by line.

optimizer: [adam, sgd]                                     # a choice
learning_rate: {low: 0.0001, high: 0.01, sampling: log}    # a range; step makes it discrete
filters: [[16, 32], [16, 32, 64]]                          # a choice of lists
momentum: {values: [0.0, 0.9], when: {optimizer: [sgd]}}   # only where the optimizer is sgd
l2: 0.0001                                                 # fixed
network:                                                   # settings that go together, by a name of your own
  sets: {narrow: {filters: [16, 32, 64], dense_units: 500}, wide: {filters: [32, 64, 128], dense_units: 240}}
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from evaluation.command import check_settings
from training.checks import ConfigError
from training.config import TrainConfig
from training.tuning.points import TUNABLE

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

KEYS = ("values", "sets", "low", "high", "step", "sampling", "default", "when")
SAMPLINGS = ("linear", "log", "reverse_log")
SCALARS = (bool, int, float, str)


@dataclass(frozen=True)
class Range:
    """Where one setting may lie.

    Attributes:
        name: Of the setting or keyword; of a choice of sets, the user's own.
        values: Of a choice; `()` where it is a range of numbers.
        sets: Of a choice of sets: what each of `values` stands for.
        low, high, step, sampling: Of a range.
        default: What a grid begins with.
        when: Values of settings above it that make it active.
    """

    name: str
    values: tuple[Any, ...] = ()
    sets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    sampling: str = "linear"
    default: Any = None
    when: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def encoded(self) -> bool:
        """Whether keras-tuner, which knows choices of one scalar type only, sees the values as JSON."""
        kinds = {type(value) for value in self.values}
        return len(kinds) != 1 or not kinds <= set(SCALARS) or kinds == {bool}  # which become 0 and 1 there

    def code(self, value: Any) -> Any:
        return json.dumps(value) if self.encoded else value

    def described(self) -> dict[str, Any]:
        """Its line of a file."""
        numbers = {"low": self.low, "high": self.high, "step": self.step, "sampling": self.sampling}
        entry: dict[str, Any] = {"values": list(self.values)} if self.values else numbers
        if self.sets:
            entry = {"sets": {name: dict(settings) for name, settings in self.sets.items()}}
        entry |= {"default": self.default, "when": {name: list(values) for name, values in self.when.items()}}
        return {key: value for key, value in entry.items() if value not in (None, {})}

    def draw(self, hp: HyperParameters) -> Any:
        """The value of this point; registers the range with keras-tuner."""
        if self.values:
            default = None if self.default is None else self.code(self.default)
            value = hp.Choice(self.name, [self.code(value) for value in self.values], default=default)
            return json.loads(value) if self.encoded else value
        whole = all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))
        method = hp.Int if whole else hp.Float
        return method(self.name, self.low, self.high, step=self.step, sampling=self.sampling, default=self.default)


@dataclass(frozen=True)
class FileSpace:
    """The ranges of a file; called like the functions of `training.tuning.spaces`."""

    ranges: tuple[Range, ...]

    def __call__(self, hp: HyperParameters) -> dict[str, Any]:
        by_name = {one.name: one for one in self.ranges}
        drawn: dict[str, Any] = {}
        settings: dict[str, Any] = {}
        for one in self.ranges:
            with ExitStack() as scopes:
                for parent, values in one.when.items():
                    scopes.enter_context(hp.conditional_scope(parent, [by_name[parent].code(v) for v in values]))
                value = one.draw(hp)
            if all(drawn.get(parent) in values for parent, values in one.when.items()):
                drawn[one.name] = value
                settings |= one.sets[value] if one.sets else {one.name: value}
        return settings

    @property
    def sets(self) -> dict[str, Any]:
        """What the names of all sets stand for, which keras-tuner does not know."""
        return {one.name: one.described()["sets"] for one in self.ranges if one.sets}

    def described(self) -> dict[str, Any]:
        """The content of a file that gives this space again."""
        return {one.name: one.described() for one in self.ranges}


def describe(hps: HyperParameters) -> dict[str, Any]:
    """The parameters of any space in the words of a file; their names need not be those of settings."""
    found: dict[str, Any] = {}
    for hp in hps.space:
        config = hp.get_config()
        words = {"low": "min_value", "high": "max_value", "step": "step", "sampling": "sampling"}
        entry = {word: config[key] for word, key in words.items() if config.get(key) is not None}
        if "min_value" not in config:
            entry = {"values": list(hp.values)}
        entry["default"] = hp.default
        if hp.conditions:
            entry["when"] = {condition.name: list(condition.values) for condition in hp.conditions}
        found[hp.name] = entry
    return found


def read_space(path: Path | str, keywords: Sequence[str]) -> FileSpace:
    """Reads and checks a file of ranges.

    Args:
        path: The YAML file.
        keywords: What the factory takes beside the settings of a training.

    Raises:
        ConfigError: One line that names file, setting, expectation and what was received.
    """
    try:
        content = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ConfigError(f"space {path} cannot be read: {reason}.") from error
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"space {path} must hold one range a line, such as 'batch_size: [32, 64]'.")
    ranges: dict[str, Range] = {}
    for name, value in content.items():
        try:
            ranges[str(name)] = _range(str(name), value, ranges, (*TUNABLE, *keywords))
        except ValueError as error:
            raise ConfigError(f"space {path}, {name}: {error}") from error
    _check_apart(path, ranges.values())
    return FileSpace(tuple(ranges.values()))


def _check_apart(path: Path | str, ranges: Iterable[Range]) -> None:
    """Every setting has one place in the file."""
    places: dict[str, str] = {}
    for one in ranges:
        for name in next(iter(one.sets.values()), {one.name: None}):
            if name in places:
                raise ConfigError(
                    f"space {path}: {name} stands in {places[name]} and in {one.name}. Give it one place."
                )
            places[name] = one.name


def _range(name: str, value: Any, above: Mapping[str, Range], names: Sequence[str]) -> Range:
    """One line of the file; raises ValueError with the reason."""
    if not (isinstance(value, dict) and "sets" in value):
        _check_name(name, names)
    if not isinstance(value, dict):
        value = {"values": value if isinstance(value, list) else [value]}
    unknown = [key for key in value if key not in KEYS]
    _require(not unknown, f"expected some of {', '.join(KEYS)}. Received: {', '.join(map(str, unknown))}.")
    when = value.get("when") or {}
    _require(isinstance(when, dict), "when must name settings and their values, such as {optimizer: [sgd]}.")
    when = {parent: values if isinstance(values, list) else [values] for parent, values in when.items()}
    for parent, wanted in when.items():
        _check_parent(parent, wanted, above)
    common = {"default": value.get("default"), "when": when}
    if "sets" in value:
        return _sets(name, value, names, common)
    if "values" in value:
        return _choice(name, value, common)
    return _numbers(name, value, common)


def _check_name(name: str, names: Sequence[str], place: str = "") -> None:
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ValueError(f"{place}neither the factory nor a training takes it.{hint} Accepted: {', '.join(names)}.")


def _check_value(name: str, value: Any) -> None:
    """Refuses what a setting of a training cannot be; raises ValueError. Keywords of a factory are its own affair."""
    if name in TUNABLE:
        check_settings({name: value}, TrainConfig)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _check_parent(parent: str, wanted: Sequence[Any], above: Mapping[str, Range]) -> None:
    _require(parent in above, f"when names {parent}, which does not stand above it.")
    offered = above[parent].values
    _require(bool(offered), f"when names {parent}, which is no choice.")
    missing = [value for value in wanted if value not in offered]
    _require(
        not missing and bool(wanted),
        f"when can never hold: {parent} is one of {list(offered)}. Received: {list(wanted)}.",
    )


def _choice(name: str, value: Mapping[str, Any], common: dict[str, Any]) -> Range:
    values, default = value["values"], common["default"]
    _require(isinstance(values, list) and bool(values), "values must be a list with at least one value.")
    extra = [key for key in value if key in ("low", "high", "step", "sampling")]
    _require(not extra, f"values and {', '.join(extra)} exclude each other.")
    if {type(one) for one in values} == {int, float}:
        values = [float(one) for one in values]
    for one in values:
        _check_value(name, one)
    _require(all(values.count(one) == 1 for one in values), f"values must differ. Received: {values}.")
    _require(default is None or default in values, f"default must be one of {values}. Received: {default}.")
    return Range(name, values=tuple(values), **common)


def _sets(name: str, value: Mapping[str, Any], names: Sequence[str], common: dict[str, Any]) -> Range:
    sets, default = value["sets"], common["default"]
    _require(name not in names, "a choice of sets has a name of its own, not that of a setting.")
    extra = [key for key in value if key in ("values", "low", "high", "step", "sampling")]
    _require(not extra, f"sets and {', '.join(extra)} exclude each other.")
    filled = isinstance(sets, dict) and all(isinstance(one, dict) and one for one in sets.values())
    _require(filled and bool(sets), "sets must be names, each with its settings, such as {wide: {batch_size: 64}}.")
    _require(all(isinstance(one, str) for one in sets), f"names of sets must be words. Received: {list(sets)}.")
    first = next(iter(sets.values()))
    for label, settings in sets.items():
        for key in settings:
            _check_name(key, names, f"{label}, {key}: ")
            _check_value(key, settings[key])
        _require(
            settings.keys() == first.keys(), f"all sets must give {', '.join(first)}. {label}: {', '.join(settings)}."
        )
    _require(default is None or default in sets, f"default must be one of {list(sets)}. Received: {default}.")
    return Range(name, values=tuple(sets), sets=sets, **common)


def _numbers(name: str, value: Mapping[str, Any], common: dict[str, Any]) -> Range:
    low: Any = value.get("low")
    high: Any = value.get("high")
    step: Any = value.get("step")
    numbers = [number for number in (low, high, step, common["default"]) if number is not None]
    fine = all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers)
    _require(fine and low is not None and high is not None, f"low and high must be numbers. Received: {dict(value)}.")
    _require(low < high, f"low must be below high. Received: low={low}, high={high}.")
    sampling = value.get("sampling", "linear")
    _require(sampling in SAMPLINGS, f"sampling must be one of {', '.join(SAMPLINGS)}. Received: {sampling}.")
    _require(sampling == "linear" or low > 0, f"sampling {sampling} needs a low above 0. Received: low={low}.")
    least = 1 if sampling != "linear" else 0
    _require(step is None or step > least, f"step must be above {least}. Received: step={step}.")
    default = common["default"]
    _require(default is None or low <= default <= high, f"default must lie in the range. Received: {default}.")
    for number in numbers:
        _check_value(name, number)
    if not all(isinstance(number, int) for number in numbers):
        low, high, step = float(low), float(high), step and float(step)
    return Range(name, low=low, high=high, step=step, sampling=sampling, **common)
