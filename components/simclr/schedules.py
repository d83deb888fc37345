"""The learning rate over the steps of a run: linear warm-up, then half a cosine."""

import math

import keras
from keras import ops

from components.simclr.methods.similarities import Tensor


def learning_rate_at(step: int, peak: float, warmup_steps: int, total_steps: int, final_fraction: float = 0.0) -> float:
    """The learning rate of one step as a number; ``WarmupCosine`` computes the same inside the training step.

    Args:
        step: 0 for the first. During warm-up the rate is ``peak * (step + 1) / (warmup_steps + 1)``. So it is never 0,
            and it reaches the peak in the step after warm-up.
        peak: learning rate after warm-up.
        warmup_steps: 0 to ``total_steps - 1``.
        total_steps: length of the run; in the last step the rate is nearly ``peak * final_fraction``.
        final_fraction: 0 to 1.

    Returns 0 to ``peak``.

    Source: as ``WarmupCosine``.
    """
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    progress = min(1.0, (step - warmup_steps) / (total_steps - warmup_steps))
    return peak * (final_fraction + (1 - final_fraction) * 0.5 * (1 + math.cos(math.pi * progress)))


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """``learning_rate_at`` as a Keras schedule.

    Raises:
        ValueError: warm-up is not shorter than the run.

    Source: Goyal et al. 2017 (warm-up), Loshchilov and Hutter 2016 (cosine without restarts).
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int, final_fraction: float = 0.0):
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(f"warm-up of {warmup_steps} steps must be shorter than the run of {total_steps} steps")
        self._peak, self._warmup_steps = peak, warmup_steps
        self._total_steps, self._final_fraction = total_steps, final_fraction

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate, a float32 scalar, of a scalar ``step``."""
        step = ops.cast(step, "float32")
        rising = (step + 1) / (self._warmup_steps + 1)
        progress = ops.minimum(1.0, (step - self._warmup_steps) / (self._total_steps - self._warmup_steps))
        falling = self._final_fraction + (1 - self._final_fraction) * 0.5 * (1 + ops.cos(math.pi * progress))
        return self._peak * ops.where(step < self._warmup_steps, rising, falling)

    def get_config(self) -> dict[str, float]:
        """Arguments of the constructor."""
        return {
            "peak": self._peak,
            "warmup_steps": self._warmup_steps,
            "total_steps": self._total_steps,
            "final_fraction": self._final_fraction,
        }
