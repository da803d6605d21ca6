"""Rules on what a user hands to a factory: one rule per error, before any layer is made. Pure Python."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral


def is_positive_integer(value: object) -> bool:
    """True for 1, 2, 3, … (of Python or NumPy), False for everything else, `True` and 1.0 among it."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


def check_input_shape(input_shape: Sequence[int]) -> None:
    """Raises ValueError unless `input_shape` is that of an image or of a table."""
    if len(input_shape) not in (1, 3):
        raise ValueError(
            f"input_shape must be (height, width, channels) or (features,). Received: input_shape={tuple(input_shape)}."
        )
    _check_dimensions(input_shape)


def check_image_shape(input_shape: Sequence[int], min_size: int = 1) -> None:
    """Raises ValueError unless `input_shape` is that of an image of at least `min_size` pixels each way."""
    if len(input_shape) != 3:
        raise ValueError(f"input_shape must be (height, width, channels). Received: input_shape={tuple(input_shape)}.")
    _check_dimensions(input_shape)
    if min(input_shape[:2]) < min_size:
        raise ValueError(
            f"input_shape must be at least {min_size} pixels high and wide for this many poolings: use larger images "
            f"or fewer filters. Received: input_shape={tuple(input_shape)}."
        )


def _check_dimensions(input_shape: Sequence[int]) -> None:
    if not all(is_positive_integer(size) for size in input_shape):
        raise ValueError(f"input_shape must hold positive integers. Received: input_shape={tuple(input_shape)}.")


def check_num_classes(num_classes: int) -> None:
    """Raises ValueError unless there are two classes or more."""
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2. Received: {num_classes=}.")


def check_two_classes(name: str, num_classes: int) -> None:
    """Raises ValueError unless there are exactly two classes, all that the model `name` can separate."""
    if num_classes != 2:
        raise ValueError(f"num_classes must be 2: {name} separates two classes. Received: {num_classes=}.")


def check_one_output(num_classes: int) -> None:
    """Raises ValueError unless `num_classes` is 0 (no classes) or 1 (one output), as a regressor has."""
    if num_classes not in (0, 1):
        raise ValueError(f"num_classes must be 0 or 1: a regressor has one output. Received: {num_classes=}.")


def check_sizes(name: str, values: Iterable[int]) -> None:
    """Raises ValueError unless `values` (units or filters, one per layer) are one or more positive integers."""
    if not isinstance(values, (list, tuple)):
        raise ValueError(f"{name} must be a list such as [64, 32]. Received: {name}={values!r}.")
    values = tuple(values)
    if not values or not all(is_positive_integer(value) for value in values):
        raise ValueError(f"{name} must hold one or more positive integers. Received: {name}={values}.")


def check_size(name: str, value: int) -> None:
    """Raises ValueError unless `value` is a positive integer."""
    if not is_positive_integer(value):
        raise ValueError(f"{name} must be a positive integer. Received: {name}={value!r}.")


def check_rate(name: str, value: float) -> None:
    """Raises ValueError unless `value`, a dropout rate, lies in [0, 1)."""
    if not (isinstance(value, (int, float)) and 0 <= value < 1):
        raise ValueError(f"{name} must be at least 0 and below 1. Received: {name}={value}.")


def check_positive(name: str, value: float) -> None:
    """Raises ValueError unless `value` is a finite number above 0."""
    if not (isinstance(value, (int, float)) and value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be finite and above 0. Received: {name}={value}.")


def check_penalty(name: str, value: float) -> None:
    """Raises ValueError unless `value`, the weight of a penalty, is finite and not negative."""
    if not (isinstance(value, (int, float)) and value >= 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be finite and at least 0. Received: {name}={value}.")


def check_target(target_mean: float, target_scale: float) -> None:
    """Raises ValueError unless the mean is finite and the scale finite and above 0."""
    if not math.isfinite(target_mean):
        raise ValueError(f"target_mean must be finite. Received: {target_mean=}.")
    if not (target_scale > 0 and math.isfinite(target_scale)):
        raise ValueError(f"target_scale must be finite and above 0. Received: {target_scale=}.")


def check_statistics(
    input_shape: Sequence[int], mean: Sequence[float] | None, variance: Sequence[float] | None
) -> None:
    """Raises ValueError unless `mean` and `variance` are both absent, or one finite number each per feature."""
    if (mean is None) != (variance is None):
        missing = "mean" if mean is None else "variance"
        raise ValueError(f"mean and variance must be given together. Received: {missing}=None.")
    if mean is None or variance is None:
        return
    if len(input_shape) == 3:
        raise ValueError(
            "mean and variance are for tables; images are rescaled by 1/255. "
            f"Received: input_shape={tuple(input_shape)}."
        )
    for name, values in (("mean", mean), ("variance", variance)):
        if len(values) != input_shape[0]:
            raise ValueError(f"{name} must hold one number per feature, {input_shape[0]}. Received: {len(values)}.")
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"{name} must be finite. Received: {name}={[float(value) for value in values]}.")
    if min(variance) < 0:
        raise ValueError(f"variance must be at least 0. Received: variance={[float(value) for value in variance]}.")
