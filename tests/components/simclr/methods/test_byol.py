"""BYOL's loss equals the formula, and a step with its target equals one that is worked out in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.simclr.methods import byol, momentum


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_loss_is_the_squared_distance_on_the_sphere():
    generator = np.random.default_rng(0)
    a, b = (generator.normal(size=(6, 4)).astype(np.float32) for _ in range(2))
    assert float(byol.byol_loss(a, b, 6)) == pytest.approx(np.mean(2 - 2 * cosine(a, b)), rel=1e-5)
    assert float(byol.byol_loss(a, 3 * a, 6)) == pytest.approx(0, abs=1e-5)
    assert float(byol.byol_loss(a, -a, 6)) == pytest.approx(4, rel=1e-5)
    assert float(byol.byol_loss(a, b, 12)) == pytest.approx(np.mean(2 - 2 * cosine(a, b)) / 2, rel=1e-5)  # half a batch
    with pytest.raises(ValueError, match="expected two equal shapes"):
        byol.byol_loss(a, b[:3], 6)


def matrix(weight: np.ndarray, name: str = "linear") -> keras.Model:
    inputs = keras.Input((weight.shape[0],))
    model = keras.Model(inputs, keras.layers.Dense(weight.shape[1], use_bias=False)(inputs), name=name)
    model.set_weights([weight])
    return model


def test_three_steps_by_hand():
    """Both directions count; no gradient reaches the target, which moves after the optimiser and ever more slowly."""
    generator = np.random.default_rng(1)
    online = [generator.normal(size=(3, 3)) for _ in range(3)]  # encoder, head, predictor
    models = [matrix(weight) for weight in online]
    copies = [matrix(np.zeros((3, 3))) for _ in range(2)]
    followers = momentum.Followers(models[:2], copies, momentum.cosine_rate(0.8, 3))
    method = byol.Byol(*models, followers)
    target = [weight.copy() for weight in online[:2]]
    for step in range(3):
        pixels = generator.normal(size=(8, 3)).astype(np.float32)
        first, second = pixels[:4].astype(np.float64), pixels[4:].astype(np.float64)
        predicted = [view @ online[0] @ online[1] @ online[2] for view in (first, second)]
        wanted = [view @ target[0] @ target[1] for view in (second, first)]
        expected = sum(np.mean(2 - 2 * cosine(*pair)) for pair in zip(predicted, wanted, strict=True))
        with tf.GradientTape(persistent=True) as tape:
            outcome = method(tf.constant(pixels))
        assert float(outcome.loss) == pytest.approx(expected, rel=1e-4)
        assert tape.gradient(outcome.loss, followers.state("target")["target_weights"]) == [None, None]
        gradients = tape.gradient(outcome.loss, method.trainable_variables)
        for variable, gradient in zip(method.trainable_variables, gradients, strict=True):
            variable.assign_sub(0.3 * gradient)
        method.follow(outcome)
        online = [weight - 0.3 * np.asarray(gradient) for weight, gradient in zip(online, gradients, strict=True)]
        m = 1 - 0.2 * (np.cos(np.pi * step / 3) + 1) / 2
        target = [m * old + (1 - m) * new for old, new in zip(target, online[:2], strict=True)]
        for variable, weight in zip(method.state()["target_weights"], target, strict=True):
            np.testing.assert_allclose(np.asarray(variable), weight, rtol=1e-4, atol=1e-5)
    assert len(method.trainable_variables) == 3


def test_each_view_has_its_own_statistics():
    """Views are encoded separately: the brightness of the second does not shift the representation of the first."""

    def normed() -> keras.Model:
        inputs = keras.Input((3,))
        return keras.Model(inputs, keras.layers.BatchNormalization(epsilon=1e-6)(inputs))

    eye = np.eye(3)
    followers = momentum.Followers([normed(), matrix(eye)], [normed(), matrix(eye)], momentum.constant_rate(0.5))
    method = byol.Byol(normed(), matrix(eye), matrix(eye), followers)
    pixels = np.random.default_rng(2).normal(size=(16, 3)).astype(np.float32)
    pixels[8:] += 100
    found = np.asarray(method(tf.constant(pixels)).representations)
    for rows, inputs in zip(np.split(found, 2), np.split(pixels.astype(np.float64), 2), strict=True):
        np.testing.assert_allclose(rows, (inputs - inputs.mean(0)) / inputs.std(0), rtol=1e-2, atol=1e-3)
