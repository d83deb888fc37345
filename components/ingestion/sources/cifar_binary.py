"""CIFAR-10's binary files: ``data_batch_*.bin`` (train), ``test_batch.bin`` (test), ``batches.meta.txt`` (class names).

Each record is one label byte and 3072 bytes of pixels: 32x32, planes R, G, B. A damaged file is an error for the whole
run, because records behind the damage would be shifted. Source: https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import fnmatch
import os
from collections.abc import Iterator

import numpy as np
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from components.contracts import records
from components.ingestion import listing
from components.ingestion.config import IngestionConfig
from components.ingestion.listing import Listed
from components.ingestion.refusals import Refusal, SourceError
from components.ingestion.sources.source import Item, SourceImage

SIDE_PX = 32
RECORD_BYTES = 1 + 3 * SIDE_PX * SIDE_PX  # 3073
_TRAIN_FILES = "data_batch*.bin"
_TEST_FILES = "test_batch*.bin"
_NAMES_FILE = "batches.meta.txt"
_EXPECTED = f"{_TRAIN_FILES}, {_TEST_FILES} and {_NAMES_FILE}"
_RECORDS_PER_ITEM = 500  # 1.5 MB


class CifarBinary:
    """The batches directly in one root."""

    def __init__(self, root: str, config: IngestionConfig):
        self._root = root
        self._config = config
        self._tree = listing.open_tree(root)
        self._names: list[str] | None = None

    def items(self) -> Iterator[Item | Refusal]:
        """See ``Source.items``."""
        names = self._class_names()
        batches = [entry for entry in self._files() if entry.path != _NAMES_FILE]
        for entry in batches:
            self._check(entry, len(names))
        has_test = any(fnmatch.fnmatch(entry.path, _TEST_FILES) for entry in batches)
        for entry in batches:
            split = records.TEST if fnmatch.fnmatch(entry.path, _TEST_FILES) else records.TRAIN
            total = entry.size // RECORD_BYTES
            for start in range(0, total, _RECORDS_PER_ITEM):
                count = min(_RECORDS_PER_ITEM, total - start)
                yield Item(entry.path, None, split if has_test else None, start, count)

    def fingerprint(self) -> str:
        """See ``Source.fingerprint``."""
        return listing.fingerprint(self._files())

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """See ``Source.load``."""
        if self._names is None:
            self._names = self._class_names()
        with self._open(item.path) as file:
            file.seek(item.start * RECORD_BYTES)
            content = _read_exactly(file, item.count * RECORD_BYTES)
        block = np.frombuffer(content, np.uint8).reshape(item.count, RECORD_BYTES)
        for index, record in enumerate(block, start=item.start):
            pixels = record[1:].reshape(3, SIDE_PX, SIDE_PX).transpose(1, 2, 0)  # (32, 32, 3)
            label = self._names[record[0]]
            yield SourceImage(f"{item.path}#{index}", np.ascontiguousarray(pixels), label, item.split)

    def _files(self) -> list[Listed]:
        patterns = (_TRAIN_FILES, _TEST_FILES, _NAMES_FILE)
        found = [entry for entry in self._tree.walk() if any(fnmatch.fnmatch(entry.path, name) for name in patterns)]
        batches = [entry for entry in found if entry.path != _NAMES_FILE and "/" not in entry.path]
        if not batches:
            raise SourceError(f"data root {self._root}: no batch of CIFAR-10 in it; expected {_EXPECTED}")
        for entry in found:
            if entry.problem is not None:
                raise SourceError(f"{listing.join(self._root, entry.path)}: {entry.message}")
        return [entry for entry in found if "/" not in entry.path]

    def _class_names(self) -> list[str]:
        path = listing.join(self._root, _NAMES_FILE)
        with self._open(_NAMES_FILE) as file:
            text = file.read(2**20).decode("utf-8", "replace")
        names = [line.strip() for line in text.splitlines() if line.strip()]
        if not names or len(names) != len(set(names)):
            raise SourceError(f"{path}: one class name per line expected, all different, found {names}")
        return names

    def _check(self, entry: Listed, classes: int) -> None:
        """Refuse a file of a wrong length or with an impossible label."""
        path = listing.join(self._root, entry.path)
        if entry.size == 0:
            raise SourceError(f"{path}: no records, the file is empty")
        whole, rest = divmod(entry.size, RECORD_BYTES)
        if rest:
            raise SourceError(
                f"{path}: a multiple of {RECORD_BYTES} bytes expected (records of CIFAR-10), "
                f"found {entry.size}: {whole} records and {rest} bytes"
            )
        with self._open(entry.path) as file:
            for start in range(0, whole, _RECORDS_PER_ITEM):
                content = _read_exactly(file, min(_RECORDS_PER_ITEM, whole - start) * RECORD_BYTES)
                labels = np.frombuffer(content, np.uint8)[::RECORD_BYTES]
                for index in np.flatnonzero(labels >= classes)[:1]:
                    raise SourceError(
                        f"{path}: record {start + index}: a label from 0 to {classes - 1} expected, "
                        f"found {labels[index]}"
                    )

    def _open(self, path: str):
        full_path = listing.join(self._root, path)
        try:
            if listing.is_remote(full_path):
                return FileSystems.open(full_path, compression_type=CompressionTypes.UNCOMPRESSED)
            return open(os.path.join(self._root, path), "rb")
        except (OSError, BeamIOError) as error:
            raise SourceError(f"{full_path}: {getattr(error, 'strerror', None) or error}") from error


def _read_exactly(file, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise SourceError(f"{getattr(file, 'name', 'file')}: became shorter while it was read")
    return content
