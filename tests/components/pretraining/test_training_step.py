"""One step against the same step written out, its state saved and restored, and each precision and optimiser."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.contracts import configuration
from components.pretraining.config import PretrainingConfig
from components.pretraining.dataset import Batch
from components.pretraining.training_step import ImageShape, TrainingStep, build_models, views_by_side
from components.simclr.augmentation import augmentations, draws
from components.simclr.methods import nt_xent
from components.simclr.schedules import learning_rate_at

IMAGE = ImageShape(16, 1, np.array([100.0], np.float32), np.array([50.0], np.float32))


def config_of(settings: dict) -> PretrainingConfig:
    return configuration.from_mapping(PretrainingConfig, settings, "test")


def step_of(config: PretrainingConfig) -> TrainingStep:
    return TrainingStep(config, IMAGE, 2, 10, ["/CPU:0"])


def batch_of(config: PretrainingConfig, seed: int = 0) -> Batch:
    images = np.random.default_rng(seed).integers(0, 256, (32, 16, 16, 1), dtype=np.uint8)
    keys = draws.view_keys(0, np.arange(32, dtype=np.uint64), 0, 0)
    return Batch(images, augmentations.draw_online(config.augmentation, keys, 16, 1))


def test_one_step_equals_the_step_written_out(settings):
    """Plain SGD: weights move by the rate times the gradient of the loss of one pass over both views."""
    config = config_of(settings(optimizer={"name": "sgd", "learning_rate": 0.5, "scaling": "none", "momentum": 0.0,
                                           "weight_decay": 0.0}))  # fmt: skip
    batch, step = batch_of(config), step_of(config)
    encoder, head = build_models(config, IMAGE)
    pixels = (augmentations.apply_online(tf.constant(batch.images), batch.drawn, config.augmentation) - 100) / 50
    with tf.GradientTape() as tape:
        projections = head(encoder(pixels, training=True), training=True)
        loss = nt_xent.nt_xent(projections[:16], projections[16:], config.loss.temperature).loss
    variables = [*encoder.trainable_variables, *head.trainable_variables]
    gradients = tape.gradient(loss, variables)
    result = step.run(batch)
    assert float(result.metrics[0]) == pytest.approx(float(loss), rel=1e-5)
    rate = learning_rate_at(0, 0.5, 2, 10)
    moved = [*step.encoder.trainable_variables, *step.projection_head.trainable_variables]
    for variable, gradient, after in zip(variables, gradients, moved, strict=True):
        expected = np.asarray(variable) - rate * np.asarray(gradient)
        np.testing.assert_allclose(np.asarray(after), expected, rtol=1e-3, atol=2e-5)
    first, second = views_by_side(result.projections)
    np.testing.assert_allclose(np.concatenate([first, second]), projections, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_each_optimiser_learns(settings, name):
    rates = {"lars": 2.0, "sgd": 0.05, "adamw": 0.005}
    optimizer = {"name": name, "learning_rate": rates[name], "scaling": "none", "weight_decay": 1e-6}
    config = config_of(settings(optimizer=optimizer))
    step, batch = step_of(config), batch_of(config)
    losses = [float(step.run(batch).metrics[0]) for _ in range(9)]
    assert losses[-1] < 0.8 * losses[0]


def test_bfloat16_is_near_float32(settings):
    losses = []
    for precision in ("float32", "bfloat16"):
        config = config_of(settings(precision=precision))
        step = step_of(config)
        losses.append([float(step.run(batch_of(config)).metrics[0]) for _ in range(4)])
        assert all(variable.dtype == "float32" for variable in step.encoder.variables)
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


def test_float16_scales_the_loss_and_skips_steps_that_overflow(settings):
    config = config_of(settings(precision="float16", optimizer={"name": "sgd", "learning_rate": 0.05}))
    step, plain = step_of(config), step_of(config_of(settings(optimizer={"name": "sgd", "learning_rate": 0.05})))
    first = step.arrays()["encoder/00000"]
    step.optimizer.dynamic_scale.assign(1e30)  # gradients become infinite
    losses = [float(step.run(batch_of(config)).metrics[0])]
    assert np.array_equal(step.arrays()["encoder/00000"], first)
    assert float(step.optimizer.dynamic_scale) < 1e30
    step.optimizer.dynamic_scale.assign(64.0)
    losses += [float(step.run(batch_of(config)).metrics[0]) for _ in range(4)]
    expected = [float(plain.run(batch_of(config)).metrics[0]) for _ in range(4)]
    assert losses[1:] == pytest.approx(expected, rel=0.05)
    assert losses[0] == pytest.approx(expected[0], rel=0.01)


def test_state_goes_out_and_comes_back(settings):
    config = config_of(settings(precision="float16"))
    first, second = step_of(config), step_of(config)
    first.optimizer.dynamic_scale.assign(48.0)
    for _ in range(3):
        first.run(batch_of(config))
    saved = first.arrays()
    scale = [name for name, array in saved.items() if np.array_equal(array, first.optimizer.dynamic_scale)]
    assert [name.split("/")[0] for name in scale] == ["optimizer"]
    assert sum(name.startswith("encoder/") for name in saved) == len(first.encoder.variables)
    second.restore(saved)
    assert all(np.array_equal(array, second.arrays()[name]) for name, array in saved.items())
    after = [step.run(batch_of(config, seed=1)) for step in (first, second)]
    np.testing.assert_allclose(after[0].metrics, after[1].metrics, rtol=1e-4)
    assert int(second.optimizer.variables[0]) == int(first.optimizer.variables[0])


def test_a_checkpoint_of_another_model_is_refused(settings):
    small = step_of(config_of(settings()))
    wide = step_of(config_of(settings(encoder={"architecture": "small_cnn", "width_multiplier": 0.5})))
    with pytest.raises(ValueError, match=r"the checkpoint is of another model: \d+ variables differ"):
        wide.restore(small.arrays())


def methods_settings(method: str) -> dict:
    return {"method": method, "moco": {"queue_size": 32}}


@pytest.mark.parametrize(("method", "own"), [("moco", {"key_weights", "key_updates", "queue", "queue_pointer"}),
                                             ("byol", {"predictor", "target_weights", "target_updates"})])  # fmt: skip
def test_state_of_the_siblings_goes_out_and_comes_back(settings, method, own):
    config = config_of(settings(**methods_settings(method)))
    first, second = step_of(config), step_of(config)
    for seed in range(2):
        first.run(batch_of(config, seed))
    saved = first.arrays()
    assert own < {name.split("/")[0] for name in saved}
    second.restore(saved)
    assert all(np.array_equal(array, second.arrays()[name]) for name, array in saved.items())
    after = [step.run(batch_of(config, seed=2)) for step in (first, second)]
    np.testing.assert_allclose(after[0].metrics, after[1].metrics, rtol=1e-4)
    moved = {name for name in saved if not np.array_equal(saved[name], first.arrays()[name])}
    assert own - {"predictor"} <= {name.split("/")[0] for name in moved}


@pytest.mark.parametrize(("method", "kind"), [("moco", "key_weights"), ("byol", "target_weights")])
def test_followers_move_after_the_optimiser(settings, method, kind):
    """Half of the way to what the optimiser has made of the weights, not to what they were before."""
    config = config_of(settings(method=method, moco={"queue_size": 32, "momentum": 0.5}, byol={"momentum": 0.5}))
    step = step_of(config)
    before = step.arrays()
    step.run(batch_of(config))
    after = step.arrays()
    variables = [*step.encoder.variables, *step.projection_head.variables]
    leaders = [name for name in before if name.startswith(("encoder/", "projection_head/"))]
    followers = [name for name in before if name.startswith(f"{kind}/")]
    for variable, leader, follower in zip(variables, leaders, followers, strict=True):
        expected = (before[follower] + after[leader]) / 2 if variable.trainable else before[follower]
        np.testing.assert_allclose(after[follower], expected, rtol=1e-5, atol=1e-7)
    assert max(np.abs(after[name] - before[name]).max() for name in leaders) > 1e-4


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_batch_in_parts_takes_the_step_of_the_same_parts(settings, precision):
    """Statistics of each part, gradient of the whole loss with its decay, moving statistics updated once per part."""
    optimizer = {"name": "sgd", "learning_rate": 0.1, "scaling": "none", "momentum": 0.0, "weight_decay": 0.0}
    run = settings(optimizer=optimizer, precision=precision, loss={"weight_decay": 0.01}, gradient_cache_chunks=4)
    config = config_of(run)
    step, batch = TrainingStep(config, IMAGE, 0, 10, ["/CPU:0"]), batch_of(config)
    encoder, head = build_models(config, IMAGE)
    pixels = (augmentations.apply_online(tf.constant(batch.images), batch.drawn, config.augmentation) - 100) / 50
    variables = [*encoder.trainable_variables, *head.trainable_variables]
    with tf.GradientTape() as tape:
        parts = [tf.concat([pixels[start : start + 4], pixels[16 + start :][:4]], 0) for start in range(0, 16, 4)]
        projections = [head(encoder(part, training=True), training=True) for part in parts]
        first, second = (tf.concat([rows[side : side + 4] for rows in projections], 0) for side in (0, 4))
        loss = nt_xent.nt_xent(first, second, config.loss.temperature).loss
        kernels = [tf.convert_to_tensor(variable) for variable in variables if len(variable.shape) > 1]
        objective = loss + 0.01 * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])
    gradients = tape.gradient(objective, variables)
    if precision == "float16":
        step.optimizer.dynamic_scale.assign(64.0)  # the first guess overflows, and such a step is skipped
    result = step.run(batch)
    tolerance = {"float32": 2e-5, "float16": 5e-3}[precision]
    assert float(result.metrics[0]) == pytest.approx(float(loss), rel=100 * tolerance)
    moved = [*step.encoder.trainable_variables, *step.projection_head.trainable_variables]
    for variable, gradient, after in zip(variables, gradients, moved, strict=True):
        expected = np.asarray(variable) - 0.1 * np.asarray(gradient)
        np.testing.assert_allclose(np.asarray(after), expected, rtol=1e-3, atol=tolerance)
    for one, two in zip(step.encoder.non_trainable_variables, encoder.non_trainable_variables, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(two), rtol=1e-2, atol=tolerance)


def test_decay_in_the_loss_reaches_kernels_only(settings):
    optimizer = {"name": "sgd", "learning_rate": 1.0, "scaling": "none", "momentum": 0.0, "weight_decay": 0.0}
    steps = []
    for decay in (0.0, 0.5):
        config = config_of(settings(optimizer=optimizer, loss={"weight_decay": decay}, schedule={"warmup_epochs": 0}))
        step = step_of(config)
        before = [np.array(variable) for variable in step.encoder.trainable_variables]
        step.run(batch_of(config))
        steps.append([np.asarray(variable) for variable in step.encoder.trainable_variables])
    rate = learning_rate_at(0, 1.0, 2, 10)
    kernel_ids = {id(n.kernel) for n in step.encoder.layers if isinstance(n, keras.layers.Conv2D)}
    for variable, start, plain, decayed in zip(step.encoder.trainable_variables, before, *steps, strict=True):
        expected = plain - rate * 0.5 * start if id(variable) in kernel_ids else plain
        np.testing.assert_allclose(decayed, expected, rtol=1e-3, atol=1e-4)


def test_embeds_without_augmentation_and_changes_nothing(settings):
    step = step_of(config_of(settings()))
    pixels = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 1), dtype=np.uint8)
    before = step.arrays()
    found = step.embed(pixels)
    expected = step.encoder((pixels[:5].astype(np.float32) - 100) / 50, training=False)
    assert found.shape == (300, step.encoder.output_shape[1])
    np.testing.assert_allclose(found[:5], expected, rtol=1e-4, atol=1e-5)
    assert all(np.array_equal(array, step.arrays()[name]) for name, array in before.items())


@pytest.mark.multi_replica
@pytest.mark.parametrize(("method", "count"), [("simclr", 2), ("moco", 4), ("byol", 2)])
def test_several_replicas_take_the_step_of_one(method, count):
    """Negatives, keys and BatchNorm of all, summed gradients, the batch dealt out in pairs; weights after plain SGD."""
    script = pathlib.Path(__file__).with_name("step_on_replicas.py")
    done = subprocess.run([sys.executable, script, str(count), method], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["losses"][0] == pytest.approx(found["losses"][1], rel=1e-5)
    assert found["weights"] < 1e-5
    assert found["projections"] < 1e-4
    assert found["next_losses"][0] == pytest.approx(found["next_losses"][1], rel=1e-4)
