"""Two steps of a classifier on one and on two virtual CPU devices.

In a process of its own, because devices are split up before TensorFlow starts. Prints JSON: the losses of the second
step, the largest difference of weights and statistics after it, and how far the weights have moved.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3]))

import numpy as np
import tensorflow as tf

from components.baselines.classifier_step import ClassifierStep
from components.baselines.config import Baseline
from components.contracts import configuration
from components.pretraining.config import PretrainingConfig
from components.pretraining.dataset import Batch
from components.pretraining.training_step import ImageShape
from components.simclr.config import OptimizerConfig, OptimizerName

SETTINGS = {
    "encoder": {"architecture": "small_cnn", "width_multiplier": 0.25},
    "schedule": {"warmup_epochs": 0},
    "global_batch_size": 16,
}
IMAGE = ImageShape(16, 1, np.full(1, 120, np.float32), np.full(1, 60, np.float32))
SGD = OptimizerConfig(name=OptimizerName.SGD, momentum=0.0, weight_decay=0.0)


def main() -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    config = configuration.from_mapping(PretrainingConfig, SETTINGS, "test")
    rng = np.random.default_rng(0)
    batch, labels = Batch(rng.integers(0, 256, (32, 16, 16, 1), dtype=np.uint8), {}), rng.integers(0, 3, 16)
    steps = [
        ClassifierStep(Baseline.ALL_LAYERS, config, SGD, IMAGE, 3, devices)
        for devices in (["/CPU:0"], ["/CPU:0", "/CPU:1"])
    ]
    start = steps[0].encoder.get_weights()
    for step in steps:
        step.restart(start)
        step.run(batch, labels, 0.2)
    losses = [float(step.run(batch, labels, 0.2)) for step in steps]
    one, two = (step.arrays() for step in steps)
    moved = max(float(np.abs(a - b).max()) for a, b in zip(start, steps[0].encoder.get_weights(), strict=True))
    weights = max(float(np.abs(one[name] - two[name]).max()) for name in one)
    print(json.dumps({"losses": losses, "weights": weights, "moved": moved}))


if __name__ == "__main__":
    main()
