"""A batch in parts gives what the same batch gives in one pass."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.simclr.methods import gradient_cache, nt_xent
from components.simclr.methods.objective import SimClr

IMAGES, SIZE, PARTS = 12, 6, 3


def build(has_norm: bool) -> SimClr:
    keras.utils.set_random_seed(1)
    pixels = keras.Input((SIZE, SIZE, 1))
    values = keras.layers.Conv2D(4, 3, activation="tanh")(pixels)
    values = keras.layers.BatchNormalization(momentum=0.9)(values) if has_norm else values
    encoder = keras.Model(pixels, keras.layers.Flatten()(values))
    representation = keras.Input((encoder.output_shape[1],))
    return SimClr(encoder, keras.Model(representation, keras.layers.Dense(5)(representation)), temperature=0.2)


def views(seed: int = 0) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(size=(2 * IMAGES, SIZE, SIZE, 1)), tf.float32)


def cached(method: SimClr, pixels: tf.Tensor, scale=lambda loss: loss):
    return gradient_cache.cached_gradients(
        method.encode, method.compare, gradient_cache.parts_of(pixels, PARTS), method.trainable_variables, scale
    )


def assert_equal(found, expected):
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(two), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("compiled", ["eager", "graph", "xla"])
def test_equals_the_large_batch_where_no_layer_looks_at_other_images(compiled):
    method, pixels = build(has_norm=False), views()
    with tf.GradientTape() as tape:
        whole = method(pixels)
    expected = tape.gradient(whole.loss, method.trainable_variables)
    run = {"eager": cached, "graph": tf.function(cached), "xla": tf.function(cached, jit_compile=True)}[compiled]
    outcome, gradients = run(method, pixels)
    assert_equal(outcome.measures, whole.measures)
    assert_equal([outcome.representations, outcome.projections], [whole.representations, whole.projections])
    assert_equal(gradients, expected)
    assert max(np.abs(gradient).max() for gradient in expected) > 0.01


def test_all_views_of_the_batch_are_negatives():
    """Plain accumulation would give the mean over the parts, which is lower."""
    method, pixels = build(has_norm=False), views()
    outcome, _ = cached(method, pixels)
    parts = [float(method(part).loss) for part in gradient_cache.parts_of(pixels, PARTS)]
    assert float(outcome.loss) > np.mean(parts) + 0.5


def test_batch_norm_has_the_statistics_of_each_part_and_moves_once():
    method, reference, pixels = build(has_norm=True), build(has_norm=True), views()
    parts = gradient_cache.parts_of(pixels, PARTS)
    with tf.GradientTape() as tape:
        projections = [reference.encode(part)[1] for part in parts]  # moves the statistics once per part
        first, second = (tf.concat(side, 0) for side in zip(*(tf.split(rows, 2) for rows in projections), strict=True))
        loss = nt_xent.nt_xent(first, second, 0.2).loss
    expected = tape.gradient(loss, reference.trainable_variables)
    outcome, gradients = tf.function(cached)(method, pixels)
    assert float(outcome.loss) == pytest.approx(float(loss), rel=1e-5)
    assert_equal(gradients, expected)
    norms = [model.encoder.layers[2] for model in (method, reference)]
    assert_equal(*([norm.moving_mean, norm.moving_variance] for norm in norms))
    assert np.abs(norms[0].moving_mean).max() > 1e-4


def test_gradients_are_those_of_the_scaled_loss():
    method, pixels = build(has_norm=False), views()
    plain, scaled = (cached(method, pixels, scale)[1] for scale in (lambda loss: loss, lambda loss: 64.0 * loss))
    assert_equal([gradient / 64 for gradient in scaled], plain)


def test_parts_hold_both_views_of_their_images():
    rows = tf.constant([0, 1, 2, 3, 10, 11, 12, 13])  # view 1 of image i is i, view 2 is 10 + i
    assert gradient_cache.parts_of(rows, 2).numpy().tolist() == [[0, 1, 10, 11], [2, 3, 12, 13]]
