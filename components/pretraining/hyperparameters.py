"""The Tuner's search space, and how its values are put into a config.

Imports no framework, so that a search that cannot work is refused as soon as the config is read.
"""

import dataclasses
from collections.abc import Mapping

from components.contracts import configuration
from components.contracts.configuration import ConfigError
from components.pretraining.config import PretrainingConfig
from components.pretraining.tuning_config import (
    AUGMENTATION_STRENGTH,
    BATCH_SIZE,
    CHOICES,
    HEAD_WIDTH,
    LEARNING_RATE,
    RANGES,
    TEMPERATURE,
    TuningConfig,
)
from components.simclr.augmentation.policies import OnlinePolicy, strengthened
from components.simclr.config import Method

_KEYS = {
    TEMPERATURE: "loss.temperature",
    HEAD_WIDTH: "projection_head.hidden_width",
    BATCH_SIZE: "global_batch_size",
    LEARNING_RATE: "optimizer.learning_rate",
}

Value = int | float


def own_values(config: PretrainingConfig) -> dict[str, Value | None]:
    """The config's own values; None for a head as wide as the representation."""
    return {
        TEMPERATURE: config.loss.temperature,
        AUGMENTATION_STRENGTH: 1.0,
        HEAD_WIDTH: config.projection_head.hidden_width,
        BATCH_SIZE: config.global_batch_size,
        LEARNING_RATE: config.optimizer.learning_rate,
    }


def search_space(tuning: TuningConfig, own: Mapping[str, Value | None]) -> dict[str, tuple[Value, ...]]:
    """Lowest and highest value of each of ``RANGES``, and all values of each of ``CHOICES``, ascending.

    What is not tuned is absent, and so is what has no value in ``own``.
    """
    tuned = {name: getattr(tuning, name) for name in (*RANGES, *CHOICES)}
    space: dict[str, tuple[Value, ...]] = {}
    for name, factors in tuned.items():
        if factors is None or own[name] is None:
            continue
        values = [own[name] * factor for factor in factors]
        space[name] = tuple(values) if name in RANGES else tuple(sorted({round(value) for value in values}))
    return space


def apply(config: PretrainingConfig, values: Mapping[str, Value], source: str) -> PretrainingConfig:
    """Replace values of the config by the Tuner's.

    Args:
        config: as it was set.
        values: by name.
        source: where they come from, for the message.

    Raises:
        ConfigError: an unknown name, or a value that the config cannot have; the message names key and value.
    """
    settings = configuration.to_mapping(config)
    for name, value in values.items():
        if name == AUGMENTATION_STRENGTH:
            settings["augmentation"] = configuration.to_mapping(_strengthened(config, value, source))
        elif name in _KEYS:
            *groups, key = _KEYS[name].split(".")
            (settings[groups[0]] if groups else settings)[key] = value
        else:
            known = ", ".join((*RANGES, *CHOICES))
            raise ConfigError(f"{source}: {name}: unknown hyperparameter, found {value!r}; there are {known}")
    return configuration.from_mapping(PretrainingConfig, settings, source, "pretraining")


def _strengthened(config: PretrainingConfig, value: Value, source: str) -> OnlinePolicy:
    try:
        return strengthened(config.augmentation, value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{source}: {AUGMENTATION_STRENGTH}: {error}") from None


def shortened(config: PretrainingConfig, epochs: int, execution: int) -> PretrainingConfig:
    """The config of one training of a trial: fewer epochs, a proportionally shorter warm-up, and its own seed."""
    warmup_epochs = config.warmup_epochs * epochs / config.epochs
    return dataclasses.replace(
        config,
        epochs=epochs,
        schedule=dataclasses.replace(config.schedule, warmup_epochs=warmup_epochs),
        seed=(config.seed + execution) % 2**31,
    )


def check(tuning: TuningConfig, config: PretrainingConfig) -> None:
    """Refuse a search that cannot work, or that would train the same thing twice.

    Raises:
        ValueError: a trial would be longer than the training itself, nothing is tuned, something without effect is, or
            an end of the search space is no value that the config can have; the message names the key.
    """
    if tuning.epochs > config.epochs:
        raise ValueError(f"tuning.epochs ({tuning.epochs}) must not exceed pretraining.epochs ({config.epochs})")
    tuned = [name for name in (*RANGES, *CHOICES) if getattr(tuning, name) is not None]
    if not tuned:
        raise ValueError("tuning.enabled is true, but nothing is tuned: give temperature or another a range")
    for name, reason in _without_effect(config).items():
        if name in tuned:
            raise ValueError(f"tuning.{name} would change nothing, because {reason}: set it to null")
    for name, values in search_space(tuning, own_values(config)).items():
        for value in values:
            try:
                apply(config, {name: value}, f"tuning.{name}: {value:g} cannot be tried")
            except ConfigError as error:
                raise ValueError(str(error)) from None


def _without_effect(config: PretrainingConfig) -> dict[str, str]:
    reasons = {}
    if config.method is Method.BYOL:
        reasons[TEMPERATURE] = "method byol has no temperature"
    if config.projection_head.layers < 2:
        reasons[HEAD_WIDTH] = f"projection_head.layers is {config.projection_head.layers}"
    if strengthened(config.augmentation, 0.5) == config.augmentation:
        reasons[AUGMENTATION_STRENGTH] = "pretraining.augmentation has no operation that could reach further"
    return reasons
