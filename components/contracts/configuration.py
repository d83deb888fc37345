"""Typed, frozen configuration: mappings in, dataclasses out, and canonical JSON back.

The config of every step is a frozen dataclass with ``@configuration``; nothing else supplies defaults. Unknown keys,
wrong types and values out of range are errors that name the dotted key.
"""

import dataclasses
import difflib
import enum
import hashlib
import json
import math
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pydantic
import pydantic.dataclasses
from pydantic_core import ErrorDetails
from typing_extensions import dataclass_transform

Config = TypeVar("Config")
Location = tuple[str | int, ...]
Source = str | Callable[[Location], str]


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the source and the dotted key."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(pydantic.Field,))
def configuration(cls: type[Config]) -> type[Config]:
    """Make ``cls`` a frozen, keyword-only dataclass that refuses unknown keys and wrong types."""
    decorate = pydantic.dataclasses.dataclass(
        frozen=True, kw_only=True, config=pydantic.ConfigDict(extra="forbid", strict=True)
    )
    return typing.cast(type[Config], decorate(cls))  # pydantic's own annotation forgets which class it was


def from_mapping(cls: type[Config], mapping: dict[str, Any], source: Source, prefix: str = "") -> Config:
    """Build ``cls`` from plain values.

    Args:
        cls: a class made by ``configuration``.
        mapping: keys to plain values (str, int, float, bool, None, list, dict), as YAML gives them.
        source: the file or parameter the mapping came from, for the error message; or a function that says it of the
            value at a location.
        prefix: dotted key of ``mapping`` inside ``source``.

    Raises:
        ConfigError: an unknown key, a wrong type, a missing required key or a value out of range.
    """
    wrong = [(location, f"{_dotted(location, prefix)}: {text}") for location, text in _without_json(mapping, ())]
    if not wrong:
        try:
            # Strict JSON mode accepts an enum's value and a list for a tuple, but no string for a number.
            return pydantic.TypeAdapter(cls).validate_json(json.dumps(mapping), strict=True)
        except pydantic.ValidationError as error:
            wrong = [(details["loc"], _sentence(cls, details, prefix)) for details in error.errors()]
    lines = [f"{source(location) if callable(source) else source}: {text}" for location, text in wrong]
    raise ConfigError("\n".join(lines))


def _without_json(value: Any, location: Location) -> Iterator[tuple[Location, str]]:
    """Locations of the values that JSON does not know, each with what was expected there."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not (key is None or isinstance(key, (str, int, float))):
                yield (*location, str(key)), f"expected text as a key, found {key!r}; put it in quotes"
            yield from _without_json(inner, (*location, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _without_json(inner, (*location, index))
    elif isinstance(value, (int, float)) and not _is_finite(value):
        yield location, f"expected a finite number, found {str(value)[:20]}"
    elif not (value is None or isinstance(value, (str, int, float))):  # a date, for example
        yield location, f"expected text, a number, true, false or null, found {value!r}; put text in quotes"


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


def _dotted(location: Sequence[str | int], prefix: str) -> str:
    return ".".join(str(part) for part in ((prefix,) if prefix else ()) + tuple(location)) or "(top level)"


def _sentence(cls: type, details: ErrorDetails, prefix: str) -> str:
    key = _dotted(details["loc"], prefix)
    if details["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _known_keys(cls, details["loc"][:-1])
        expected = f", expected one of {', '.join(known)}" if known else ""
        return f"{key}: unknown key{expected}{_hint(cls, details, prefix)}"
    if details["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{key}: required, but missing"
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "value_error":
        return f"{key}: {message}"
    return f"{key}: {message}, found {details['input']!r}"


def _known_keys(kind: Any, location: Sequence[str | int]) -> list[str]:
    """Field names of the dataclass at ``location`` in ``kind``, if there is one; numbers are list indices."""
    for name in (part for part in location if isinstance(part, str)):
        kind = _group_in(typing.get_type_hints(kind).get(name)) if kind else None
    return sorted(field.name for field in dataclasses.fields(kind)) if kind else []


def _group_in(hint: Any) -> Any:
    """The dataclass that a field of this type holds; an optional field or a list names it as a type argument."""
    return next((each for each in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(each)), None)


def _hint(cls: type, details: ErrorDetails, prefix: str) -> str:
    """The key that an unknown one may have been meant for: a neighbour with a similar name, or a setting elsewhere."""
    *group, name = details["loc"]
    close = difflib.get_close_matches(str(name), _known_keys(cls, group), n=1)
    meant = [(*group, each) for each in close] or [(key,) for key in keys_like(cls, str(name))]
    return f"; did you mean {' or '.join(_dotted(key, prefix) for key in meant)}?" if meant else ""


def keys_like(cls: type, name: str) -> list[str]:
    """Up to three dotted keys in ``cls`` whose last part is ``name``, or if there is none, is similar to it."""
    keys = list(_keys(cls, ()))
    last_parts = sorted({key[-1] for key in keys})
    alike = [name] if name in last_parts else difflib.get_close_matches(name, last_parts, n=1, cutoff=0.75)
    return [".".join(key) for key in keys if key[-1] in alike][:3]


def _keys(cls: type, group: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The keys of all settings in ``cls``, in the order of its fields."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        inner = _group_in(hints[field.name])
        yield (*group, field.name)
        if inner is not None:
            yield from _keys(inner, (*group, field.name))


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
