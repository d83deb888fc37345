"""The layers tell which variables are kernels, and only kernels decay."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.simclr import optimizers
from components.simclr.config import Architecture, EncoderConfig, OptimizerConfig, OptimizerName, ProjectionHeadConfig
from components.simclr.encoders.encoder import build_encoder
from components.simclr.encoders.projection_head import build_projection_head


@pytest.fixture(scope="module")
def models():
    encoder = build_encoder(EncoderConfig(width_multiplier=0.125), 32, 3)
    return [encoder, build_projection_head(ProjectionHeadConfig(layers=2), 64)]


def test_counts_of_a_resnet18(models):
    assert len(optimizers.kernels(models)) == 20 + 2  # 17 convolutions, 3 shortcuts; two dense layers
    assert len(optimizers.norms_and_biases(models)) == 2 * 20 + 2 + 1  # the last norm of the head has only a gain
    assert len(optimizers.kernels(models)) + 43 == sum(len(model.trainable_variables) for model in models)


def test_variables_of_an_unknown_kind_are_refused():
    strange = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.PReLU()])
    with pytest.raises(ValueError, match="expected 1 gains, shifts and biases, found 2"):
        optimizers.norms_and_biases([strange])


@pytest.mark.parametrize("name", list(OptimizerName))
@pytest.mark.parametrize("decays_all", [False, True])
def test_what_decays(name, decays_all):
    encoder = build_encoder(EncoderConfig(architecture=Architecture.SMALL_CNN, width_multiplier=0.25), 16, 1)
    config = OptimizerConfig(name=name, weight_decay=0.1, decays_batch_norm_and_biases=decays_all)
    optimizer = optimizers.build_optimizer(config, 0.01, [encoder])
    before = [np.array(variable) for variable in encoder.trainable_variables]
    optimizer.apply([tf.zeros(variable.shape) for variable in encoder.trainable_variables], encoder.trainable_variables)
    kernel_ids = {id(kernel) for kernel in optimizers.kernels([encoder])}
    for variable, old in zip(encoder.trainable_variables, before, strict=True):
        shrunk = np.linalg.norm(np.asarray(variable)) < np.linalg.norm(old)
        assert shrunk == (bool(np.any(old)) and (id(variable) in kernel_ids or decays_all)), variable.path


RATES = (0.5, 1.0, 0.25)  # the schedule changes


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return tf.gather(tf.constant(RATES), tf.cast(step, tf.int32))


def nesterov_by_hand(weight, gradients, decay):
    """Sutskever et al. 2013 with the rate inside the momentum, and decay apart from the gradient."""
    velocity = np.zeros_like(weight)
    for rate, gradient in zip(RATES, gradients, strict=True):
        weight = weight * (1 - decay * rate)
        velocity = 0.9 * velocity - rate * gradient
        weight = weight + 0.9 * velocity - rate * gradient
    return weight


def adamw_by_hand(weight, gradients, decay):
    """Loshchilov and Hutter 2017, algorithm 2, with Keras' epsilon."""
    first, second = np.zeros_like(weight), np.zeros_like(weight)
    for step, (rate, gradient) in enumerate(zip(RATES, gradients, strict=True), 1):
        weight = weight * (1 - decay * rate)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        corrected = first / (1 - 0.9**step), second / (1 - 0.999**step)
        weight = weight - rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-7)
    return weight


@pytest.mark.parametrize("decays_all", [False, True])
@pytest.mark.parametrize(("name", "by_hand"), [("sgd", nesterov_by_hand), ("adamw", adamw_by_hand)])
def test_three_steps_by_hand(name, by_hand, decays_all):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, bias_initializer="ones")])
    kernel, bias = model.trainable_variables
    config = OptimizerConfig(name=OptimizerName(name), weight_decay=0.1, decays_batch_norm_and_biases=decays_all)
    optimizer = optimizers.build_optimizer(config, Rates(), [model])
    generator = np.random.default_rng(0)
    gradients = [[generator.normal(size=variable.shape) for _ in RATES] for variable in (kernel, bias)]
    expected = [
        by_hand(np.asarray(variable, np.float64), steps, decay)
        for variable, steps, decay in zip((kernel, bias), gradients, (0.1, 0.1 if decays_all else 0.0), strict=True)
    ]
    for step in range(len(RATES)):
        optimizer.apply([tf.constant(steps[step], tf.float32) for steps in gradients], [kernel, bias])
    for variable, values in zip((kernel, bias), expected, strict=True):
        np.testing.assert_allclose(np.asarray(variable), values, rtol=2e-4, atol=1e-5)


def test_lars_is_that_of_the_paper():
    config = OptimizerConfig(name=OptimizerName.LARS)
    assert (config.trust_coefficient, config.momentum) == (0.001, 0.9)
    assert config.decays_batch_norm_and_biases is False
