"""Rows of a CSV, TSV, JSON lines or Parquet file, one at a time, whatever the file claims about its size."""

import csv
import io
import json
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow
import pyarrow.compute
from pyarrow import parquet

from components.ingestion.decoding.refusals import SourceError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
Row = dict[str, Any]

_ROWS_PER_BATCH = 4096
_MAX_LINE_BYTES = 2**20  # also of a text in a Parquet file
_MAX_COLUMN_BYTES = 2**30  # of a Parquet file's row group, unpacked
_COLUMNS_IN_MESSAGE = 20


def read_rows(file: BinaryIO, path: str, wanted: Sequence[str]) -> Iterable[Row]:
    """The rows of the table in ``file``.

    Args:
        file: the table.
        path: its name, whose suffix says the format.
        wanted: columns to read, the first of which must be there; a column whose name differs in case, or in spaces at
            its ends, is meant and is called as in ``wanted``. Of formats other than Parquet the other columns come too.

    Raises:
        ValueError: a row or the header cannot be used.
        SourceError: the suffix is unknown.
    """
    suffix = posixpath.splitext(path)[1].lower()
    if suffix == ".parquet":
        return _read_parquet(file, wanted)
    if suffix not in SUFFIXES:
        raise SourceError(f"{path}: a manifest called .csv, .tsv, .jsonl, .ndjson or .parquet expected")
    # File names that are not UTF-8 are read and written unchanged.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    if suffix in (".csv", ".tsv"):
        return _read_csv(text, "\t" if suffix == ".tsv" else ",", wanted)
    return _read_json_lines(text, wanted)


def described(columns: Iterable[Any]) -> str:
    """The names of columns, for a message."""
    names = [str(name) for name in columns]
    more = f" and {len(names) - _COLUMNS_IN_MESSAGE} more" if len(names) > _COLUMNS_IN_MESSAGE else ""
    return ", ".join(repr(name[:80]) for name in names[:_COLUMNS_IN_MESSAGE]) + more


def _check_header(columns: Collection[str], renamed: Mapping[str, str], wanted: Sequence[str]) -> None:
    if wanted[0] not in columns and wanted[0] not in renamed.values():
        raise ValueError(
            f"no column {wanted[0]!r}; found {described(columns)}. ingestion.manifest.path chooses another column; the "
            "first line of a .csv or .tsv must name the columns, between commas or tabs"
        )


def _renamed(columns: Collection[str], wanted: Collection[str]) -> Mapping[str, str]:
    """The columns that are wanted under another spelling: their name -> the wanted one."""
    renamed: dict[str, str] = {}
    for name in wanted:
        alike = [each for each in columns if each != name and each.strip().casefold() == name.strip().casefold()]
        if not alike:
            continue
        if len(alike) > 1 or name in columns:
            raise ValueError(f"columns that differ only in case or spaces: {described(alike)}, wanted is {name!r}")
        renamed[alike[0]] = name
    return renamed


def _read_csv(text: io.TextIOWrapper, delimiter: str, wanted: Sequence[str]) -> Iterator[Row]:
    csv.field_size_limit(_MAX_LINE_BYTES)
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    header = next((row for row in reader if row), None)
    if header is None:
        return
    if len(set(filter(None, header))) < len(list(filter(None, header))):
        raise ValueError(f"the header names a column twice: {described(header)}")
    renamed = _renamed(header, wanted)
    _check_header(header, renamed, wanted)
    names = [renamed.get(name, name) for name in header]
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(names):
            raise ValueError(f"{len(names)} cells expected, as in the header, found {len(cells)}")
        yield dict(zip(names, cells, strict=True))


def _read_json_lines(text: io.TextIOWrapper, wanted: Sequence[str]) -> Iterator[Row]:
    spellings: dict[tuple[str, ...], Mapping[str, str]] = {}
    for line in _lines(text):
        if not line.strip():
            continue
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError(f"a JSON object expected, found {line.strip()[:80]!r}")
        keys = tuple(row)
        if keys not in spellings:
            spellings.clear()
            spellings[keys] = _renamed(keys, wanted)
            _check_header(keys, spellings[keys], wanted)
        yield {spellings[keys].get(key, key): value for key, value in row.items()}


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    first = True
    while line := text.readline(_MAX_LINE_BYTES + 1):
        if len(line) > _MAX_LINE_BYTES:
            raise ValueError(f"a line of at most {_MAX_LINE_BYTES} characters expected")
        if first and (line.startswith(("\udcff\udcfe", "\udcfe\udcff")) or "\0" in line):
            raise ValueError("text in UTF-8 expected, found another encoding, such as UTF-16")
        first = False
        yield line


def _read_parquet(file: BinaryIO, wanted: Sequence[str]) -> Iterator[Row]:
    table = parquet.ParquetFile(file)
    names = table.schema_arrow.names
    if len(set(names)) < len(names):
        raise ValueError(f"a column comes twice: {described(names)}")
    renamed = _renamed(names, wanted)
    present = [name for name in names if renamed.get(name, name) in wanted]
    _check_header(names, renamed, wanted)
    # Kept as a dictionary, a text that comes in many rows is in memory once.
    texts = [name for name in present if _is_text(table.schema_arrow.field(name).type)]
    table = parquet.ParquetFile(file, read_dictionary=texts)
    _check_sizes(table, present)
    for batch in table.iter_batches(_ROWS_PER_BATCH, columns=present):
        columns = {
            renamed.get(name, name): _values(batch.column(at), name) for at, name in enumerate(batch.schema.names)
        }
        for row in zip(*columns.values(), strict=True):
            yield dict(zip(columns, row, strict=True))


def _check_sizes(table: parquet.ParquetFile, names: Collection[str]) -> None:
    metadata = table.metadata
    for group in range(metadata.num_row_groups):
        columns = (metadata.row_group(group).column(at) for at in range(metadata.num_columns))
        for column in columns:
            name = column.path_in_schema.split(".")[0]
            if name in names and column.total_uncompressed_size > _MAX_COLUMN_BYTES:
                raise ValueError(f"column {name!r} has {column.total_uncompressed_size} bytes in a row group")


def _is_text(kind: pyarrow.DataType) -> bool:
    types = pyarrow.types
    return types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind)


def _values(column: pyarrow.Array, name: str) -> list[Any]:
    texts = column.dictionary if isinstance(column, pyarrow.DictionaryArray) else column
    if _is_text(texts.type) and len(texts):
        longest = pyarrow.compute.max(pyarrow.compute.binary_length(texts)).as_py() or 0
        if longest > _MAX_LINE_BYTES:
            raise ValueError(f"column {name!r}: texts of at most {_MAX_LINE_BYTES} bytes expected, found {longest}")
    elif pyarrow.types.is_nested(texts.type):
        raise ValueError(f"column {name!r}: text or integers expected, found {texts.type}")
    return column.to_pylist()
