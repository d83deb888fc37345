"""Weights that follow take steps that are worked out in NumPy."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.simclr.methods import momentum


def dense_model(width: int, has_norm: bool = False) -> keras.Model:
    inputs = keras.Input((3,))
    values = keras.layers.Dense(width)(inputs)
    return keras.Model(inputs, keras.layers.BatchNormalization()(values) if has_norm else values)


def test_cosine_rate_falls_from_the_base_to_nothing():
    rate = momentum.cosine_rate(0.996, 200)
    found = [float(rate(step)) for step in (0, 50, 100, 200, 300)]
    expected = [0.004, 0.004 * (1 + math.cos(math.pi / 4)) / 2, 0.002, 0.0, 0.0]
    assert found == pytest.approx(expected, abs=1e-9)
    assert [float(momentum.constant_rate(0.999)(step)) for step in (0, 7)] == pytest.approx([0.001] * 2, rel=1e-6)


def test_three_steps_by_hand():
    """w <- m w + (1 - m) w', while the leaders move between updates and the rate changes."""
    leader, copy = dense_model(2), dense_model(2)
    followers = momentum.Followers([leader], [copy], momentum.cosine_rate(0.5, 3))
    expected = [weight.astype(np.float64) for weight in leader.get_weights()]
    generator = np.random.default_rng(0)
    for step in range(3):
        leader.set_weights([generator.normal(size=weight.shape) for weight in leader.get_weights()])
        m = 1 - 0.5 * (math.cos(math.pi * step / 3) + 1) / 2
        expected = [m * old + (1 - m) * new for old, new in zip(expected, leader.get_weights(), strict=True)]
        followers.follow()
        for found, wanted in zip(copy.get_weights(), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert int(followers.updates) == 3


def test_copies_start_equal_and_encode_without_a_trace():
    """Followers use batch statistics, pass no gradient and leave moving statistics alone, also compiled."""
    leader, copy = dense_model(4, has_norm=True), dense_model(4, has_norm=True)
    followers = momentum.Followers([leader], [copy], momentum.constant_rate(0.9))
    inputs = tf.constant(np.random.default_rng(0).normal(2, 3, (16, 3)), tf.float32)
    before = copy.get_weights()
    with tf.GradientTape() as tape:
        (found,) = tf.function(followers.encode, jit_compile=True)(inputs)
    assert tape.gradient(found, copy.trainable_variables) == [None] * 4
    assert all(np.array_equal(one, two) for one, two in zip(before, copy.get_weights(), strict=True))
    np.testing.assert_allclose(found, leader(inputs, training=True), rtol=1e-3, atol=1e-4)
