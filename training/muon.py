"""Muon: steps of a kernel whose directions all have about the same length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from training.rates import PACKAGE, matches

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic, which raises small singular values as steeply as it can
ITERATIONS = 3
TINY = 1e-7


@keras.saving.register_keras_serializable(PACKAGE)
class Muon(keras.optimizers.SGD):
    """SGD whose steps of convolution and Dense kernels are made orthogonal, and which sets those kernels' norm.

    A kernel counts as a matrix with one column per output, and is scaled to the norm √outputs before each step: this is
    for networks that begin anew, best with normalisation behind their kernels. Each step, with its gradient G at rate
    η: M ← μ·M + G; O ≈ U·Vᵀ of (G + μ·M = U·S·Vᵀ with Nesterov, else M); W ← W·√outputs / ‖W‖ − η·O. All other weights,
    and kernels that are spared, take steps of SGD. Keras' own `Muon` orthogonalizes matrices alone, and no
    convolution.

    Args:
        learning_rate: η, of all weights; factors (`training.rates`) suit the others, whose steps grow with their
            gradient.
        momentum: Of SGD, above 0.
        nesterov: For both; a run has it where its settings say so.
        kernel_momentum: μ, in [0, 1); None takes `momentum`.
        spared: Patterns of paths of kernels that take steps of SGD, such as that of the last layer.
        **kwargs: Of `keras.optimizers.SGD`.

    Raises:
        ValueError: If there is no momentum.

    Reference:
        Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks",
        kellerjordan.github.io/posts/muon; the normalised kernels are those of its CIFAR-10 record.
    """

    def __init__(
        self,
        learning_rate: Any = 0.05,
        momentum: float = 0.85,
        nesterov: bool = True,
        *,
        kernel_momentum: float | None = None,
        spared: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, momentum, nesterov, **kwargs)
        if not momentum:
            raise ValueError(f"momentum must be above 0. Received: {momentum}.")
        self.kernel_momentum = kernel_momentum
        self.spared = list(spared)

    def keeps_norm(self, variable: Any) -> bool:
        """Whether the steps of this weight are orthogonal: then no decay could make it smaller."""
        matrix = is_kernel(variable) and variable.shape[-1] > 1
        return matrix and not any(matches(variable.path, pattern) for pattern in self.spared)

    def build(self, variables: list) -> None:
        """Looks the paths up; where an update happens, variables have none."""
        if not self.built:
            self._orthogonal = [self.keeps_norm(variable) for variable in variables]
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        index = self._get_variable_index(variable)
        if not self._orthogonal[index]:
            super().update_step(gradient, variable, learning_rate)
            return
        gradient, rate = ops.cast(gradient, variable.dtype), ops.cast(learning_rate, variable.dtype)
        decay = self.momentum if self.kernel_momentum is None else self.kernel_momentum
        memory = ops.add(ops.multiply(decay, self.momentums[index]), gradient)
        self.assign(self.momentums[index], memory)
        direction = ops.add(gradient, ops.multiply(decay, memory)) if self.nesterov else memory
        outputs = variable.shape[-1]
        step = ops.reshape(orthogonalized(ops.reshape(direction, (-1, outputs))), variable.shape)
        weights = ops.add(variable, 0)
        scale = ops.divide(math.sqrt(outputs), ops.add(ops.sqrt(ops.sum(ops.square(weights))), TINY))
        self.assign(variable, ops.subtract(ops.multiply(weights, scale), ops.multiply(rate, step)))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"kernel_momentum": self.kernel_momentum, "spared": list(self.spared)}


def is_kernel(variable: Any) -> bool:
    """Whether a weight is the kernel of a `Dense` or `Conv2D` layer, whose last axis is its outputs."""
    return variable.path.endswith("/kernel") and len(variable.shape) in (2, 4)


def orthogonalized(matrix: Any, iterations: int = ITERATIONS) -> Any:
    """About U·Vᵀ of the matrix U·S·Vᵀ, by Newton and Schulz' iteration: no decomposition, products alone.

    Args:
        matrix: `(rows, columns)`.
        iterations: More bring small singular values closer to 1, where they stay between about 0.7 and 1.2.
    """
    rows, columns = matrix.shape
    found = ops.transpose(matrix) if rows > columns else matrix  # the smaller side's products
    found = ops.divide(found, ops.add(ops.sqrt(ops.sum(ops.square(found))), TINY))  # no singular value above 1
    first, third, fifth = COEFFICIENTS
    for _ in range(iterations):
        square = ops.matmul(found, ops.transpose(found))
        odd = ops.add(ops.multiply(third, square), ops.multiply(fifth, ops.matmul(square, square)))
        found = ops.add(ops.multiply(first, found), ops.matmul(odd, found))
    return ops.transpose(found) if rows > columns else found
