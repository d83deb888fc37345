"""Times the training steps of one network, one batch size after the other, and writes a JSON object per line.

Run it in its own process, because a batch that does not fit may end the process. On a CPU the memory of a step is
estimated before the step is tried. Pretraining's own input reads the views from disk; the step is pretraining's too.
"""

import dataclasses
import gc
import json
import math
import os
import sys
import tempfile
import time
from typing import TypedDict

import keras
import numpy as np
import tensorflow as tf

from benchmarks import measuring
from components.pretraining import devices
from components.pretraining.config import Precision, PretrainingConfig
from components.pretraining.dataset import ViewPairs, ViewRecords
from components.pretraining.training_step import ImageShape, TrainingStep
from components.simclr.augmentation.policies import OnlinePolicy
from components.simclr.augmentation.presets import Preset
from components.simclr.config import Architecture, EncoderConfig

BATCHES = (32, 64, 128, 256)
VIEWS_PER_IMAGE = 4
_MOST_STEPS = 100_000
_MEAN, _STD = np.full(3, 128, np.float32), np.full(3, 64, np.float32)


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained, and how."""

    architecture: str
    size_px: int
    precision: str
    jit_compile: bool
    views_dir: str  # folder of view records, at least as many as the largest batch
    seconds: float  # how long each batch size is timed, after the first step; at least one step

    def config(self, batch: int) -> PretrainingConfig:
        """Settings for this machine, otherwise the defaults; no decoded view is kept."""
        preset = Preset.SMALL_IMAGES if self.size_px <= 64 else Preset.PHOTOGRAPHS
        return PretrainingConfig(
            encoder=EncoderConfig(architecture=Architecture(self.architecture)),
            augmentation=OnlinePolicy(preset=preset),
            global_batch_size=batch,
            precision=Precision(self.precision),
            jit_compile=self.jit_compile,
            num_gpus=int(bool(tf.config.list_physical_devices("GPU"))),
            input_threads=len(os.sched_getaffinity(0)),
            cache_megabytes=0,
        )


class Found(TypedDict, total=False):
    """What was measured at one batch size, or the reason why nothing was; all but ``batch`` may be missing."""

    batch: int
    reason: str
    seconds_per_step: float
    cpu_seconds_per_step: float
    input_wait: float  # part of the time
    steps: int
    peak_mib: float


def main(case: Case) -> None:
    """Time all batch sizes, from small to large."""
    measuring.be_the_first_to_go()
    for batch in BATCHES:
        with devices.op_determinism(True), tempfile.TemporaryDirectory() as scratch:
            found = _time(case, batch, scratch)
        sys.stdout.write(json.dumps({"batch": batch, **found}) + "\n")
        sys.stdout.flush()
        gc.collect()


def _time(case: Case, batch: int, scratch: str) -> Found:
    config = case.config(batch)
    pairs = ViewPairs(ViewRecords(case.views_dir, scratch), config, case.size_px, 3, VIEWS_PER_IMAGE)
    image = ImageShape(case.size_px, 3, _MEAN, _STD)
    step = TrainingStep(config, image, 0, _MOST_STEPS, devices.replica_devices(config.num_gpus))
    if not config.num_gpus:
        needed, free = _needed_mib(step.encoder, case, batch), measuring.available_mib()
        if needed > free:
            return {"reason": f"needs more than {needed:,.0f} MiB, {free:,.0f} MiB are free"}
    _forget_peak(config.num_gpus)
    try:
        return {**_run(step, pairs, case.seconds), "peak_mib": _peak_mib(config.num_gpus)}
    except tf.errors.ResourceExhaustedError:
        return {"reason": "the GPU's memory is too small"}


def _run(step: TrainingStep, pairs: ViewPairs, seconds: float) -> Found:
    """Time steps one by one: each is waited for, so that the wait for the next views is time without computation."""
    batches = pairs.iterate(0, _MOST_STEPS)
    np.asarray(step.run(next(batches)).metrics)  # traces and compiles
    start, cpu_start, steps, waited = time.perf_counter(), time.process_time(), 0, 0.0
    while steps == 0 or time.perf_counter() - start < seconds:
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        np.asarray(step.run(batch).metrics)
        steps += 1
    taken, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    batches.close()
    return {
        "seconds_per_step": taken / steps,
        "cpu_seconds_per_step": cpu / steps,
        "input_wait": waited / taken,
        "steps": steps,
    }


def _needed_mib(encoder: keras.Model, case: Case, batch: int) -> float:
    """A lower bound: the outputs of convolutions and activations for both views, which the gradients need.

    The outputs of BatchNorm and of sums are not needed: they feed an activation whose gradient uses its output only.
    """
    kept = [layer for layer in encoder.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.ReLU)]
    values = sum(math.prod(layer.output.shape[1:]) for layer in kept)
    return 2 * batch * values * (4 if case.precision == "float32" else 2) / 2**20


def _forget_peak(num_gpus: int) -> None:
    if num_gpus:
        tf.config.experimental.reset_memory_stats("GPU:0")
    else:
        measuring.forget_peak()


def _peak_mib(num_gpus: int) -> float:
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20 if num_gpus else measuring.peak_mib()


if __name__ == "__main__":
    main(Case(**json.loads(sys.argv[1])))
