"""CIFAR-10's binary files: ``data_batch_*.bin`` (train), ``test_batch.bin`` (test), ``batches.meta.txt`` (class names).

Each record is one label byte and 3072 bytes of pixels: 32x32, planes R, G, B. A damaged file is an error for the whole
run, because records behind the damage would be shifted. Source: https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import fnmatch
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from components.contracts import records
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import Refusal, SourceError
from components.ingestion.reading import labels, listing
from components.ingestion.reading.archives import read_exactly
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, SourceImage

SIDE_PX = 32
_PIXEL_BYTES = 3 * SIDE_PX * SIDE_PX
_RECORDS_PER_ITEM = 500  # 1.5 MB


class Layout(NamedTuple):
    """The names and the record format of the files of a data set."""

    data_set: str
    train_files: str
    test_files: str
    names_file: str
    label_bytes: int
    label_at: int  # which of the label bytes is the class

    @property
    def record_bytes(self) -> int:
        """Size of a record."""
        return self.label_bytes + _PIXEL_BYTES


CIFAR_10 = Layout("CIFAR-10", "data_batch*.bin", "test_batch*.bin", "batches.meta.txt", label_bytes=1, label_at=0)


class CifarBinary:
    """The batches in one folder."""

    has_groups = False

    def __init__(self, root: str, layout: Layout):
        self._root = root
        self._layout = layout
        self._tree = listing.open_tree(root)
        self._names: list[str] | None = None

    def items(self) -> Iterator[Item | Refusal]:
        """See ``Source.items``."""
        batches = [entry for entry in self._files() if entry.path != self._layout.names_file]
        names = self._class_names()
        for entry in batches:
            self._check(entry, len(names))
        has_test = any(map(self._is_test, batches))
        for entry in batches:
            split = records.TEST if self._is_test(entry) else records.TRAIN
            total = entry.size // self._layout.record_bytes
            for start in range(0, total, _RECORDS_PER_ITEM):
                count = min(_RECORDS_PER_ITEM, total - start)
                yield Item(entry.path, split=split if has_test else None, start=start, count=count)

    def fingerprint(self) -> str:
        """See ``Source.fingerprint``."""
        return listing.fingerprint(self._files())

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """See ``Source.load``."""
        if self._names is None:
            self._names = self._class_names()
        path, layout = listing.join(self._root, item.path), self._layout
        with listing.open_file(path) as file:
            file.seek(item.start * layout.record_bytes)
            content = read_exactly(file, item.count * layout.record_bytes, path)
        block = np.frombuffer(content, np.uint8).reshape(item.count, layout.record_bytes)
        for index, record in enumerate(block, start=item.start):
            pixels = record[layout.label_bytes :].reshape(3, SIDE_PX, SIDE_PX).transpose(1, 2, 0)  # (32, 32, 3)
            label = self._names[record[layout.label_at]]
            yield SourceImage(f"{item.path}#{index}", np.ascontiguousarray(pixels), label, item.split)

    def _is_test(self, entry: Listed) -> bool:
        return fnmatch.fnmatchcase(entry.path, self._layout.test_files)

    def _files(self) -> list[Listed]:
        patterns = (self._layout.train_files, self._layout.test_files, self._layout.names_file)
        found = [
            entry
            for entry in self._tree.walk()
            if "/" not in entry.path and any(fnmatch.fnmatchcase(entry.path, pattern) for pattern in patterns)
        ]
        if all(entry.path == self._layout.names_file for entry in found):
            raise SourceError(
                f"data root {self._root}: no batch of {self._layout.data_set} in it; "
                f"expected {patterns[0]}, {patterns[1]} and {patterns[2]}"
            )
        for entry in found:
            if entry.problem is not None:
                raise SourceError(f"{listing.join(self._root, entry.path)}: {entry.message}")
        return found

    def _class_names(self) -> list[str]:
        return labels.read_names(listing.join(self._root, self._layout.names_file))

    def _check(self, entry: Listed, classes: int) -> None:
        """Refuse a file of a wrong length or with an impossible label."""
        path, size = listing.join(self._root, entry.path), self._layout.record_bytes
        if entry.size == 0:
            raise SourceError(f"{path}: no records, the file is empty")
        whole, rest = divmod(entry.size, size)
        if rest:
            raise SourceError(
                f"{path}: a multiple of {size} bytes expected (records of {self._layout.data_set}), "
                f"found {entry.size}: {whole} records and {rest} bytes"
            )
        with listing.open_file(path) as file:
            for start in range(0, whole, _RECORDS_PER_ITEM):
                content = read_exactly(file, min(_RECORDS_PER_ITEM, whole - start) * size, path)
                found = np.frombuffer(content, np.uint8)[self._layout.label_at :: size]
                for at in np.flatnonzero(found >= classes)[:1]:
                    raise SourceError(
                        f"{path}: record {start + at}: a label from 0 to {classes - 1} expected, found {found[at]}"
                    )


def open_source(root: str, config: IngestionConfig) -> CifarBinary:
    """CIFAR-10 in ``root``."""
    del config  # there is nothing to set
    return CifarBinary(root, CIFAR_10)
