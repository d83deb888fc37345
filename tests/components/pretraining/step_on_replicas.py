"""One training step on one and on two virtual CPU devices, in a process of its own: devices are split before TF starts.

Prints: loss on one device, on two, largest difference of weights and statistics after the step, and of a second step's
loss after the state went through a checkpoint's arrays.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3]))

import numpy as np
import tensorflow as tf

from components.contracts import configuration
from components.pretraining.config import PretrainingConfig
from components.pretraining.dataset import Batch
from components.pretraining.training_step import ImageShape, TrainingStep, views_by_side
from components.simclr import augmentations, draws

SETTINGS = {
    "encoder": {"architecture": "small_cnn", "width_multiplier": 0.25},
    "projection_head": {"layers": 2, "hidden_width": 32, "output_width": 16},
    "optimizer": {"name": "sgd", "learning_rate": 0.5, "scaling": "none", "weight_decay": 0.0},
    "loss": {"weight_decay": 0.01},
    "schedule": {"warmup_epochs": 0},
    "global_batch_size": 16,
    "augmentation": {"rotation_degrees": 10.0, "noise_probability": 0.5},
    "jit_compile": False,
}


def main() -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    config = configuration.from_mapping(PretrainingConfig, SETTINGS, "test")
    image = ImageShape(16, 3, np.full(3, 120, np.float32), np.full(3, 60, np.float32))
    images = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), dtype=np.uint8)
    keys = draws.view_keys(0, np.arange(32, dtype=np.uint64), 0, 0)
    batch = Batch(images, augmentations.draw_online(config.augmentation, keys, 16, 3))

    steps = [TrainingStep(config, image, 0, 10, devices) for devices in (["/CPU:0"], ["/CPU:0", "/CPU:1"])]
    results = [step.run(batch) for step in steps]
    losses = [float(result.metrics[0]) for result in results]
    first, second = (step.arrays() for step in steps)
    difference = max(float(np.abs(first[name] - second[name]).max()) for name in first)
    sides = [views_by_side(result.projections) for result in results]
    order = max(float(np.abs(a - b).max()) for a, b in zip(*sides, strict=True))
    steps[1].restore(first)
    again = [float(step.run(batch).metrics[0]) for step in steps]
    print(*losses, difference, order, *again)


if __name__ == "__main__":
    main()
