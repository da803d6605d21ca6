"""A model's description, `config.json`, walked to its last leaf before Keras sees it."""

from __future__ import annotations

import math
from typing import Any

from training.modelfile.archive import DEEPEST
from training.modelfile.names import MODELS, check_name
from training.modelfile.refusal import refuse, shown

LAYERS, MODEL, COMPILED = "layers", "model", "compile_config"  # where a part of the config stands
NAMES = ("class_name", "module", "registered_name")
VALUES = ("__numpy__", "__tensor__")
PLAIN = (*VALUES, "__keras_tensor__", "__ellipsis__", "__slice__", "__bytes__")
DTYPES = ("bool", "bfloat16", *(f"{kind}{bits}" for kind in ("float", "int", "uint") for bits in (8, 16, 32, 64)))
LOOPS = {"num_ops": 16, "num_chains": 16, "chain_depth": 16}  # layers that Keras unrolls as often as these say
MOST_CALLS = 10_000  # of layers, those of models within models multiplied
MOST_CONSTANTS = 2**22  # numbers that a Normalization layer spreads its mean over while it is built


def check_config(config: dict[str, Any]) -> None:
    """Refuses a config with a name, a number or a structure that Keras does not write for an image model.

    Args:
        config: `config.json`, parsed.

    Raises:
        Refusal: At the first.
    """
    if config.get("class_name") not in MODELS:
        refuse(f"its config is that of {shown(config.get('class_name'))}", "a Sequential or a functional model")
    waiting: list[tuple[Any, int, str]] = [(config, 0, LAYERS)]
    while waiting:
        value, depth, place = waiting.pop()
        if depth > DEEPEST:
            refuse("its config is nested too deeply", f"at most {DEEPEST} levels")
        if isinstance(value, dict):
            _check_place(value, depth, place)
            _check_entry(value, training=place == COMPILED)
            waiting += [(part, depth + 1, _place_of(key, value, depth, place)) for key, part in value.items()]
        elif isinstance(value, list):
            waiting += [(part, depth + 1, place) for part in value]
        elif isinstance(value, int | float):
            _check_number(value)
    if _calls(config, {}) > MOST_CALLS:
        refuse(f"its models within models call their layers more than {MOST_CALLS:,} times", "fewer")


def _check_number(value: float) -> None:
    """Finite, and no larger than 64 bits."""
    if abs(value) >= 2**63 if isinstance(value, int) else not math.isfinite(value):
        refuse("its config holds a number beyond all bounds", "finite numbers of at most 64 bits")


def _place_of(key: str, entry: dict[str, Any], depth: int, place: str) -> str:
    """Where a part of an entry stands: among a model's layers, in its settings, in those of training, or elsewhere."""
    if place == COMPILED or (key == COMPILED and not depth):
        return COMPILED
    if place == LAYERS and key == "config" and entry.get("class_name") in MODELS:
        return MODEL
    return LAYERS if place == MODEL and key == "layers" else ""


def _check_place(entry: dict[str, Any], depth: int, place: str) -> None:
    """Models only where their calls are counted, and settings of training only where Keras leaves them alone."""
    if entry.get("class_name") in MODELS and place != LAYERS:
        refuse("its config holds a model that is no layer of another", "models among the layers of models")
    if depth and entry.get(COMPILED):
        refuse("its config compiles a model within the model", "settings of training for the whole model alone")


def _check_entry(entry: dict[str, Any], *, training: bool) -> None:
    """One dictionary: the class that it names, its calls, and values that Keras would loop or allocate by."""
    for key in LOOPS.keys() & entry.keys():
        if isinstance(entry[key], int) and entry[key] > LOOPS[key]:
            refuse(f"its config asks for {key} {entry[key]:,}", f"at most {LOOPS[key]}")
    if not any(key in entry for key in NAMES):
        return
    name, settings = entry.get("class_name"), entry.get("config")
    if name in PLAIN:
        if name in VALUES and not (isinstance(settings, dict) and settings.get("dtype") in DTYPES):
            refuse(f"its config holds {name} of no dtype of Keras", "numbers")
        return
    check_name(entry, training=training)
    _check_nodes(entry.get("inbound_nodes", []))
    if name == "Normalization":
        _check_normalization(settings, entry.get("build_config"))


def _check_nodes(nodes: Any) -> None:
    """Every call takes a symbolic tensor: a call with constants alone would be computed at once, at any size."""
    if not isinstance(nodes, list) or not all(isinstance(node, dict) and _is_symbolic(_given(node)) for node in nodes):
        refuse("its config calls a layer with constants alone", "tensors of the graph")


def _given(node: dict[str, Any]) -> list[Any]:
    """A call's arguments; whatever else stands beside them, Keras passes over."""
    return [node.get("args"), node.get("kwargs")]


def _is_symbolic(value: Any) -> bool:
    """Whether a tensor of the graph stands among a call's arguments, and not within an object."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict) and part.get("class_name") == "__keras_tensor__" and "config" in part:
            return True
        if isinstance(part, dict) and "class_name" not in part:
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return False


def _check_normalization(settings: Any, build: Any) -> None:
    """The layer spreads its mean along its axes when it is built, before anything could be counted."""
    shape = build.get("input_shape") if isinstance(build, dict) else None
    axes = settings.get("axis") if isinstance(settings, dict) else None
    axes = [axes] if isinstance(axes, int) else axes or []
    try:
        size = math.prod(shape[axis] for axis in axes)  # type: ignore[index]
    except (TypeError, IndexError):
        size = MOST_CONSTANTS + 1
    if not isinstance(shape, list) or size > MOST_CONSTANTS:
        refuse("its Normalization layer has no input_shape, or a huge one", f"at most {MOST_CONSTANTS:,} numbers")


def _calls(entry: dict[str, Any], known: dict[Any, int]) -> int:
    """How often layers are called within a model, once per call of the model that holds them."""
    settings = entry.get("config")
    layers = settings.get("layers") if isinstance(settings, dict) else None
    total = 0
    for layer in layers if isinstance(layers, list) else []:
        if isinstance(layer, dict):
            nodes = layer.get("inbound_nodes")
            times = len(nodes) if isinstance(nodes, list) else 1
            total += max(1, times) * (1 + _calls(layer, known))
    shared = entry.get("shared_object_id")
    if isinstance(shared, int | float | str):  # the second mention may be empty, and still stands for the first
        known[shared] = total = max(total, known.get(shared, 0))
    return total
