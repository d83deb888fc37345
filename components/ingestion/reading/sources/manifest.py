"""A table of image files: CSV (or TSV) with a header, JSON lines, or Parquet; ``ingestion.manifest`` names its columns.

| column | |
|---|---|
| path | relative to the manifest, absolute, or with a scheme such as ``gs://`` |
| label | text or an integer, which ``ingestion.class_names_file`` names; an empty cell or null means no label |
| split | train, val, test or unlabeled; if empty or null, the group or the pixel digest decides |
| group | patient, scene, …: images of a group never sit on both sides |

All columns but path may be absent, unless the config gives one another name. Names may differ in case and in spaces at
their ends. Other columns are ignored, but if there is no split column, one that names parts stops the run.
"""

import concurrent.futures
import csv
import itertools
import os
import posixpath
from collections.abc import Iterator, Mapping

import pyarrow

from components.contracts import records
from components.contracts.plain_text import printable
from components.ingestion.config import IngestionConfig, ManifestConfig
from components.ingestion.decoding.refusals import Refusal, SourceError
from components.ingestion.reading import labels, listing, parts, tables
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, SourceImage
from components.ingestion.reading.tables import Row

_ROWS_PER_BATCH = 4096
_LOOKS_AT_ONCE = 32  # a remote store answers slowly, but the processor only waits
_KEYS = ("path", "label", "split", "group")


class Manifest:
    """The files that one manifest names."""

    has_groups = True

    def __init__(self, root: str, config: IngestionConfig):
        self._config = config
        self._columns = config.manifest
        self._path = listing.join(root, config.manifest.file)
        self._folder = posixpath.dirname(self._path)
        self._labels_root = root

    def items(self) -> Iterator[Item | Refusal]:
        """See ``Source.items``."""
        class_names = labels.open_labels(self._labels_root, self._config)
        has_test = any(self._part(row, number) == records.TEST for number, row in self._rows())
        for number, row in self._rows():
            part = self._part(row, number)
            label = class_names.name_of_record(row.get(self._columns.label), self._path, number)
            yield Item(
                self._file(row, number),
                label=None if part == records.UNLABELED else label,
                split=part if part != records.TRAIN or has_test else None,
                group=self._text(row, self._columns.group, number),
            )

    def fingerprint(self) -> str:
        """See ``Source.fingerprint``."""
        return listing.fingerprint(self._listed())

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """See ``Source.load``."""
        content = listing.read_file(listing.join(self._folder, item.path), self._config.max_file_bytes)
        yield SourceImage(printable(item.path), content, item.label, item.split, item.group)

    def _listed(self) -> Iterator[Listed]:
        yield listing.look_at(self._path, self._columns.file)
        if self._config.class_names_file:
            names = self._config.class_names_file
            yield listing.look_at(listing.join(self._labels_root, names), names)
        files = (self._file(row, number) for number, row in self._rows())
        with concurrent.futures.ThreadPoolExecutor(_LOOKS_AT_ONCE) as threads:
            while batch := list(itertools.islice(files, _ROWS_PER_BATCH)):
                yield from threads.map(self._look_at, batch)

    def _look_at(self, file: str) -> Listed:
        return listing.look_at(listing.join(self._folder, file), file)

    def _rows(self) -> Iterator[tuple[int, Row]]:
        """The rows, numbered from 1.

        Raises:
            SourceError: no manifest, none of the three formats, no rows, or no row has a column that the config names.
        """
        seen: dict[str, None] = {}
        unused = _PartColumns(self._names())
        number = 0
        with listing.open_file(self._path) as file:
            try:
                for number, row in enumerate(tables.read_rows(file, self._path, self._names()), start=1):
                    if row.keys() - seen:
                        seen |= dict.fromkeys(row)
                    unused.look_at(row)
                    yield number, row
            except (ValueError, OSError, csv.Error, pyarrow.ArrowException) as error:
                if isinstance(error, SourceError):
                    raise
                raise SourceError(f"{self._path}: row {number + 1}: {error}") from error
        if not number:
            raise SourceError(f"{self._path}: no rows in it")
        defaults = ManifestConfig()
        for key in ("label", "split", "group"):
            name = getattr(self._columns, key)
            if name not in seen and name != getattr(defaults, key):
                raise SourceError(
                    f"{self._path}: no column {name!r}, which ingestion.manifest.{key} names; found "
                    f"{tables.described(seen)}"
                )
        if self._columns.split not in seen and (columns := unused.found()):
            raise SourceError(
                f"{self._path}: column {columns[0]!r} names the parts of the data set; set ingestion.manifest.split to "
                "it, or remove it if images shall be split at random"
            )

    def _names(self) -> list[str]:
        return [getattr(self._columns, key) for key in _KEYS]

    def _file(self, row: Row, number: int) -> str:
        file = row.get(self._columns.path)
        if isinstance(file, bytes):
            file = os.fsdecode(file)
        if not isinstance(file, str) or not file:
            raise SourceError(
                f"{self._path}: row {number}: a path expected in column {self._columns.path!r}, "
                f"found {repr(file)[:100]}"
            )
        return file

    def _part(self, row: Row, number: int) -> str | None:
        """The split that the row names; None if it names none."""
        text = self._text(row, self._columns.split, number)
        if text is None:
            return None
        part = parts.split_of(parts.part_of(text), True, self._config)
        if part is None:
            raise SourceError(
                f"{self._path}: row {number}: train, val, test or unlabeled expected in column "
                f"{self._columns.split!r}, found {text!r}"
            )
        return part

    def _text(self, row: Row, column: str, number: int) -> str | None:
        try:
            text = labels.text_of(row.get(column))
        except ValueError as error:
            raise SourceError(f"{self._path}: row {number}: column {column!r}: {error}") from error
        return None if text is None else printable(text)


class _PartColumns:
    """Looks for columns that say train and test, beside those that are read."""

    def __init__(self, known: list[str]):
        self._known = known
        self._parts: dict[str, set[str]] | None = None

    def look_at(self, row: Mapping[str, object]) -> None:
        """Take a row into account."""
        if self._parts is None:
            self._parts = {name: set() for name in row if name not in self._known}
        for name in [*self._parts]:
            text = row.get(name)
            part = parts.parts_of_folders([text]).get(text) if isinstance(text, str) else None
            if part is None:
                del self._parts[name]
            else:
                self._parts[name].add(part)

    def found(self) -> list[str]:
        """Columns with nothing but names of parts, and several of them."""
        return [name for name, found in (self._parts or {}).items() if len(found) > 1]


open_source = Manifest
