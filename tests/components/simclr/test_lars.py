"""LARS against steps worked out in NumPy, and which variables it leaves alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.simclr.lars import LARS

RATES = (0.5, 1.0, 0.25)  # the schedule changes
MOMENTUM, L2, ETA = 0.9, 0.01, 0.001


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return tf.gather(tf.constant(RATES), tf.cast(step, tf.int32))


def worked_out(start, gradients, is_kernel):
    """The formulae of the paper for one variable, in float64."""
    weight, velocity = start.astype(np.float64), np.zeros_like(start, np.float64)
    history = []
    for rate, gradient in zip(RATES, gradients, strict=True):
        gradient = gradient + (L2 * weight if is_kernel else 0.0)
        ratio = 1.0
        if is_kernel and np.linalg.norm(weight) > 0 and np.linalg.norm(gradient) > 0:
            ratio = ETA * np.linalg.norm(weight) / np.linalg.norm(gradient)
        velocity = MOMENTUM * velocity + rate * ratio * gradient
        weight = weight - velocity
        history.append(weight)
    return history


def test_three_steps_by_hand():
    generator = np.random.default_rng(0)
    starts = [generator.normal(size=(3, 4)), np.zeros((2, 2)), generator.normal(size=5)]  # kernel, zero kernel, gain
    gradients = [[generator.normal(size=start.shape) for _ in RATES] for start in starts]
    variables = [keras.Variable(start.astype(np.float32)) for start in starts]
    optimizer = LARS(Rates(), [variables[2]], momentum=MOMENTUM, l2=L2, trust_coefficient=ETA)
    expected = [worked_out(start, g, i < 2) for i, (start, g) in enumerate(zip(starts, gradients, strict=True))]
    for step in range(3):
        optimizer.apply([tf.constant(g[step], tf.float32) for g in gradients], variables)
        for variable, history in zip(variables, expected, strict=True):
            np.testing.assert_allclose(np.asarray(variable), history[step], rtol=1e-5, atol=1e-7)


def test_a_step_does_not_depend_on_the_size_of_the_gradient():
    moved = []
    for scale in (1.0, 1000.0):
        variable = keras.Variable(np.ones((4, 4), np.float32))
        optimizer = LARS(1.0, [], momentum=0.0, l2=0.0, trust_coefficient=ETA)
        optimizer.apply([scale * tf.reshape(tf.range(16.0), (4, 4))], [variable])
        moved.append(np.asarray(variable) - 1)
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-4)
    assert np.linalg.norm(moved[0]) == pytest.approx(ETA * 4, rel=1e-4)


def test_zero_gradient_moves_nothing():
    variable = keras.Variable(np.ones((2, 2), np.float32))
    LARS(1.0, [], momentum=0.9, l2=0.0, trust_coefficient=ETA).apply([tf.zeros((2, 2))], [variable])
    np.testing.assert_array_equal(np.asarray(variable), np.ones((2, 2)))


def test_unadapted_variables_may_decay():
    for decays, expected in ((False, 1.0), (True, 1 - 0.5 * 0.01)):
        variable = keras.Variable(np.ones(3, np.float32))
        optimizer = LARS(0.5, [variable], momentum=0.0, l2=0.01, trust_coefficient=ETA, decays_unadapted=decays)
        optimizer.apply([tf.zeros(3)], [variable])
        np.testing.assert_allclose(np.asarray(variable), expected, rtol=1e-6)


def test_runs_compiled():
    variable = keras.Variable(np.ones((2, 3), np.float32))
    optimizer = LARS(1.0, [], momentum=0.9, l2=0.0, trust_coefficient=ETA)
    optimizer.build([variable])
    tf.function(lambda gradient: optimizer.apply([gradient], [variable]), jit_compile=True)(tf.ones((2, 3)))
    np.testing.assert_allclose(np.asarray(variable), 1 - ETA, rtol=1e-5)


def test_a_stranger_among_the_unadapted_is_refused():
    mine, other = (keras.Variable(np.ones(3, np.float32)) for _ in range(2))
    with pytest.raises(ValueError, match="unadapted variables that it does not train"):
        LARS(1.0, [other], momentum=0.9, l2=0.0, trust_coefficient=ETA).build([mine])
