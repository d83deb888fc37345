"""Typed records that one step writes as JSON and another one reads: frozen dataclasses in, files with a version out.

A record is a frozen dataclass made by ``record(version)``. The version stands in the file, and a change of the fields
raises it, so that a reader never guesses at the meaning of an older file.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from typing_extensions import dataclass_transform

from components.contracts import configuration, files

Record = TypeVar("Record")

_VERSION_KEY = "format_version"
_VERSION_ATTRIBUTE = "__format_version__"


class RecordError(ValueError):
    """A record file that cannot be used; the message names the file and, where there is one, the field."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(version: int) -> Callable[[type[Record]], type[Record]]:
    """Make a class the top level of a record file: frozen, keyword-only, checked.

    The dataclasses of its fields are made by ``configuration.configuration``, as they have no version of their own.

    Args:
        version: >= 1; raised by one with every change of a field's name, type or meaning.
    """

    def make(cls: type[Record]) -> type[Record]:
        made = configuration.configuration(cls)
        setattr(made, _VERSION_ATTRIBUTE, version)
        return made

    return make


def write_record(path: str, value: Any) -> None:
    """Write a record to ``path``, whole or not at all; its folder is made."""
    files.write_json(path, {_VERSION_KEY: _version(type(value)), **configuration.to_mapping(value)})


def read_record(cls: type[Record], path: str) -> Record:
    """Read a record of class ``cls`` from ``path``.

    Raises:
        RecordError: the file is no JSON object, has another version, lacks a field, or has one that is unknown or of
            the wrong type.
        OSError, tf.errors.OpError: the file cannot be read.
    """
    try:
        mapping = json.loads(files.read_bytes(path))
    except ValueError as error:
        raise RecordError(f"{path}: expected JSON, found something else: {error}") from error
    return record_from_mapping(cls, mapping, path)


def record_from_mapping(cls: type[Record], mapping: Any, source: str) -> Record:
    """Build a record from the JSON value of a file; ``source`` is named in errors.

    Raises:
        RecordError: as ``read_record``.
    """
    if not isinstance(mapping, dict):
        raise RecordError(f"{source}: expected a JSON object, found {type(mapping).__name__}")
    expected, found = _version(cls), mapping.get(_VERSION_KEY)
    if found != expected:
        raise RecordError(
            f"{source}: {_VERSION_KEY}: expected {expected}, found {found}: another version of this project wrote the "
            "file; run the step that writes it again"
        )
    fields = {key: value for key, value in mapping.items() if key != _VERSION_KEY}
    try:
        return configuration.from_mapping(cls, fields, source)
    except configuration.ConfigError as error:
        raise RecordError(str(error)) from error


def _version(cls: type) -> int:
    return getattr(cls, _VERSION_ATTRIBUTE)
