"""Many image files in, a table of embeddings out, however many there are: one batch is in memory at a time.

The table appears under its name when it is whole. Needs TensorFlow and, for Parquet, pyarrow; nothing of TFX.
"""

import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from components.export.consumer import Encoder, UnusableImageError

FORMATS = (".parquet", ".npy")
PATH_COLUMN, EMBEDDING_COLUMN = "path", "embedding"


class UnusableOutputError(ValueError):
    """The table cannot be written where and how it was asked for."""


@dataclasses.dataclass(frozen=True)
class Embedded:
    """What became of the files."""

    num_images: int  # rows of the table
    refused: list[UnusableImageError]  # in the order of the files


def find_files(places: Sequence[str | pathlib.Path]) -> list[pathlib.Path]:
    """Files as they are named, and all files below folders that are named, sorted; hidden ones left out.

    Raises:
        FileNotFoundError: something named is not there.
    """
    found: list[pathlib.Path] = []
    for place in map(pathlib.Path, places):
        if place.is_dir():
            below = (path for path in place.rglob("*") if path.is_file())
            found += sorted(path for path in below if not _is_hidden(path.relative_to(place)))
        elif place.exists():
            found.append(place)
        else:
            raise FileNotFoundError(f"{place}: no such file or folder")
    return found


def write_embeddings(
    encoder: Encoder,
    files: Sequence[pathlib.Path],
    output: pathlib.Path,
    on_progress: Callable[[int], None],
) -> Embedded:
    """Embed ``files`` and write the table; files that are no usable image are left out and told.

    Args:
        encoder: of the registry.
        files: image files in any format that ingestion accepts.
        output: ``.parquet``: columns ``path`` (string) and ``embedding`` (d float32); ``.npy``: (n, d) float32, with
            the paths, one JSON string per line, in ``<output>.paths.jsonl`` beside it. Replaced when there.
        on_progress: called with the number of files done, batch by batch.

    Raises:
        UnusableOutputError: another ending, or no folder to write to.
    """
    table = _open(output, encoder.dimensions)
    refused: list[UnusableImageError] = []
    num_images = done = 0
    try:
        for batch in encoder.stream(files):
            table.add([str(path) for path in batch.images], batch.representations)
            refused += batch.refused
            num_images += len(batch.images)
            done += len(batch.images) + len(batch.refused)
            on_progress(done)
        table.finish()
    except BaseException:
        table.discard()
        raise
    return Embedded(num_images, refused)


def _is_hidden(path: pathlib.Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


class _Table(Protocol):
    def add(self, paths: list[str], rows: np.ndarray) -> None: ...

    def finish(self) -> None: ...

    def discard(self) -> None: ...


def _open(output: pathlib.Path, dimensions: int) -> _Table:
    if not output.parent.is_dir():
        raise UnusableOutputError(f"{output}: there is no folder {output.parent}")
    if output.suffix == ".parquet":
        return _ParquetTable(output, dimensions)
    if output.suffix == ".npy":
        return _NumPyTable(output, dimensions)
    raise UnusableOutputError(f"{output}: expected a name that ends in {' or '.join(FORMATS)}")


def _incoming(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f".{path.name}.incoming")


class _ParquetTable:
    def __init__(self, output: pathlib.Path, dimensions: int):
        import pyarrow
        from pyarrow import parquet

        self._arrow, self._dimensions, self._output = pyarrow, dimensions, output
        vector = pyarrow.list_(pyarrow.float32(), dimensions)
        self._schema = pyarrow.schema([(PATH_COLUMN, pyarrow.string()), (EMBEDDING_COLUMN, vector)])
        self._writer = parquet.ParquetWriter(_incoming(output), self._schema)

    def add(self, paths: list[str], rows: np.ndarray) -> None:
        vectors = self._arrow.FixedSizeListArray.from_arrays(self._arrow.array(rows.ravel()), self._dimensions)
        columns = [self._arrow.array(paths, self._arrow.string()), vectors]
        self._writer.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema))

    def finish(self) -> None:
        self._writer.close()
        os.replace(_incoming(self._output), self._output)

    def discard(self) -> None:
        self._writer.close()
        _incoming(self._output).unlink(missing_ok=True)


class _NumPyTable:
    """The header of a ``.npy`` file says how many rows follow, which is known at the end only."""

    def __init__(self, output: pathlib.Path, dimensions: int):
        self._output, self._dimensions, self._num_rows = output, dimensions, 0
        self._paths_file = output.with_name(f"{output.name}.paths.jsonl")
        self._rows_file = output.with_name(f".{output.name}.rows")
        self._rows = self._rows_file.open("wb")
        self._paths = _incoming(self._paths_file).open("w", encoding="utf-8")

    def add(self, paths: list[str], rows: np.ndarray) -> None:
        self._rows.write(np.ascontiguousarray(rows, np.float32).tobytes())
        self._paths.writelines(f"{json.dumps(path)}\n" for path in paths)
        self._num_rows += len(rows)

    def finish(self) -> None:
        self._close()
        shape = (self._num_rows, self._dimensions)
        with _incoming(self._output).open("wb") as whole, self._rows_file.open("rb") as rows:
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False}
            np.lib.format.write_array_header_1_0(whole, header | {"shape": shape})
            shutil.copyfileobj(rows, whole)
        os.replace(_incoming(self._paths_file), self._paths_file)
        os.replace(_incoming(self._output), self._output)
        self._rows_file.unlink()

    def discard(self) -> None:
        self._close()
        for path in (self._rows_file, _incoming(self._paths_file), _incoming(self._output)):
            path.unlink(missing_ok=True)

    def _close(self) -> None:
        self._rows.close()
        self._paths.close()
