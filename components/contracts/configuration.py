"""Typed, frozen configuration: mappings in, dataclasses out, and canonical JSON back.

The config of every step is a frozen dataclass with ``@configuration``; nothing else supplies defaults. Unknown keys,
wrong types and values out of range are errors that name the dotted key.
"""

import dataclasses
import enum
import hashlib
import json
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

import pydantic
import pydantic.dataclasses
from pydantic_core import ErrorDetails
from typing_extensions import dataclass_transform

Config = TypeVar("Config")


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the source and the dotted key."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(pydantic.Field,))
def configuration(cls: type[Config]) -> type[Config]:
    """Make ``cls`` a frozen, keyword-only dataclass that refuses unknown keys and wrong types."""
    decorate = pydantic.dataclasses.dataclass(
        frozen=True, kw_only=True, config=pydantic.ConfigDict(extra="forbid", strict=True)
    )
    return typing.cast(type[Config], decorate(cls))  # pydantic's own annotation forgets which class it was


def from_mapping(cls: type[Config], mapping: dict[str, Any], source: str, prefix: str = "") -> Config:
    """Build ``cls`` from plain values.

    Args:
        cls: a class made by ``configuration``.
        mapping: keys to plain values (str, int, float, bool, None, list, dict), as YAML gives them.
        source: the file or parameter the mapping came from, for the error message.
        prefix: dotted key of ``mapping`` inside ``source``.

    Raises:
        ConfigError: an unknown key, a wrong type, a missing required key or a value out of range.
    """
    try:
        # Strict JSON mode accepts an enum's value and a list for a tuple, but no string for a number.
        return pydantic.TypeAdapter(cls).validate_json(json.dumps(mapping), strict=True)
    except (TypeError, pydantic.ValidationError) as error:
        if isinstance(error, TypeError):  # a YAML value without a JSON form, such as a date
            raise ConfigError(f"{source}: {error}") from error
        lines = [_sentence(cls, details, prefix) for details in error.errors()]
        raise ConfigError("\n".join(f"{source}: {line}" for line in lines)) from None


def _sentence(cls: type, details: ErrorDetails, prefix: str) -> str:
    key = ".".join(str(part) for part in ((prefix,) if prefix else ()) + details["loc"]) or "(top level)"
    if details["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _known_keys(cls, details["loc"][:-1])
        return f"{key}: unknown key" + f", expected one of {', '.join(known)}" * bool(known)
    if details["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{key}: required, but missing"
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "value_error":
        return f"{key}: {message}"
    return f"{key}: {message}, found {details['input']!r}"


def _known_keys(kind: Any, location: Sequence[str | int]) -> list[str]:
    """Field names of the dataclass at ``location`` in ``kind``, if there is one; numbers are list indices."""
    for name in (part for part in location if isinstance(part, str)):
        hint = typing.get_type_hints(kind).get(name) if dataclasses.is_dataclass(kind) else None
        # An optional field or a list names its dataclass as a type argument.
        kind = next((each for each in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(each)), None)
    return sorted(field.name for field in dataclasses.fields(kind)) if kind else []


def to_mapping(config: Any) -> Any:
    """The plain values of ``config`` (dataclass, enum, tuple, dict or scalar), ready for YAML or JSON."""
    if dataclasses.is_dataclass(config):
        return {field.name: to_mapping(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, enum.Enum):
        return config.value
    if isinstance(config, (tuple, list)):
        return [to_mapping(value) for value in config]
    if isinstance(config, dict):
        return {to_mapping(key): to_mapping(value) for key, value in config.items()}
    return config


def to_json(config: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, so that equal configs are equal strings."""
    return json.dumps(to_mapping(config), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def to_parameter(config: Any) -> Any:
    """The parameter that carries ``config``: canonical JSON, or unchanged if it is a run-time parameter."""
    return to_json(config) if dataclasses.is_dataclass(config) else config


def from_json(cls: type[Config], text: str, source: str) -> Config:
    """Inverse of ``to_json``; errors name ``source``.

    Raises:
        ConfigError: as ``from_mapping``.
    """
    return from_mapping(cls, json.loads(text), source)


def digest(config: Any) -> str:
    """SHA-256 of the canonical JSON, 64 hex characters."""
    return hashlib.sha256(to_json(config).encode()).hexdigest()
