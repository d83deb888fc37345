"""Build an optimiser that knows which variables are kernels.

Kernels decay and, under LARS, have learning rates of their own. Biases, position embeddings, and the gains and shifts
of norms do not. A variable is told by the kind of layer that holds it, never by its name.
"""

from collections.abc import Sequence

import keras

from components.simclr.config import OptimizerConfig, OptimizerName
from components.simclr.encoders.layers import leaf_layers
from components.simclr.lars import LARS

_WITH_KERNEL = (keras.layers.Dense, keras.layers.Conv2D, keras.layers.EinsumDense)
_NORMS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)


def kernels(models: Sequence[keras.Model]) -> list[keras.Variable]:
    """The kernels of all dense and convolutional layers that train, also inside attention, in layer order."""
    return [layer.kernel for layer in _trained_layers(models) if isinstance(layer, _WITH_KERNEL)]


def norms_and_biases(models: Sequence[keras.Model]) -> list[keras.Variable]:
    """All trainable variables that are no kernels.

    Raises:
        ValueError: there are more or fewer of them than the layers have gains, shifts and biases. Then some layer holds
            a kind of variable that this module does not know.
    """
    kernel_ids = {id(kernel) for kernel in kernels(models)}
    others = [v for model in models for v in model.trainable_variables if id(v) not in kernel_ids]
    expected = 0
    for layer in _trained_layers(models):
        if isinstance(layer, _NORMS):
            expected += int(layer.scale) + int(layer.center)
        elif isinstance(layer, _WITH_KERNEL):
            expected += int(layer.bias is not None)
    if len(others) != expected:
        raise ValueError(f"expected {expected} gains, shifts and biases, found {len(others)} variables: {others}")
    return others


def _trained_layers(models: Sequence[keras.Model]) -> list[keras.layers.Layer]:
    return [layer for layer in leaf_layers(models) if layer.trainable]


def build_optimizer(
    config: OptimizerConfig,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    models: Sequence[keras.Model],
) -> keras.optimizers.Optimizer:
    """Build an optimiser for all trainable variables of ``models``, in their order.

    Args:
        config: update rule and decay; its learning rate is not used.
        learning_rate: the scaled learning rate or its schedule.
        models: encoder and projection head.

    Raises:
        ValueError: as ``norms_and_biases``.

    Source: You et al. 2017 (``lars.LARS``); Sutskever et al. 2013, section 2, for Nesterov's momentum; Loshchilov and
    Hutter 2017, algorithm 2, for AdamW; both in Keras' form.
    """
    unadapted = norms_and_biases(models)
    if config.name is OptimizerName.LARS:
        optimizer = LARS(
            learning_rate,
            unadapted,
            momentum=config.momentum,
            l2=config.weight_decay,
            trust_coefficient=config.trust_coefficient,
            decays_unadapted=config.decays_batch_norm_and_biases,
        )
    else:
        optimizer = _keras_optimizer(config, learning_rate)
        if not config.decays_batch_norm_and_biases:
            optimizer.exclude_from_weight_decay(var_list=unadapted)
    optimizer.build([variable for model in models for variable in model.trainable_variables])
    return optimizer


def _keras_optimizer(
    config: OptimizerConfig, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
) -> keras.optimizers.Optimizer:
    if config.name is OptimizerName.ADAMW:
        return keras.optimizers.AdamW(learning_rate, weight_decay=config.weight_decay, beta_1=config.momentum)
    decay = config.weight_decay or None
    return keras.optimizers.SGD(learning_rate, momentum=config.momentum, nesterov=True, weight_decay=decay)
