"""Which variables change, by how much, and that a step can be restarted, saved and run on several replicas."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from components.baselines.classifier_step import ClassifierStep
from components.baselines.config import Baseline
from components.pretraining.dataset import Batch
from components.pretraining.training_step import ImageShape, build_models
from components.simclr.augmentation import augmentations, draws
from components.simclr.config import OptimizerConfig, OptimizerName

from .conftest import pretraining_settings

IMAGE = ImageShape(16, 1, np.full(1, 100, np.float32), np.full(1, 50, np.float32))
SGD = OptimizerConfig(name=OptimizerName.SGD, momentum=0.0, weight_decay=0.0)
LABELS = np.arange(16) % 3


def batch_of(config) -> Batch:
    images = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 1), dtype=np.uint8)
    keys = draws.view_keys(0, np.arange(32, dtype=np.uint64), 0, 0)
    return Batch(images, augmentations.draw_online(config.augmentation, keys, 16, 1))


def step_of(baseline=Baseline.ALL_LAYERS, config=None, optimizer=SGD):
    return ClassifierStep(baseline, config or pretraining_settings(), optimizer, IMAGE, 3, ["/CPU:0"])


def moved_layers(step, steps=2):
    """Positions of the encoder's layers, from the end, any of whose variables two steps change."""
    config = pretraining_settings()
    before = [[np.array(weight) for weight in layer.variables] for layer in step.encoder.layers]
    for _ in range(steps):  # the first moves only the classifier, which starts from zero
        step.run(batch_of(config), LABELS, 0.1)
    return {
        index - len(before): {
            position for position, old in enumerate(weights) if not np.array_equal(old, now[position])
        }
        for index, (weights, now) in enumerate(
            zip(
                before, ([np.array(weight) for weight in layer.variables] for layer in step.encoder.layers), strict=True
            )
        )
        if any(not np.array_equal(old, new) for old, new in zip(weights, now, strict=True))
    }


def test_a_frozen_encoder_keeps_weights_and_statistics():
    step = step_of(Baseline.FROZEN)
    assert moved_layers(step) == {}
    assert all(np.abs(np.asarray(weight)).max() > 0 for weight in step.head.variables)


def test_of_the_last_block_everything_moves_and_nothing_before_it():
    # The end of the small CNN: convolution, BatchNorm (gain, shift, mean, variance), ReLU, pooling, flattening.
    assert moved_layers(step_of(Baseline.LAST_BLOCK)) == {-5: {0}, -4: {0, 1, 2, 3}}


@pytest.mark.parametrize("baseline", [Baseline.ALL_LAYERS, Baseline.FROM_SCRATCH])
def test_else_every_layer_moves(baseline):
    step = step_of(baseline)
    with_variables = {index - len(step.encoder.layers): set(range(len(layer.variables)))
                      for index, layer in enumerate(step.encoder.layers) if layer.variables}  # fmt: skip
    assert len(with_variables) == 6
    assert moved_layers(step) == with_variables


def test_a_step_is_that_of_plain_cross_entropy():
    config = pretraining_settings()
    step, batch = step_of(config=config), batch_of(config)
    encoder, _ = build_models(config, IMAGE)
    kernel = np.random.default_rng(1).normal(size=step.head.variables[0].shape).astype(np.float32)
    step.head.variables[0].assign(kernel)
    pixels = (augmentations.apply_online(tf.constant(batch.images), batch.drawn, config.augmentation) - 100) / 50
    with tf.GradientTape() as tape:
        logits = tf.matmul(encoder(pixels, training=True), kernel)
        one_hot = np.eye(3, dtype=np.float32)[np.concatenate([LABELS, LABELS])]  # both views have the image's label
        loss = -tf.reduce_mean(tf.reduce_sum(one_hot * tf.nn.log_softmax(logits), axis=1))
    gradients = tape.gradient(loss, encoder.trainable_variables)
    assert float(step.run(batch, LABELS, 0.05)) == pytest.approx(float(loss), rel=1e-5)
    for variable, gradient, after in zip(
        encoder.trainable_variables, gradients, step.encoder.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(np.asarray(after), np.asarray(variable - 0.05 * gradient), rtol=1e-4, atol=1e-5)


def test_scores_are_of_the_stored_statistics_and_change_nothing():
    step = step_of()
    step.run(batch_of(pretraining_settings()), LABELS, 0.1)
    before = step.arrays()
    pixels = np.random.default_rng(2).uniform(0, 255, (5, 16, 16, 1)).astype(np.float32)
    scores = step.scores([pixels[:3], pixels[3:]])
    expected = step.head(step.encoder((pixels - 100) / 50, training=False))
    np.testing.assert_allclose(scores, tf.nn.softmax(expected), rtol=1e-5)
    assert all(np.array_equal(array, step.arrays()[name]) for name, array in before.items())


@pytest.mark.parametrize("name", list(OptimizerName))
def test_started_anew_it_is_as_new_with_the_weights_given(name):
    config = pretraining_settings()
    step = step_of(optimizer=OptimizerConfig(name=name, weight_decay=1e-4))
    weights = step.encoder.get_weights()
    losses = []
    for _ in range(2):
        step.restart([weight + 0.01 for weight in weights])
        assert np.allclose(step.encoder.get_weights()[0], weights[0] + 0.01)
        losses.append([float(step.run(batch_of(config), LABELS, 0.005)) for _ in range(3)])
    assert losses[0] == losses[1]
    assert losses[0][0] == pytest.approx(np.log(3))  # the classifier has no opinion
    assert losses[0][2] < losses[0][0]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_too(precision):
    config = pretraining_settings(precision=precision)
    step = step_of(config=config, optimizer=OptimizerConfig())
    losses = [float(step.run(batch_of(config), LABELS, 0.01)) for _ in range(25)]
    assert losses[-1] < 0.8 * losses[0]
    assert step.head.variables[0].dtype == "float32"


def test_state_goes_out_and_comes_back():
    config = pretraining_settings()
    first, second = (step_of(Baseline.LAST_BLOCK, optimizer=OptimizerConfig()) for _ in range(2))
    first.run(batch_of(config), LABELS, 0.01)
    second.restore(first.arrays())
    assert float(first.run(batch_of(config), LABELS, 0.01)) == float(second.run(batch_of(config), LABELS, 0.01))


@pytest.mark.multi_replica
def test_two_replicas_take_the_step_of_one():
    script = pathlib.Path(__file__).with_name("classifier_on_replicas.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["losses"][0] == pytest.approx(found["losses"][1], rel=1e-5)
    assert found["weights"] < 1e-5
    assert found["moved"] > 1e-3
