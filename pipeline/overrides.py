"""``--set``: single settings that replace those of a file."""

import copy
from collections.abc import Sequence
from typing import Any

import yaml

from components.contracts.configuration import ConfigError


def override(mapping: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of ``mapping`` with some values replaced.

    Args:
        mapping: settings, in groups of any depth; not changed.
        overrides: ``dotted.key=value``, the value in YAML.

    Raises:
        ConfigError: an override has another form, its value is no YAML, or its key goes through a value.
    """
    result = copy.deepcopy(mapping)
    for entry in overrides:
        key, equals, text = entry.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {entry}: expected dotted.key=value")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {entry}: the value is not YAML: {error}") from error
        *parents, last = key.split(".")
        place = result
        for parent in parents:
            if place.get(parent) is None:
                place[parent] = {}
            place = place[parent]
            if not isinstance(place, dict):
                raise ConfigError(f"--set {entry}: {parent} is a value, not a group of settings")
        place[last] = value
    return result
