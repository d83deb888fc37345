"""The source's units of work, written to staging in portions for the workers; only their number is kept in memory."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from components.ingestion import staging
from components.ingestion.decoding.refusals import Refusal
from components.ingestion.reading.source import Item, Source

_IMAGES_PER_PORTION = 32


class Plan(NamedTuple):
    """What is to be done."""

    portions_file: str  # in staging; per line a JSON list, the ``Place`` of some items, which are lines of JSON too
    items: int
    images: int  # in them; an estimate where only reading tells
    classes: frozenset[str]  # of all files with a label of their own
    refusals: list[Refusal]  # what is left out before reading


def make_plan(source: Source, folder: str) -> Plan:
    """List ``source`` into the staging folder ``folder``.

    Raises:
        SourceError: as ``Source.items``.
    """
    portions = _PortionWriter(folder)
    classes, refusals = set(), []
    for entry in source.items():
        if isinstance(entry, Refusal):
            refusals.append(entry)
            continue
        portions.add(entry)
        if entry.label is not None:
            classes.add(entry.label)
    return Plan(portions.close(), portions.items, portions.images, frozenset(classes), refusals)


def read_portions(path: str) -> Iterator[tuple]:
    """The places in the portions file ``path``, as plain tuples."""
    for line in staging.read_whole(path).splitlines():
        yield tuple(json.loads(line))


class _PortionWriter:
    def __init__(self, folder: str):
        self._folder = folder
        self._items = staging.StagingWriter(folder)
        self._places: list[str] = []
        self._lines: list[str] = []
        self._waiting = 0
        self.items = 0
        self.images = 0

    def add(self, item: Item) -> None:
        self._lines.append(json.dumps(item) + "\n")  # ASCII, so that any file name survives
        self._waiting += item.count
        self.items += 1
        self.images += item.count
        if self._waiting >= _IMAGES_PER_PORTION:
            self._end_portion()

    def close(self) -> str:
        """The path of the portions file."""
        if self._lines:
            self._end_portion()
        self._items.close()
        path = staging.new_path(self._folder)
        staging.write_whole(self._folder, path, "".join(self._places).encode())
        return path

    def _end_portion(self) -> None:
        self._places.append(json.dumps(self._items.append("".join(self._lines).encode())) + "\n")
        self._lines, self._waiting = [], 0
