"""Labs: each idea of the notes as a measured experiment, one short module each, in the notes' order.

Importing this package, or a lab, loads no TensorFlow: an experiment imports what it needs when it runs.
"""

from __future__ import annotations

import difflib
import importlib

from training.checks import ConfigError
from training.labs.lab import Lab

NAMES = (
    "perceptron",
    "error_functions",
    "softmax_cross_entropy",
    "gradient_descent",
    "backpropagation",
    "model_complexity",
    "regularisation",
    "dropout",
    "random_restart",
    "vanishing_gradient",
    "batch_stochastic",
    "learning_rate",
    "momentum",
    "regression",
    "convolution",
    "local_connectivity",
    "augmentation",
    "random_labels",
    "loss_curves",
    "thresholds",
)


def load(name: str) -> Lab:
    """The lab of that name.

    Raises:
        ConfigError: There is none; the closest name is proposed.
    """
    if name not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(f"a lab's name must be one of {', '.join(NAMES)}. Received: {name}.{hint}")
    return importlib.import_module(f"training.labs.{name}").LAB
