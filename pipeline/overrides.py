"""``--set``: single settings that replace those of a file."""

import copy
from collections.abc import Sequence
from typing import Any

from components.contracts.configuration import ConfigError
from pipeline import yaml_files


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
        put(result, *parse(entry))
    return result


def parse(entry: str) -> tuple[tuple[str, ...], Any]:
    """The parts of the key, and the value, of ``dotted.key=value``.

    Raises:
        ConfigError: the entry has another form, or its value is no YAML.
    """
    key, equals, text = entry.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {entry}: expected dotted.key=value")
    return tuple(key.split(".")), yaml_files.parse(text, f"--set {entry}")


def put(mapping: dict[str, Any], key: Sequence[str], value: Any) -> None:
    """Set a value inside ``mapping``; groups on the way to it are made.

    Raises:
        ConfigError: the key goes through a value.
    """
    *parents, last = key
    place = mapping
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise ConfigError(f"--set {'.'.join(key)}: {parent} is a value, not a group of settings")
    place[last] = value
