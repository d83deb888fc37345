"""Warm-up and cosine at steps whose values can be worked out by hand."""

import math

import keras
import numpy as np
import pytest

from components.simclr.config import LearningRateScaling, OptimizerConfig
from components.simclr.schedules import WarmupCosine, learning_rate_at


def test_warm_up_rises_linearly_and_never_starts_at_zero():
    rates = [learning_rate_at(step, 1.0, 4, 20) for step in range(5)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_cosine_falls_to_its_end():
    assert learning_rate_at(12, 2.0, 4, 20) == pytest.approx(1.0)  # half-way
    assert learning_rate_at(8, 2.0, 4, 20) == pytest.approx(1 + math.cos(math.pi / 4))
    assert learning_rate_at(20, 2.0, 4, 20) == pytest.approx(0.0)
    assert learning_rate_at(25, 2.0, 4, 20) == pytest.approx(0.0)
    assert learning_rate_at(20, 2.0, 4, 20, final_fraction=0.1) == pytest.approx(0.2)


@pytest.mark.parametrize(("warmup", "final"), [(0, 0.0), (7, 0.25)])
def test_schedule_of_the_optimiser_equals_the_numbers(warmup, final):
    schedule = WarmupCosine(0.3, warmup, 50, final)
    expected = [learning_rate_at(step, 0.3, warmup, 50, final) for step in range(55)]
    np.testing.assert_allclose([float(schedule(step)) for step in range(55)], expected, rtol=1e-5, atol=1e-7)
    assert WarmupCosine(**schedule.get_config()).get_config() == schedule.get_config()
    assert isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule)


def test_warm_up_as_long_as_the_run_is_refused():
    with pytest.raises(ValueError, match="warm-up of 50 steps must be shorter than the run of 50"):
        WarmupCosine(0.3, 50, 50)


def test_scaling_by_the_batch_in_images():
    scaled = lambda scaling: OptimizerConfig(learning_rate=0.3, scaling=scaling).scaled_learning_rate(1024)  # noqa: E731
    assert scaled(LearningRateScaling.LINEAR) == pytest.approx(1.2)
    assert scaled(LearningRateScaling.SQRT) == pytest.approx(9.6)
    assert scaled(LearningRateScaling.NONE) == pytest.approx(0.3)
