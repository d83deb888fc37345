"""The configuration as lists of dotted keys, one list for each section of the configuration."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def settings_section(settings: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Section -> (key, value) pairs; keys outside a section come first, under "general"."""
    general = {key: value for key, value in settings.items() if not isinstance(value, Mapping)}
    sections = [(key, list(flat(value))) for key, value in settings.items() if isinstance(value, Mapping)]
    return ([("general", list(flat(general)))] if general else []) + [section for section in sections if section[1]]


def flat(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, value as text) pairs, in order."""
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
