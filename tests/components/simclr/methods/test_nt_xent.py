"""NT-Xent equals the double loop of the paper, the closed form, and itself on several replicas."""

import math
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from components.simclr.methods import nt_xent, similarities

ROOT = pathlib.Path(__file__).resolve().parents[4]


def loop_loss(a, b, temperature):
    """Algorithm 1 of the paper, word by word, in float64; the authors' order 2k-1, 2k is ours a, b."""
    z = np.concatenate([a, b]).astype(np.float64)
    n = len(a)
    similarity = np.array([[zi @ zj / (np.linalg.norm(zi) * np.linalg.norm(zj)) for zj in z] for zi in z])
    total, top1, top5 = 0.0, 0, 0
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = [k for k in range(2 * n) if k != i]
        exponents = [similarity[i, k] / temperature for k in others]
        shift = max(exponents)
        total -= similarity[i, j] / temperature - shift - math.log(sum(math.exp(e - shift) for e in exponents))
        rank = sum(similarity[i, k] >= similarity[i, j] for k in others if k != j)
        top1 += rank < 1
        top5 += rank < 5
    return total / (2 * n), top1 / (2 * n), top5 / (2 * n)


def loop_gradient(a, b, temperature, step=1e-5):
    """Central differences of the double loop, float64."""
    both = np.concatenate([a, b]).astype(np.float64)
    gradient = np.zeros_like(both)
    for index in np.ndindex(*both.shape):
        for sign in (1, -1):
            moved = both.copy()
            moved[index] += sign * step
            gradient[index] += sign * loop_loss(moved[: len(a)], moved[len(a) :], temperature)[0] / (2 * step)
    return gradient


def value_and_gradient(a, b, temperature):
    a, b = tf.constant(a, tf.float32), tf.constant(b, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        contrast = nt_xent.nt_xent(a, b, temperature)
    return contrast, np.concatenate(tape.gradient(contrast.loss, [a, b]))


def loss_of(a, b, temperature):
    return float(nt_xent.nt_xent(a, b, temperature).loss)


def random_pairs(n, d, seed=0):
    generator = np.random.default_rng(seed)
    a = generator.normal(size=(n, d)) * generator.uniform(0.1, 30, size=(n, 1))  # any norm in
    return a, a / np.linalg.norm(a, axis=1, keepdims=True) + 0.5 * generator.normal(size=(n, d))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_equals_the_double_loop(n, temperature):
    a, b = random_pairs(n, 6)
    contrast, _ = value_and_gradient(a, b, temperature)
    loss, top1, top5 = loop_loss(a, b, temperature)
    assert float(contrast.loss) == pytest.approx(loss, rel=1e-5, abs=1e-6)
    assert float(contrast.top1) == pytest.approx(top1, abs=1e-6)
    assert float(contrast.top5) == pytest.approx(top5, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_gradient_equals_differences_of_the_loop(n):
    a, b = random_pairs(n, 4)
    _, gradient = value_and_gradient(a, b, 0.3)
    np.testing.assert_allclose(gradient, loop_gradient(a, b, 0.3), rtol=2e-4, atol=2e-6)


def test_gradient_of_many_images_equals_differences_of_the_loop():
    a, b = random_pairs(64, 4)
    _, gradient = value_and_gradient(a, b, 0.3)
    direction = np.random.default_rng(1).normal(size=gradient.shape)
    moved = [np.concatenate([a, b]) + sign * 1e-5 * direction for sign in (1, -1)]
    ahead, behind = (loop_loss(both[:64], both[64:], 0.3)[0] for both in moved)
    assert (gradient * direction).sum() == pytest.approx((ahead - behind) / 2e-5, rel=1e-4)


def matrix_gradient(a, b, temperature):
    """Value and gradient of the mean cross-entropy over the rows of one whole float64 matrix, by TensorFlow."""
    z = tf.Variable(np.concatenate([a, b]).astype(np.float64))
    with tf.GradientTape() as tape:
        directions = tf.math.l2_normalize(z, axis=1)
        logits = tf.matmul(directions, directions, transpose_b=True) / temperature
        logits = tf.linalg.set_diag(logits, tf.fill([2 * len(a)], tf.constant(-1e300, tf.float64)))
        labels = tf.roll(tf.range(2 * len(a)), len(a), 0)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    return float(loss), tape.gradient(loss, z).numpy()


@pytest.fixture
def small_blocks(monkeypatch):
    """Function that sets the most rows of a block."""

    def set_rows(rows):
        monkeypatch.setattr(similarities, "_WHOLE_ROWS", rows)
        monkeypatch.setattr(similarities, "_BLOCK_ROWS", rows)

    return set_rows


@pytest.mark.parametrize("n, rows", [(32, 64), (32, 32), (32, 8), (29, 8)])
@pytest.mark.parametrize("temperature", [0.2, 0.011])
def test_blocks_give_what_one_matrix_gives(small_blocks, n, rows, temperature):
    """One block, two and several, with and without padding, above and below the temperature that needs maxima."""
    a, b = random_pairs(n, 16)
    loss, gradient = matrix_gradient(a, b, temperature)
    ranks = loop_loss(a, b, temperature)[1:]
    small_blocks(rows)
    for function in (
        tf.function(value_and_gradient_graph),
        tf.function(value_and_gradient_graph, jit_compile=True),
    ):
        contrast, found = function(a, b, temperature)
        assert float(contrast.loss) == pytest.approx(loss, rel=2e-6, abs=2e-6)
        assert (float(contrast.top1), float(contrast.top5)) == pytest.approx(ranks, abs=1e-6)
        np.testing.assert_allclose(found, gradient, rtol=1e-3, atol=2e-4 * np.abs(gradient).max())


def test_collapsed_views_in_many_blocks_rank_nothing_first(small_blocks):
    small_blocks(8)
    same = np.tile(np.random.default_rng(0).normal(size=(1, 7)), (30, 1))
    contrast, gradient = value_and_gradient(same, same, 0.07)
    assert float(contrast.loss) == pytest.approx(math.log(59), rel=1e-5)
    assert float(contrast.top1) == float(contrast.top5) == 0
    assert np.abs(gradient).max() < 1e-5


def value_and_gradient_graph(a, b, temperature):
    a, b = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        contrast = nt_xent.nt_xent(a, b, temperature)
    return contrast, tf.concat(tape.gradient(contrast.loss, [a, b]), 0)


def test_one_image_has_no_negatives():
    contrast, gradient = value_and_gradient(*random_pairs(1, 5), 0.1)
    assert float(contrast.loss) == 0
    assert np.all(gradient == 0)


def test_collapsed_views_give_chance_and_rank_nothing_first():
    same = np.tile(np.random.default_rng(0).normal(size=(1, 7)), (32, 1))
    contrast, _ = value_and_gradient(same, same, 0.07)
    assert float(contrast.loss) == pytest.approx(math.log(63), rel=1e-5)
    assert nt_xent.chance_loss(32) == pytest.approx(math.log(63))
    assert float(contrast.top1) == float(contrast.top5) == 0


def test_views_and_order_do_not_matter():
    a, b = random_pairs(17, 8)
    loss = loss_of(a, b, 0.2)
    order = np.random.default_rng(1).permutation(17)
    assert loss_of(b, a, 0.2) == pytest.approx(loss, rel=1e-6)
    assert loss_of(a[order], b[order], 0.2) == pytest.approx(loss, rel=1e-6)
    assert loss_of(a, b[order], 0.2) > loss * 1.05


def test_extreme_temperature_stays_finite():
    a = np.eye(8)
    contrast, gradient = value_and_gradient(a, -a, 0.01)  # opposite vectors: the positive is the farthest view
    assert float(contrast.loss) == pytest.approx(100 + math.log(14), rel=1e-5)
    assert np.all(np.isfinite(gradient))
    a, b = random_pairs(8, 8)
    assert loss_of(a, b, 0.01) == pytest.approx(loop_loss(a, b, 0.01)[0], rel=1e-5)


@pytest.mark.parametrize("temperature", [0.0234, 0.0232, 0.0143])
def test_temperatures_around_the_switch_are_right(temperature):
    """Exponents just below and above the limit up to which no maximum is needed, of both signs."""
    a, b = random_pairs(8, 8)
    same, opposite = np.tile(a[:1], (8, 1)), np.concatenate([a[:4], -a[:4]])
    for first, second in ((a, b), (same, same), (opposite, -opposite)):
        contrast, gradient = value_and_gradient(first, second, temperature)
        assert float(contrast.loss) == pytest.approx(loop_loss(first, second, temperature)[0], rel=1e-5, abs=1e-5)
        expected = loop_gradient(first, second, temperature)
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max() + 1e-6)


def test_zero_vectors_stay_finite():
    zeros = np.zeros((4, 3))
    contrast, gradient = value_and_gradient(zeros, zeros, 0.01)
    assert float(contrast.loss) == pytest.approx(math.log(7))
    assert np.all(np.isfinite(gradient))


def test_half_precision_is_computed_in_float32():
    a, b = (x.astype(np.float16) for x in random_pairs(16, 8))
    assert nt_xent.nt_xent(a, b, 0.1).loss.dtype == tf.float32
    assert loss_of(a, b, 0.1) == pytest.approx(loop_loss(a, b, 0.1)[0], rel=1e-5)


def test_refusals():
    with pytest.raises(ValueError, match="temperature must be positive, found 0"):
        nt_xent.nt_xent(np.ones((2, 3)), np.ones((2, 3)), 0.0)
    with pytest.raises(ValueError, match=r"expected two equal shapes"):
        nt_xent.nt_xent(np.ones((2, 3)), np.ones((3, 3)), 0.1)


def test_memory_does_not_grow_with_the_square(small_blocks):
    """No tensor of the graph, loop bodies included, is larger than a block."""
    small_blocks(128)
    spec = tf.TensorSpec((512, 16), tf.float32)
    graph = tf.function(value_and_gradient_graph).get_concrete_function(spec, spec, 0.1).graph
    graphs = [graph, *(function.graph for function in graph._functions.values())]
    sizes = [tensor.shape.num_elements() or 0 for g in graphs for op in g.get_operations() for tensor in op.outputs]
    assert max(sizes) == 128 * 128


@pytest.mark.multi_replica
@pytest.mark.parametrize("count, rows", [(2, 5), (4, 128)])
def test_replicas_equal_one_device(count, rows):
    """With several padded blocks, and with one."""
    script = pathlib.Path(__file__).with_name("nt_xent_on_replicas.py")
    done = subprocess.run(
        [sys.executable, script, str(count), str(rows)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    single, several, gradients, weights = (float(x) for x in done.stdout.split())
    assert single == pytest.approx(several, rel=1e-6)
    assert gradients < 1e-5
    assert weights < 1e-5
