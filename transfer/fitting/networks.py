"""The network of a case, its head alone, and both compiled for one phase."""

from __future__ import annotations

import dataclasses
import glob
from typing import Any

import keras

from training.config import TrainConfig
from training.optimizers import build_optimizer, loss_and_metric
from training.precision import policy
from transfer.cases import Case
from transfer.config import TransferConfig
from transfer.fitting.phases import Step, block_rates
from transfer.pretrained.catalog import cut_layer
from transfer.source import Source, backbone_for
from transfer.surgery import compile_frozen, replace_head, slice_at, trainable_count

MOMENTUM = 0.9  # of batch norms that learn from random weights


def case_network(source: Source, case: Case, config: TransferConfig, *, precision: str = "float32") -> keras.Model:
    """A network of its own for a case: cut, with a new head, pre-trained or random as the case says; uncompiled.

    The head's weights, and those of a random start, follow from the seed.

    Args:
        source: Data and pre-trained network, which stays as it is.
        case: What is cut and how it starts.
        config: Backbone, dropout and seed.
        precision: Keras' dtype policy of its layers.
    """
    keras.utils.set_random_seed(config.seed)
    backbone = backbone_for(config, source.data, weights=None, precision=precision)
    if case.initialisation == "pretrained":
        backbone.set_weights(source.pretrained)
    else:
        _follow_soon(backbone)
    body = slice_at(backbone, cut_layer(config.backbone, case.cut))
    with policy(precision):
        return replace_head(
            body,
            source.data.num_classes,
            pooling=case.head.pooling,
            units=case.head.units,
            dropout_rate=config.dropout_rate or case.head.dropout_rate,
            name=f"{config.backbone}_case_{case.name}",
        )


def _follow_soon(network: keras.Model) -> None:
    """Lets the statistics of batch norms follow the last ten steps instead of a hundred.

    From random weights they start as 0 and 1. At Keras' momentum of 0.99 they are still half that after 70 steps, which
    few images take tens of epochs for: validation, which sees them, would stand at chance, and early stopping end it.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, MOMENTUM)


def head_of(network: keras.Model) -> keras.Model:
    """The layers after `head_pool`, from features to probabilities; they share their weights with the network."""
    names = [layer.name for layer in network.layers]
    pool = names.index("head_pool")
    features = keras.Input(network.layers[pool].output.shape[1:], name="features")
    outputs = features
    for layer in network.layers[pool + 1 :]:
        outputs = layer(outputs)
    return keras.Model(features, outputs, name="head")


def compile_head(head: keras.Model, network: keras.Model, config: TrainConfig, **arguments: Any) -> int:
    """Compiles the head of a network; returns the number of parameters that are trained.

    Raises:
        RuntimeError: The head is not all that the frozen network would train.
    """
    loss, metric = loss_and_metric(_classes(head))
    optimizer = build_optimizer(config, head, total_steps=1)
    count = compile_frozen(head, up_to=None, optimizer=optimizer, loss=loss, metrics=[metric], **arguments)
    if count != trainable_count(network):
        raise RuntimeError(f"The head has {count} trainable weights, the frozen network {trainable_count(network)}.")
    return count


def compile_step(
    network: keras.Model, step: Step, case: Case, config: TransferConfig, settings: TrainConfig, **arguments: Any
) -> int:
    """Freezes and compiles a network for one phase; returns the number of parameters that are trained.

    Args:
        network: As `case_network` gives it; changed in place.
        step: What is frozen, and the rate.
        case: Whether batch norms keep their statistics, and what decays.
        config: Of the transfer run.
        settings: Of the phase, for `training`.
        **arguments: Further ones of `compile`.
    """
    loss, metric = loss_and_metric(_classes(network))
    optimizer = build_optimizer(settings, network, total_steps=1)
    if config.layer_decay != 1 and case.initialisation == "pretrained":
        optimizer = discriminative(network, settings, block_rates(config, case.cut, step.learning_rate))
    return compile_frozen(
        network,
        up_to=step.up_to,
        batch_norms=case.batch_norms,
        optimizer=optimizer,
        loss=loss,
        metrics=[metric],
        **arguments,
    )


def discriminative(network: keras.Model, settings: TrainConfig, rates: dict[str, float]) -> keras.optimizers.Optimizer:
    """The optimizer of the settings, with a rate of its own for each block; the head learns at that of the settings.

    Args:
        network: The whole network.
        settings: Of the phase.
        rates: The last layer of each block → its rate, from early to late, as `block_rates` gives them.
    """
    if settings.learning_rate is None:
        raise ValueError("a phase with rates by block must have one for the head. Received: learning_rate=None.")
    factors: dict[str, float] = {}
    for last, rate in rates.items():
        for layer in slice_at(network, last).layers:
            for variable in layer.weights:
                factors.setdefault(glob.escape(variable.path), rate / settings.learning_rate)
    by_block = dataclasses.replace(settings, rate_multipliers=factors)
    return build_optimizer(by_block, network, total_steps=1)


def _classes(network: keras.Model) -> int:
    """Number of classes; two share one unit."""
    units = int(network.output.shape[-1])
    return 2 if units == 1 else units
