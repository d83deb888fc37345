"""Settings of the baselines; each rule is broken once."""

import pytest

from components.baselines.config import Baseline, BaselinesConfig
from components.contracts.configuration import ConfigError, from_mapping


def test_the_step_is_off_unless_asked_for():
    assert not BaselinesConfig().enabled
    assert set(BaselinesConfig().methods) == set(Baseline)


def test_rates_follow_the_optimizer_and_the_batch():
    settings = {"optimizer": {"learning_rate": 0.02, "scaling": "linear"}, "batch_size": 512}
    config = from_mapping(BaselinesConfig, {**settings, "learning_rate_factors": [1.0, 0.5]}, "test")
    assert config.learning_rates == pytest.approx((0.04, 0.02))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ["frozen", "frozen"]}, "methods: each value once expected"),
        ({"methods": ["probe"]}, "methods.0"),
        ({"learning_rate_factors": [1.0, 1.0]}, "learning_rate_factors: each value once expected"),
        ({"learning_rate_factors": [1.0, 0.0]}, "learning_rate_factors: positive values expected"),
        ({"batch_size": 63, "num_gpus": 2}, r"batch_size \(63\) must be a multiple of num_gpus \(2\)"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(BaselinesConfig, settings, "test")
