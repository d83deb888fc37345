"""Any number of image files in, a table of embeddings out; only one batch is in memory at a time.

The table appears under its name when it is complete. Needs TensorFlow and, for Parquet, pyarrow; nothing of TFX.
"""

import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from components.contracts.paths import partial_path
from components.export.consumer import Encoder, UnusableImageError

FORMATS = (".parquet", ".npy")
PATH_COLUMN, EMBEDDING_COLUMN = "path", "embedding"


class UnusableOutputError(ValueError):
    """The table cannot be written to this path or in this format."""


@dataclasses.dataclass(frozen=True)
class Embedded:
    """How many files were embedded, and which were not."""

    num_images: int  # rows of the table
    refused: list[UnusableImageError]  # in the order of the files


def find_files(paths: Sequence[str | pathlib.Path]) -> list[pathlib.Path]:
    """List the files among ``paths``, and the files below its folders, sorted and without hidden ones.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    found: list[pathlib.Path] = []
    for named in map(pathlib.Path, paths):
        if named.is_dir():
            below = (path for path in named.rglob("*") if path.is_file())
            found += sorted(path for path in below if not _is_hidden(path.relative_to(named)))
        elif named.exists():
            found.append(named)
        else:
            raise FileNotFoundError(f"{named}: no such file or folder")
    return found


def write_embeddings(
    encoder: Encoder,
    files: Sequence[pathlib.Path],
    output: pathlib.Path,
    on_progress: Callable[[int], None],
) -> Embedded:
    """Embed ``files`` and write the table; files that are no usable image are left out and returned as errors.

    Args:
        encoder: of the registry.
        files: image files in any format that ingestion accepts.
        output: ``.parquet``: columns ``path`` (string) and ``embedding`` (d float32); ``.npy``: (n, d) float32, with
            the paths, one JSON string per line, in ``<output>.paths.jsonl`` beside it. Replaced when there.
        on_progress: called with the number of files done, batch by batch.

    Raises:
        UnusableOutputError: ``output`` has another ending, or its folder does not exist.
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


class _ParquetTable:
    def __init__(self, output: pathlib.Path, dimensions: int):
        import pyarrow
        from pyarrow import parquet

        self._arrow, self._dimensions, self._output = pyarrow, dimensions, output
        vector = pyarrow.list_(pyarrow.float32(), dimensions)
        self._schema = pyarrow.schema([(PATH_COLUMN, pyarrow.string()), (EMBEDDING_COLUMN, vector)])
        self._writer = parquet.ParquetWriter(partial_path(output), self._schema)

    def add(self, paths: list[str], rows: np.ndarray) -> None:
        vectors = self._arrow.FixedSizeListArray.from_arrays(self._arrow.array(rows.ravel()), self._dimensions)
        columns = [self._arrow.array(paths, self._arrow.string()), vectors]
        self._writer.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema))

    def finish(self) -> None:
        self._writer.close()
        os.replace(partial_path(self._output), self._output)

    def discard(self) -> None:
        self._writer.close()
        partial_path(self._output).unlink(missing_ok=True)


class _NumPyTable:
    """The header of a ``.npy`` file says how many rows follow, which is known only at the end."""

    def __init__(self, output: pathlib.Path, dimensions: int):
        self._output, self._dimensions, self._num_rows = output, dimensions, 0
        self._paths_file = output.with_name(f"{output.name}.paths.jsonl")
        self._rows_file = output.with_name(f".{output.name}.rows")
        self._rows = self._rows_file.open("wb")
        self._paths = partial_path(self._paths_file).open("w", encoding="utf-8")

    def add(self, paths: list[str], rows: np.ndarray) -> None:
        self._rows.write(np.ascontiguousarray(rows, np.float32).tobytes())
        self._paths.writelines(f"{json.dumps(path)}\n" for path in paths)
        self._num_rows += len(rows)

    def finish(self) -> None:
        self._close()
        shape = (self._num_rows, self._dimensions)
        with partial_path(self._output).open("wb") as whole, self._rows_file.open("rb") as rows:
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False}
            np.lib.format.write_array_header_1_0(whole, header | {"shape": shape})
            shutil.copyfileobj(rows, whole)
        os.replace(partial_path(self._paths_file), self._paths_file)
        os.replace(partial_path(self._output), self._output)
        self._rows_file.unlink()

    def discard(self) -> None:
        self._close()
        for path in (self._rows_file, partial_path(self._paths_file), partial_path(self._output)):
            path.unlink(missing_ok=True)

    def _close(self) -> None:
        self._rows.close()
        self._paths.close()
