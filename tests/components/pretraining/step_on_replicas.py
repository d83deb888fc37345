"""One training step on one and on several virtual CPU devices: their number and the method are arguments.

In a process of its own, because devices are split up before TensorFlow starts. Prints JSON: the loss on one device and
on several, the largest difference of weights, statistics and the method's own state after the step, that of the
projections, and both losses of a second step after the state went through a checkpoint's arrays.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3]))

import numpy as np
import tensorflow as tf

from components.contracts import configuration
from components.pretraining.config import PretrainingConfig
from components.pretraining.dataset import Batch
from components.pretraining.training_step import ImageShape, TrainingStep, views_by_side
from components.simclr.augmentation import augmentations, draws

SETTINGS = {
    "encoder": {"architecture": "small_cnn", "width_multiplier": 0.25},
    "projection_head": {"layers": 2, "hidden_width": 32, "output_width": 16},
    "optimizer": {"name": "sgd", "learning_rate": 0.1, "scaling": "none", "momentum": 0.0, "weight_decay": 0.0},
    "loss": {"weight_decay": 0.01},
    "schedule": {"warmup_epochs": 0},
    "moco": {"queue_size": 32, "momentum": 0.5},
    "byol": {"momentum": 0.5},
    "global_batch_size": 16,
    "augmentation": {"rotation_degrees": 10.0, "noise_probability": 0.5},
}
IMAGE = ImageShape(16, 3, np.full(3, 120, np.float32), np.full(3, 60, np.float32))


def batch_of(config: PretrainingConfig) -> Batch:
    images = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), dtype=np.uint8)
    keys = draws.view_keys(0, np.arange(32, dtype=np.uint64), 0, 0)
    return Batch(images, augmentations.draw_online(config.augmentation, keys, 16, 3))


def compare(config: PretrainingConfig, count: int) -> dict:
    batch = batch_of(config)
    several = [f"/CPU:{index}" for index in range(count)]
    steps = [TrainingStep(config, IMAGE, 0, 10, devices) for devices in (["/CPU:0"], several)]
    results = [step.run(batch) for step in steps]
    one, many = (step.arrays() for step in steps)
    sides = [views_by_side(result.projections) for result in results]
    steps[1].restore(one)
    return {
        "losses": [float(result.metrics[0]) for result in results],
        "weights": max(float(np.abs(one[name] - many[name]).max()) for name in one),
        "projections": max(float(np.abs(a - b).max()) for a, b in zip(*sides, strict=True)),
        "next_losses": [float(step.run(batch).metrics[0]) for step in steps],
    }


def main(count: int, method: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    config = configuration.from_mapping(PretrainingConfig, {"method": method, **SETTINGS}, "test")
    print(json.dumps(compare(config, count)))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
