"""Estimated statistics equal those of all rows together."""

import keras
import numpy as np
import pytest

from components.simclr.encoders.batch_norm import estimate_batch_norm_statistics


def build_model() -> keras.Model:
    start = keras.initializers.GlorotUniform(seed=1)
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(4, kernel_initializer=start),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
            keras.layers.ReLU(),
            keras.layers.Dense(3, kernel_initializer=start),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
        ]
    )


def test_first_layer_gets_the_moments_of_all_rows():
    model = build_model()
    batches = np.random.default_rng(0).normal(2.0, 3.0, size=(7, 20, 5)).astype(np.float32)
    weights = [np.array(v) for v in model.trainable_variables]
    assert estimate_batch_norm_statistics(model, batches) == 7
    inputs = batches.reshape(-1, 5).astype(np.float64) @ np.asarray(model.layers[0].kernel, np.float64)
    np.testing.assert_allclose(model.layers[1].moving_mean, inputs.mean(0), rtol=1e-4)
    np.testing.assert_allclose(model.layers[1].moving_variance, inputs.var(0), rtol=1e-4)
    assert all(np.array_equal(a, np.asarray(b)) for a, b in zip(weights, model.trainable_variables, strict=True))
    assert all(layer.momentum == 0.9 for layer in (model.layers[1], model.layers[4]))


def test_outputs_of_the_pooled_batches_are_standardised():
    model = build_model()
    batches = np.random.default_rng(0).normal(size=(4, 64, 5)).astype(np.float32)
    estimate_batch_norm_statistics(model, batches)
    outputs = model.predict(batches.reshape(-1, 5), verbose=0)
    np.testing.assert_allclose(outputs.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(outputs.std(0), 1, atol=0.05)


def test_estimating_twice_gives_the_same():
    model = build_model()
    batches = np.random.default_rng(0).normal(size=(3, 16, 5)).astype(np.float32)
    estimate_batch_norm_statistics(model, batches)
    first = [np.array(v) for v in model.non_trainable_variables]
    estimate_batch_norm_statistics(model, batches)
    assert all(
        np.allclose(a, np.asarray(b), rtol=1e-5) for a, b in zip(first, model.non_trainable_variables, strict=True)
    )


def test_no_batches_are_refused():
    with pytest.raises(ValueError, match="no batches"):
        estimate_batch_norm_statistics(build_model(), [])


def test_without_batch_norm_no_batch_is_asked_for():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), keras.layers.LayerNormalization()])
    batches = iter([np.zeros((2, 5), np.float32)])
    assert estimate_batch_norm_statistics(model, batches) == 0
    assert len(list(batches)) == 1


def test_layers_of_models_inside_a_model_are_estimated_too():
    inner, batches = build_model(), np.random.default_rng(3).normal(size=(3, 20, 5)).astype(np.float32)
    start = keras.Input((5,))
    assert estimate_batch_norm_statistics(keras.Model(start, inner(start)), batches) == 3
    alone = build_model()
    estimate_batch_norm_statistics(alone, batches)
    np.testing.assert_allclose(inner.layers[1].moving_mean, alone.layers[1].moving_mean, rtol=1e-5)
