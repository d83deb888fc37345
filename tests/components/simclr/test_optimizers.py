"""Kernels are told from the rest by their layers, and only kernels decay."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.simclr import optimizers
from components.simclr.config import Architecture, EncoderConfig, OptimizerConfig, OptimizerName, ProjectionHeadConfig
from components.simclr.encoder import build_encoder
from components.simclr.projection_head import build_projection_head


@pytest.fixture(scope="module")
def models():
    encoder = build_encoder(EncoderConfig(width_multiplier=0.125), 32, 3)
    return [encoder, build_projection_head(ProjectionHeadConfig(layers=2), 64)]


def test_counts_of_a_resnet18(models):
    assert len(optimizers.kernels(models)) == 20 + 2  # 17 convolutions, 3 shortcuts; two dense layers
    assert len(optimizers.norms_and_biases(models)) == 2 * 20 + 2 + 1  # the head's last has a gain only
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
