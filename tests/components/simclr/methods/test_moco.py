"""InfoNCE equals a loop; queue, keys and key encoder follow steps that are worked out in NumPy."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.simclr.methods import moco, momentum
from components.simclr.methods.nt_xent import Replicas


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def worked_out(queries, keys, queue, temperature):
    """The loss of the paper and its top-1, in float64, one query at a time."""
    queries, keys = unit(queries.astype(np.float64)), unit(keys.astype(np.float64))
    losses, found = [], []
    for query, key in zip(queries, keys, strict=True):
        positive = query @ key / temperature
        negatives = [query @ row / temperature for row in queue.astype(np.float64)]
        losses.append(-positive + math.log(sum(math.exp(value) for value in [positive, *negatives])))
        found.append(positive > max(negatives))
    return np.mean(losses), np.mean(found)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_info_nce_equals_a_loop(temperature):
    generator = np.random.default_rng(1)
    queries = generator.normal(size=(8, 5)).astype(np.float32)
    keys = (queries + generator.normal(size=(8, 5))).astype(np.float32)
    queue = unit(generator.normal(size=(24, 5))).astype(np.float32)
    loss, top1, _ = moco.info_nce(queries, keys, queue, temperature, global_batch_size=8)
    expected, found = worked_out(queries, keys, queue, temperature)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(top1) == pytest.approx(found)
    assert 0 < found < 1


def test_no_gradient_reaches_the_keys():
    generator = np.random.default_rng(2)
    queries, keys = (tf.constant(generator.normal(size=(4, 3)), tf.float32) for _ in range(2))
    queue = unit(generator.normal(size=(8, 3))).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch([queries, keys])
        loss = moco.info_nce(queries, keys, queue, 0.2, 4).loss
    of_queries, of_keys = tape.gradient(loss, [queries, keys])
    assert of_keys is None
    assert np.abs(of_queries).max() > 1e-3


def test_collapsed_images_give_chance_and_find_nothing():
    same = np.ones((4, 6), np.float32)
    loss, top1, top5 = moco.info_nce(same, same, unit(np.ones((12, 6), np.float32)), 0.2, 4)
    assert float(loss) == pytest.approx(moco.chance_loss(12)) == pytest.approx(math.log(13))
    assert (float(top1), float(top5)) == (0, 0)


def test_finite_at_a_low_temperature_and_with_zero_vectors():
    queue = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)
    for queries in (-np.eye(3, dtype=np.float32), np.zeros((3, 3), np.float32)):
        queries = tf.constant(queries)
        with tf.GradientTape() as tape:
            tape.watch(queries)
            loss = moco.info_nce(queries, np.eye(3, dtype=np.float32), queue, 0.01, 3).loss
        assert np.isfinite(loss)
        assert np.isfinite(tape.gradient(loss, queries)).all()


def test_wrong_arguments_are_refused():
    rows = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match="temperature must be positive"):
        moco.info_nce(rows, rows, rows, 0.0, 4)
    with pytest.raises(ValueError, match=r"expected shapes \(n, p\), \(n, p\) and \(Q, p\)"):
        moco.info_nce(rows, rows[:2], rows, 0.2, 4)


def test_the_queue_replaces_its_oldest_keys():
    queue = moco.KeyQueue(6, 3, seed=0)
    expected = np.array(queue.rows)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, rtol=1e-5)
    for step in range(5):
        keys = unit(np.random.default_rng(step).normal(size=(2, 3))).astype(np.float32)
        queue.enqueue(tf.constant(keys))
        start = 2 * (step % 3)
        expected[start : start + 2] = keys
        np.testing.assert_array_equal(np.asarray(queue.rows), expected)
        assert int(queue.pointer) == (start + 2) % 6
    with pytest.raises(ValueError, match="a queue of 6 keys cannot take 4 at a time"):
        queue.enqueue(tf.ones((4, 3)))


def linear(weight: float) -> keras.Model:
    """x -> weight * x, on two numbers."""
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(2, use_bias=False)(inputs))
    model.set_weights([np.array([[weight, 0], [0, weight]])])
    return model


def test_two_steps_by_hand():
    """Trained weights make queries, followers make keys, the loss sees the old queue; then SGD, then momentum."""
    generator = np.random.default_rng(3)
    encoder, head = linear(1.0), linear(2.0)
    followers = momentum.Followers([encoder, head], [linear(0.0), linear(0.0)], momentum.constant_rate(0.9))
    queue = moco.KeyQueue(8, 2, seed=1)
    method = moco.MoCo(encoder, head, followers, queue, temperature=0.5, groups=2)
    online = [weight.astype(np.float64) for weight in (*encoder.get_weights(), *head.get_weights())]
    slow, rows = [weight.copy() for weight in online], np.array(queue.rows)
    for step in range(2):
        pixels = generator.normal(size=(8, 2)).astype(np.float32)
        keys = unit(pixels[4:].astype(np.float64) @ slow[0] @ slow[1])
        expected, _ = worked_out(pixels[:4] @ online[0] @ online[1], keys, rows, 0.5)
        with tf.GradientTape() as tape:
            outcome = method(tf.constant(pixels))
        assert float(outcome.loss) == pytest.approx(expected, rel=1e-5)
        gradients = tape.gradient(outcome.loss, method.trainable_variables)
        for variable, gradient in zip(method.trainable_variables, gradients, strict=True):
            variable.assign_sub(0.5 * gradient)
        method.follow(outcome)
        online = [weight - 0.5 * np.asarray(gradient) for weight, gradient in zip(online, gradients, strict=True)]
        slow = [0.9 * old + 0.1 * new for old, new in zip(slow, online, strict=True)]
        rows[4 * step : 4 * step + 4] = keys
        np.testing.assert_allclose(np.asarray(queue.rows), rows, rtol=1e-4, atol=1e-5)
        found = [np.asarray(variable) for variable in method.state()["key_weights"]]
        for weight, wanted in zip(found, slow, strict=True):
            np.testing.assert_allclose(weight, wanted, rtol=1e-4, atol=1e-5)
    assert set(method.state()) >= {"key_weights", "key_updates", "queue", "queue_pointer"}


def test_keys_are_normalised_in_groups():
    """Each half of the keys is normalised by its own statistics."""

    def normed() -> keras.Model:
        inputs = keras.Input((2,))
        return keras.Model(inputs, keras.layers.BatchNormalization(epsilon=1e-6)(inputs))

    followers = momentum.Followers([normed(), linear(1.0)], [normed(), linear(1.0)], momentum.constant_rate(0.5))
    method = moco.MoCo(normed(), linear(1.0), followers, moco.KeyQueue(16, 2, 0), temperature=0.5, groups=2)
    pixels = np.random.default_rng(4).normal(3, 2, (16, 2)).astype(np.float32)
    keys = np.asarray(method(tf.constant(pixels)).representations)[8:]
    for rows, inputs in zip(np.split(keys, 2), np.split(pixels[8:], 2), strict=True):
        np.testing.assert_allclose(rows, (inputs - inputs.mean(0)) / inputs.std(0), rtol=1e-3, atol=1e-4)
    assert np.abs(keys - (pixels[8:] - pixels[8:].mean(0)) / pixels[8:].std(0)).max() > 0.1


def test_keys_of_all_replicas_join_the_queue():
    followers = momentum.Followers([linear(1), linear(1)], [linear(1), linear(1)], momentum.constant_rate(0.5))
    method = moco.MoCo(linear(1), linear(1), followers, moco.KeyQueue(8, 2, 0), 0.5, groups=1)
    replicas = Replicas(2, 0, lambda keys: tf.concat([keys, -keys], 0))  # the other replica has the opposite keys
    outcome = method(tf.constant([[1.0, 0], [0, 1], [3, 4], [0, 2]]), replicas)
    method.follow(outcome, replicas)
    expected = [[0.6, 0.8], [0, 1], [-0.6, -0.8], [0, -1]]
    np.testing.assert_allclose(np.asarray(method.queue.rows)[:4], expected, atol=1e-6)
    assert int(method.queue.pointer) == 4
