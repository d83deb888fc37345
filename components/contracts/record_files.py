"""Typed records: one step writes a frozen dataclass as JSON with a version, another step reads it back.

A record is a frozen dataclass made by ``record(version)``. The version is in the file, and whoever changes a field
raises it, so a reader never has to guess what an older file means.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from typing_extensions import dataclass_transform

from components.contracts import configuration

Record = TypeVar("Record")

_VERSION_KEY = "format_version"
_VERSION_ATTRIBUTE = "__format_version__"
_PUBLISHED_ATTRIBUTE = "__is_published__"
_UNVERSIONED = 1  # published files without a version count as this one


class RecordError(ValueError):
    """A record file that cannot be used; the message names the file and, if one is wrong, the field."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(version: int, *, is_published: bool = False) -> Callable[[type[Record]], type[Record]]:
    """Make a class the top level of a record file: frozen, keyword-only, checked.

    Dataclasses inside it have no version of their own; ``configuration.configuration`` makes them.

    Args:
        version: >= 1; raised by one with every change of a field's name, type or meaning.
        is_published: the files are in the registry, where models that were pushed before files had versions stay in
            use; a file without a version then counts as version 1.
    """

    def make(cls: type[Record]) -> type[Record]:
        made = configuration.configuration(cls)
        setattr(made, _VERSION_ATTRIBUTE, version)
        setattr(made, _PUBLISHED_ATTRIBUTE, is_published)
        return made

    return make


def write_record(path: str, value: Any) -> None:
    """Write a record to ``path``, whole or not at all; creates the folder.

    Raises:
        ValueError: it holds an infinite number or NaN, which JSON does not know.
    """
    from components.contracts import files  # loads TensorFlow, which the classes alone do not need

    files.write_json(path, record_to_mapping(value), allow_nan=False)


def record_to_mapping(value: Any) -> dict[str, Any]:
    """The JSON object of a record, with its version."""
    return {_VERSION_KEY: _version(type(value)), **configuration.to_mapping(value)}


def read_record(cls: type[Record], path: str) -> Record:
    """Read a record of class ``cls`` from ``path``.

    Raises:
        RecordError: the file is no JSON object, has another version, lacks a field, or has one that is unknown or of
            the wrong type.
        OSError, tf.errors.OpError: the file cannot be read.
    """
    from components.contracts import files

    return record_from_bytes(cls, files.read_bytes(path), path)


def record_from_bytes(cls: type[Record], content: bytes, source: str) -> Record:
    """Build a record from the content of a file; ``source`` is named in errors.

    Raises:
        RecordError: as ``read_record``.
    """
    try:
        mapping = json.loads(content)
    except ValueError as error:
        raise RecordError(f"{source}: expected JSON, found something else: {error}") from error
    return record_from_mapping(cls, mapping, source)


def record_from_mapping(cls: type[Record], mapping: Any, source: str) -> Record:
    """Build a record from the JSON value of a file; errors name ``source``.

    Raises:
        RecordError: as ``read_record``.
    """
    if not isinstance(mapping, dict):
        raise RecordError(f"{source}: expected a JSON object, found {type(mapping).__name__}")
    default = _UNVERSIONED if getattr(cls, _PUBLISHED_ATTRIBUTE) else None
    expected, found = _version(cls), mapping.get(_VERSION_KEY, default)
    if found != expected:
        raise RecordError(
            f"{source}: {_VERSION_KEY}: expected {expected}, found {found}: another version of this project wrote the "
            "file; run the step that writes it again"
        )
    fields = {key: value for key, value in mapping.items() if key != _VERSION_KEY}
    try:
        return configuration.from_mapping(cls, fields, source)
    except configuration.ConfigError as error:
        raise RecordError(str(error)) from None


def _version(cls: type) -> int:
    return getattr(cls, _VERSION_ATTRIBUTE)
