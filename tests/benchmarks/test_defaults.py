"""Settings of the benchmark that the defaults are chosen by."""

import pytest

from benchmarks import defaults
from components.contracts import configuration
from components.pretraining.config import PretrainingConfig

BASE = {"epochs": 30, "schedule": {"warmup_epochs": 3.0}, "augmentation": {"preset": "digits"}}


@pytest.mark.parametrize("name", defaults._CHANGES)
def test_each_change_is_one_setting_beside_the_others(name):
    change = {key: value for key, value in defaults._CHANGES[name].items() if key != defaults._VIEWS}
    config, base = (
        configuration.to_mapping(configuration.from_mapping(PretrainingConfig, settings, "test"))
        for settings in (defaults._merged(BASE, change), BASE)
    )
    differing = {section for section in base if config[section] != base[section]}
    assert differing == set(change)


def test_sections_are_joined_and_values_replaced():
    settings = {"schedule": {"warmup_epochs": 3.0}, "epochs": 30}
    change = {"schedule": {"final_fraction": 0.1}, "epochs": 5, "loss": {"temperature": 0.1}}
    assert defaults._merged(settings, change) == {
        "schedule": {"warmup_epochs": 3.0, "final_fraction": 0.1},
        "epochs": 5,
        "loss": {"temperature": 0.1},
    }
