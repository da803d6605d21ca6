"""Learning rates by variable: factors, freezing and coupled weight decay over any of Keras' optimizers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

PACKAGE = "groundwork"
_Optimizer: Any = keras.optimizers.Optimizer if TYPE_CHECKING else object  # Keras' own comes in by `with_rates`


class VariableRates(_Optimizer):
    """Mixin before a Keras optimizer: each variable has its own factor of the learning rate.

    A variable's factor is that of the first pattern that fits its path (as `matches` says), else 1. One whose factor is
    0, or whose steps are over, stays exactly as it is: neither momentum nor weight decay moves it. The factor does not
    scale weight decay: a step takes rate × decay of every decaying weight, as in PyTorch's recipes with a decay per
    group.

    Args:
        *args, **kwargs: Of the Keras optimizer.
        rate_multipliers: Pattern of variable paths (`fnmatch`; layer and weight, such as `conv1/bias`) → factor of the
            learning rate, at least 0.
        freeze_after: Pattern → steps after which the optimizer no longer changes a variable; the first that matches
            counts. (Lookahead, which is no optimizer, still takes it to its slow average.)
        coupled_weight_decay: c; a gradient gets c / factor times its weight added (L2, as PyTorch's SGD does), so that
            a step of SGD takes rate × c of every weight whatever its factor. It goes through momentum, and through the
            scaling of adaptive optimizers, and holds for biases and normalisation too. 0 adds nothing.
    """

    def __init__(
        self,
        *args: Any,
        rate_multipliers: Mapping[str, float] | None = None,
        freeze_after: Mapping[str, int] | None = None,
        coupled_weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.rate_multipliers = dict(rate_multipliers or {})
        self.freeze_after = dict(freeze_after or {})
        self.coupled_weight_decay = coupled_weight_decay

    def build(self, variables: list) -> None:
        """Looks the paths up; where an update happens, variables have none."""
        if self.built:
            return
        factors = [float(first_match(self.rate_multipliers, variable.path, 1.0)) for variable in variables]
        last_steps = [first_match(self.freeze_after, variable.path, None) for variable in variables]
        # Muon sets a kernel's norm itself: a decay would only turn its gradient
        keeps_norm = getattr(super(), "keeps_norm", lambda variable: False)
        self._normed = [keeps_norm(variable) for variable in variables]
        self._rates_of = tuple(zip(factors, last_steps, strict=True))
        own = [v for v, (factor, last) in zip(variables, self._rates_of, strict=True) if not factor or last is not None]
        self._decay_here = frozenset(self._var_key(v) for v in filter(super()._use_weight_decay, own))
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable at its own rate."""
        factor, last = self._rates_of[self._get_variable_index(variable)]
        if not factor:
            return
        before = None if last is None else ops.add(variable, 0)
        if self.weight_decay and self._var_key(variable) in self._decay_here:
            self.assign_sub(variable, variable * ops.cast(self.weight_decay * learning_rate, variable.dtype))
        if self.coupled_weight_decay and not self._normed[self._get_variable_index(variable)]:
            decay = ops.cast(self.coupled_weight_decay / factor, variable.dtype)
            gradient = ops.add(ops.cast(gradient, variable.dtype), ops.multiply(decay, variable))
        super().update_step(gradient, variable, ops.multiply(learning_rate, factor) if factor != 1 else learning_rate)
        if before is not None:
            self.assign(variable, ops.where(self._iterations < last, ops.add(variable, 0), before))

    def _use_weight_decay(self, variable: Any) -> bool:
        """Keras takes its decoupled decay off before the step; what may be frozen is left to the step."""
        return self._var_key(variable) not in self._decay_here and super()._use_weight_decay(variable)

    def get_config(self) -> dict[str, Any]:
        own = {"rate_multipliers": dict(self.rate_multipliers), "freeze_after": dict(self.freeze_after)}
        return super().get_config() | own | {"coupled_weight_decay": self.coupled_weight_decay}


def matches(path: str, pattern: str) -> bool:
    """Whether a pattern fits a variable's path, or its end behind a slash: `conv1/kernel` fits `net/conv1/kernel`."""
    return fnmatchcase(path, pattern) or fnmatchcase(path, f"*/{pattern}")


def first_match(table: Mapping[str, Any], path: str, otherwise: Any) -> Any:
    """The value of the first pattern that fits the path."""
    return next((value for pattern, value in table.items() if matches(path, pattern)), otherwise)


def unmatched(table: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Patterns that fit no path: most likely a misspelt name."""
    known = list(paths)
    return [pattern for pattern in table if not any(matches(path, pattern) for path in known)]


def with_rates(kind: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """A Keras optimizer with `VariableRates`, which Keras can save and load: `SGD` becomes `SGDWithRates`."""
    made = type(f"{kind.__name__}WithRates", (VariableRates, kind), {"__doc__": VariableRates.__doc__})
    return keras.saving.register_keras_serializable(PACKAGE)(made)
