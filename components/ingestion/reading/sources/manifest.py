"""A table of image files: CSV (or TSV) with a header, JSON lines, or Parquet; ``ingestion.manifest`` names its columns.

| column | |
|---|---|
| path | relative to the manifest, absolute, or with a scheme such as ``gs://`` |
| label | text or an integer, which ``ingestion.class_names_file`` names; an empty cell or null means no label |
| split | train, val, test or unlabeled; if empty or null, the group or the pixel digest decides |
| group | patient, scene, …: images of a group never sit on both sides |

All columns but path may be absent, unless the config gives one another name. Other columns are ignored.
"""

import concurrent.futures
import csv
import io
import itertools
import json
import posixpath
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import pyarrow
from pyarrow import parquet

from components.contracts import records
from components.contracts.plain_text import printable
from components.ingestion.config import IngestionConfig, ManifestConfig
from components.ingestion.decoding.refusals import Refusal, SourceError
from components.ingestion.reading import labels, listing, parts
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, SourceImage

_ROWS_PER_BATCH = 4096
_LOOKS_AT_ONCE = 32  # a remote store answers slowly, but the processor only waits
_CSV_FIELD_BYTES = 2**20

_Row = dict[str, Any]


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

    def _rows(self) -> Iterator[tuple[int, _Row]]:
        """The rows, numbered from 1.

        Raises:
            SourceError: no manifest, none of the three formats, no rows, or no row has a column that the config names.
        """
        seen: set[str] = set()
        number = 0
        with listing.open_file(self._path) as file:
            try:
                for number, row in enumerate(_read_rows(file, self._path, self._columns), start=1):
                    seen.update(row)
                    yield number, row
            except (ValueError, csv.Error, pyarrow.ArrowException) as error:
                if isinstance(error, SourceError):
                    raise
                raise SourceError(f"{self._path}: row {number + 1}: {error}") from error
        if not number:
            raise SourceError(f"{self._path}: no rows in it")
        defaults = ManifestConfig()
        for key in ("label", "split", "group"):
            name = getattr(self._columns, key)
            if name not in seen and name != getattr(defaults, key):
                raise SourceError(f"{self._path}: no column {name!r}, which ingestion.manifest.{key} names")

    def _file(self, row: _Row, number: int) -> str:
        file = row.get(self._columns.path)
        if not isinstance(file, str) or not file:
            raise SourceError(
                f"{self._path}: row {number}: a path expected in column {self._columns.path!r}, found {file!r}"
            )
        return file

    def _part(self, row: _Row, number: int) -> str | None:
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

    def _text(self, row: _Row, column: str, number: int) -> str | None:
        try:
            return labels.text_of(row.get(column))
        except ValueError as error:
            raise SourceError(f"{self._path}: row {number}: column {column!r}: {error}") from error


def _read_rows(file: BinaryIO, path: str, columns: ManifestConfig) -> Iterable[_Row]:
    suffix = posixpath.splitext(path)[1].lower()
    if suffix == ".parquet":
        return _read_parquet(file, columns)
    # File names that are not UTF-8 are read and written unchanged.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    if suffix in (".csv", ".tsv"):
        return _read_csv(text, "\t" if suffix == ".tsv" else ",")
    if suffix in (".jsonl", ".ndjson"):
        return _read_json_lines(text)
    raise SourceError(f"{path}: a manifest called .csv, .tsv, .jsonl, .ndjson or .parquet expected")


def _read_csv(text: io.TextIOWrapper, delimiter: str) -> Iterator[_Row]:
    csv.field_size_limit(_CSV_FIELD_BYTES)
    reader = csv.DictReader(text, delimiter=delimiter, strict=True)
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(f"{len(reader.fieldnames or ())} cells expected, as in the header")
        yield row


def _read_json_lines(text: io.TextIOWrapper) -> Iterator[_Row]:
    for line in text:
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"a JSON object expected, found {line.strip()[:80]!r}")
            yield row


def _read_parquet(file: BinaryIO, columns: ManifestConfig) -> Iterator[_Row]:
    table = parquet.ParquetFile(file)
    wanted = {columns.path, columns.label, columns.split, columns.group}
    present = [name for name in table.schema_arrow.names if name in wanted]
    for batch in table.iter_batches(_ROWS_PER_BATCH, columns=present):
        yield from batch.to_pylist()


open_source = Manifest
