"""The source's units of work, written to staging in portions for the workers; only their number is kept in memory."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from components.ingestion.decoding.refusals import Refusal
from components.ingestion.reading.source import Item, Note, Source
from components.ingestion.staging import StagedBytes, StagingReader, StagingWriter

_IMAGES_PER_PORTION = 32


class Plan(NamedTuple):
    """The work to do."""

    portions: StagedBytes  # a JSON list per line: the ``StagedBytes`` of a portion, which holds a JSON item per line
    items: int
    images: int  # in all items; an estimate if only reading the files can tell
    classes: frozenset[str]  # of all files that have a label of their own
    refusals: list[Refusal]  # files that are left out without being read
    notes: list[str]  # sentences about the layout


def make_plan(source: Source, folder: str) -> Plan:
    """List ``source`` into the staging folder ``folder``.

    Raises:
        SourceError: as ``Source.items``.
    """
    portions = _PortionWriter(folder)
    classes, refusals, notes = set(), [], []
    for entry in source.items():
        if isinstance(entry, Note):
            notes.append(entry.sentence)
            continue
        if isinstance(entry, Refusal):
            refusals.append(entry)
            continue
        portions.add(entry)
        if entry.label is not None:
            classes.add(entry.label)
    return Plan(portions.close(), portions.items, portions.images, frozenset(classes), refusals, notes)


def read_portions(portions: StagedBytes, folder: str) -> Iterator[StagedBytes]:
    """The portions of a plan whose staging folder is ``folder``."""
    reader = StagingReader(folder)
    content = reader.read(portions)
    reader.close()
    for line in content.splitlines():
        yield StagedBytes(*json.loads(line))


class _PortionWriter:
    def __init__(self, folder: str):
        self._writer = StagingWriter(folder)
        self._portions: list[str] = []
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

    def close(self) -> StagedBytes:
        """Write the list of portions."""
        if self._lines:
            self._end_portion()
        portions = self._writer.append("".join(self._portions).encode())
        self._writer.close()
        return portions

    def _end_portion(self) -> None:
        self._portions.append(json.dumps(self._writer.append("".join(self._lines).encode())) + "\n")
        self._lines, self._waiting = [], 0
