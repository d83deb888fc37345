"""The search space lies around the config's own values, and what cannot work is refused before anything is trained."""

import pytest

from components.contracts import configuration
from components.contracts.configuration import ConfigError
from components.pretraining import hyperparameters
from components.pretraining.config import PretrainingConfig
from components.pretraining.tuning_config import CHOICES, HEAD_WIDTH, RANGES, TuningConfig

NOTHING = dict.fromkeys((*RANGES, *CHOICES))


def pretraining(**settings) -> PretrainingConfig:
    return configuration.from_mapping(PretrainingConfig, settings, "experiment.yaml", "pretraining")


def tuning(**settings) -> TuningConfig:
    return configuration.from_mapping(TuningConfig, settings, "experiment.yaml", "tuning")


def test_the_space_is_a_multiple_of_the_own_values():
    config = pretraining(
        loss={"temperature": 0.1}, projection_head={"hidden_width": 96}, optimizer={"learning_rate": 0.01}
    )
    own = hyperparameters.own_values(config)
    space = hyperparameters.search_space(tuning(batch_size=[1, 0.25], augmentation_strength=None), own)
    assert space == {
        "temperature": (0.05, 0.2),
        "head_width": (48, 96, 192),
        "batch_size": (64, 256),
        "learning_rate": (pytest.approx(0.003), pytest.approx(0.03)),
    }
    assert hyperparameters.search_space(tuning(**NOTHING), own) == {}


def test_values_go_before_those_of_the_config():
    config = pretraining(augmentation={"preset": "digits"}, epochs=30)
    values = {
        "temperature": 0.31,
        "augmentation_strength": 0.5,
        "head_width": 640,
        "batch_size": 128,
        "learning_rate": 0.004,
    }
    merged = hyperparameters.apply(config, values, "Trainer hyperparameters")
    assert merged.loss.temperature == 0.31
    assert merged.projection_head.hidden_width == 640
    assert merged.global_batch_size == 128
    assert merged.optimizer.learning_rate == 0.004
    assert merged.augmentation.rotation_degrees == config.augmentation.rotation_degrees / 2
    assert merged.epochs == 30
    assert hyperparameters.apply(merged, {}, "x") == merged


def test_the_own_values_change_nothing():
    config = pretraining(projection_head={"hidden_width": 96}, augmentation={"preset": "photographs"})
    assert hyperparameters.apply(config, hyperparameters.own_values(config), "x") == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"temperature": 0.0},
            r"Trainer hyperparameters: pretraining\.loss\.temperature: .*greater than 0, found 0\.0",
        ),
        ({"head_width": 3}, r"pretraining\.projection_head\.hidden_width: .*found 3"),
        ({"batch_size": 128.5}, r"pretraining\.global_batch_size: .*found 128\.5"),
        ({"learning_rate": "fast"}, r"pretraining\.optimizer\.learning_rate: .*found 'fast'"),
        ({"augmentation_strength": -1.0}, r"hyperparameters: augmentation_strength: .*found -1\.0"),
        ({"augmentation_strength": "strong"}, r"hyperparameters: augmentation_strength: .*'str'"),
        ({"momentum": 0.5}, r"hyperparameters: momentum: unknown hyperparameter, found 0\.5; there are temperature"),
    ],
)
def test_a_value_that_the_config_cannot_have_is_named(values, message):
    with pytest.raises(ConfigError, match=message):
        hyperparameters.apply(pretraining(), values, "Trainer hyperparameters")


def test_a_trial_is_the_same_training_but_shorter():
    config = pretraining(epochs=100, schedule={"warmup_epochs": 10.0}, seed=2**31 - 1)
    first, second = (hyperparameters.shortened(config, 20, execution) for execution in (0, 1))
    assert (first.epochs, first.schedule.warmup_epochs, first.seed) == (20, 2.0, 2**31 - 1)
    assert second.seed == 0
    assert hyperparameters.shortened(config, 100, 0) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": [1.5, 2.0]}, r"temperature must reach from at most 1 to at least 1, found \[1\.5, 2\.0\]"),
        ({"learning_rate": [1.0, 1.0]}, "learning_rate must reach"),
        ({"batch_size": [0.5, 2.0]}, r"batch_size must hold 1, .*found \[0\.5, 2\.0\]"),
        ({"head_width": [1.0]}, "head_width must hold 1"),
        ({"temperature": [0.0, 2.0]}, r"tuning\.temperature\.0: .*greater than 0"),
        ({"oracle": "grid"}, r"tuning\.oracle: .*found 'grid'"),
    ],
)
def test_factors_must_hold_the_own_value(settings, message):
    with pytest.raises(ConfigError, match=message):
        tuning(**settings)


@pytest.mark.parametrize(
    ("search", "settings", "message"),
    [
        ({"epochs": 101}, {}, r"tuning\.epochs \(101\) must not exceed pretraining\.epochs \(100\)"),
        (NOTHING, {}, "nothing is tuned"),
        ({}, {"method": "byol"}, r"tuning\.temperature would change nothing, because method byol has no temperature"),
        ({}, {"projection_head": {"layers": 1}}, r"tuning\.head_width would change nothing, .*layers is 1"),
        (
            {},
            {"augmentation": {"flip_horizontal_probability": 0.5}},
            r"tuning\.augmentation_strength would change noth",
        ),
        (
            {"batch_size": [0.3, 1.0]},
            {"method": "moco", "moco": {"queue_size": 1024}},
            r"tuning\.batch_size: 77 cannot be tried: pretraining: moco\.queue_size \(1024\) must be a multiple of",
        ),
        (
            {"head_width": [0.01, 1.0]},
            {"projection_head": {"hidden_width": 100}},
            r"tuning\.head_width: 1 cannot be tried: pretraining\.projection_head\.hidden_width: .*found 1",
        ),
        ({"temperature": [1.0, 200.0]}, {}, r"tuning\.temperature: 20 cannot be tried: pretraining\.loss\.temperature"),
    ],
)
def test_a_search_that_cannot_work_is_refused(search, settings, message):
    settings = {"augmentation": {"preset": "digits"}, **settings}
    with pytest.raises(ValueError, match=message):
        hyperparameters.check(tuning(**search), pretraining(**settings))


def test_the_default_search_works_for_digits():
    config = pretraining(augmentation={"preset": "digits"}, projection_head={"hidden_width": 256})
    hyperparameters.check(tuning(), config)
    space = hyperparameters.search_space(tuning(), hyperparameters.own_values(config))
    assert set(space) == {*RANGES, *CHOICES}
    assert space[HEAD_WIDTH] == (128, 256, 512)
