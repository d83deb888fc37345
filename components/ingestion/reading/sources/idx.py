"""MNIST-style IDX files: ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, ``t10k-images-…``; also gzipped.

Every file whose name holds ``images`` and ``idx`` is read, in any folder; its labels are in the file beside it that has
``labels`` and ``idx1`` in their places, and without one its images have no labels. Pixels are unsigned bytes, (n, h, w)
or (n, h, w, 1 or 3); labels are integers, ``ingestion.class_names_file`` names them. The name says the split (train,
t10k or test, val). Workers read slices; a gzipped file is unpacked from its start for each of at most 16 slices.
Source: http://yann.lecun.com/exdb/mnist.
"""

import math
import posixpath
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import Refusal, SourceError
from components.ingestion.reading import archives, labels, listing, parts
from components.ingestion.reading.archives import open_unpacked, read_exactly
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, SourceImage

_IMAGE_FILES = "*images*idx*"
_LABEL_FILES = "*labels*idx*"
_TYPES: dict[int, np.dtype] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
}
_BYTES_PER_ITEM = 2 * 2**20


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int  # of the first value

    @property
    def row_bytes(self) -> int:
        """Size of one image or label."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize


class Idx:
    """The IDX files below one root."""

    has_groups = False

    def __init__(self, root: str, config: IngestionConfig):
        self._root = root
        self._config = config
        self._labels: labels.Labels | None = None

    def items(self) -> Iterator[Item | Refusal]:
        """See ``Source.items``."""
        files = self._files()
        image_files = [entry for entry in files if _label_path(entry.path) != entry.path]
        has_test = parts.has_test([parts.part_of(entry.path) for entry in image_files], self._config)
        for entry in image_files:
            header, is_stream = self._check(entry, {each.path for each in files})
            split = parts.split_of(parts.part_of(entry.path), has_test, self._config)
            per_item = max(1, _BYTES_PER_ITEM // header.row_bytes)
            for start, count in archives.slices(header.shape[0], per_item, is_stream):
                yield Item(entry.path, split=split, start=start, count=count)

    def fingerprint(self) -> str:
        """See ``Source.fingerprint``."""
        return archives.fingerprint(self._root, self._files(), self._config)

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """See ``Source.load``."""
        names = self._class_names(item)
        path = listing.join(self._root, item.path)
        with open_unpacked(path) as file:
            header = _read_header(file, path)
            file.seek(header.offset + item.start * header.row_bytes)
            for index in range(item.count):
                content = read_exactly(file, header.row_bytes, path)
                pixels = np.frombuffer(content, header.dtype).reshape(header.shape[1:])
                yield SourceImage(f"{item.path}#{item.start + index}", pixels, names[index], item.split)

    def _files(self) -> list[Listed]:
        files = archives.find_files(self._root, (_IMAGE_FILES, _LABEL_FILES))
        if all(_label_path(entry.path) == entry.path for entry in files):
            raise SourceError(f"data root {self._root}: no file in it that is called {_IMAGE_FILES}")
        return files

    def _check(self, entry: Listed, known: set[str]) -> tuple[_Header, bool]:
        """The header of a file of images, and whether it is compressed."""
        path = listing.join(self._root, entry.path)
        with listing.open_file(path) as file:
            is_stream = archives.is_gzipped(file)
        with open_unpacked(path) as file:
            header = _read_header(file, path)
        shape, size = header.shape, header.offset + header.shape[0] * header.row_bytes
        if header.dtype != np.uint8 or len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
            raise SourceError(
                f"{path}: unsigned bytes (n, h, w) or (n, h, w, 1 or 3) expected, found {header.dtype} {shape}"
            )
        if not math.prod(shape):
            raise SourceError(f"{path}: no images in it, the shape is {shape}")
        if not is_stream and entry.size != size:
            raise SourceError(f"{path}: {size} bytes expected for {shape}, found {entry.size}")
        if _label_path(entry.path) in known:
            self._check_labels(_label_path(entry.path), shape[0])
        return header, is_stream

    def _check_labels(self, name: str, number: int) -> None:
        path = listing.join(self._root, name)
        with open_unpacked(path) as file:
            header = _read_header(file, path)
        if header.shape != (number,):
            raise SourceError(f"{path}: {number} labels expected, one per image, found {header.shape}")

    def _class_names(self, item: Item) -> list[str | None]:
        """The class of each image of ``item``."""
        if self._labels is None:
            self._labels = labels.open_labels(self._root, self._config)
        path = listing.join(self._root, _label_path(item.path))
        if not FileSystems.exists(path):
            return [None] * item.count
        with open_unpacked(path) as file:
            header = _read_header(file, path)
            file.seek(header.offset + item.start * header.row_bytes)
            values = np.frombuffer(read_exactly(file, item.count * header.row_bytes, path), header.dtype)
        return [self._labels.name_of_record(value, path, item.start + at) for at, value in enumerate(values)]


def _label_path(path: str) -> str:
    folder, name = posixpath.split(path)
    name = name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    return posixpath.join(folder, name)


def _read_header(file: BinaryIO, path: str) -> _Header:
    first, second, kind, dimensions = read_exactly(file, 4, path)
    if first or second or kind not in _TYPES or not dimensions:
        raise SourceError(
            f"{path}: not an IDX file of integers: it begins with {bytes((first, second, kind, dimensions))!r}"
        )
    shape = struct.unpack(f">{dimensions}I", read_exactly(file, 4 * dimensions, path))
    return _Header(shape, _TYPES[kind], 4 + 4 * dimensions)


open_source = Idx
