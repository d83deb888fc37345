"""MNIST-style IDX files: ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, ``t10k-images-…``; also gzipped.

``ingestion.idx.files`` says which files of images are read (by default every one whose name holds ``images`` and
``idx``, in any folder); they must be of one data set. The labels of a file are in the file beside it that has
``labels`` and ``idx1`` in their places; without one its images have no labels, but a file of labels without images
stops the run. Pixels are unsigned bytes, (n, h, w) or (n, h, w, 1 or 3); labels are integers,
``ingestion.class_names_file`` names them. The name says the split (train, t10k or test, val). Workers read slices; a
gzipped file is unpacked from its start for each of at most 16 slices, and the last slice is read to the checksum.
Source: http://yann.lecun.com/exdb/mnist.
"""

import math
import posixpath
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.ingestion.config import IdxConfig, IngestionConfig
from components.ingestion.decoding.refusals import Refusal, SourceError
from components.ingestion.reading import archives, labels, listing, parts
from components.ingestion.reading.archives import open_unpacked, read_exactly
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, SourceImage

_DEFAULT = IdxConfig()
_LABEL_FILES = "*labels*idx*"
_TYPES: dict[int, np.dtype] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
}
_MAX_DIMENSIONS = 8
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
        image_files = [entry for entry in files if self._is_of_images(entry)]
        if self._config.idx.files == _DEFAULT.files:
            archives.check_one_data_set(self._root, [entry.path for entry in image_files], "ingestion.idx.files")
            self._check_all_used(image_files, files)
        has_test = parts.has_test([parts.part_of(entry.path) for entry in image_files], self._config)
        for entry in image_files:
            header, is_stream = self._check(entry)
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
            _check_end(file, header, item, path)

    def _files(self) -> list[Listed]:
        pattern = self._config.idx.files
        files = archives.find_files(self._root, (pattern, _LABEL_FILES))
        if not any(map(self._is_of_images, files)):
            raise SourceError(f"data root {self._root}: no file in it that is called {pattern}")
        return files

    def _check_all_used(self, image_files: list[Listed], files: list[Listed]) -> None:
        """Stop if there are labels without images: those images would have no labels, for a reason in their names."""
        used = {path for entry in image_files for path in _label_paths(entry.path)}
        for entry in files:
            if entry not in image_files and entry.path not in used:
                expected = _label_paths(image_files[0].path)[0]
                raise SourceError(
                    f"{listing.join(self._root, entry.path)}: labels that belong to no file of images; those of "
                    f"{image_files[0].path} are expected in {expected}"
                )

    def _is_of_images(self, entry: Listed) -> bool:
        return not archives.fits(entry.path, (_LABEL_FILES,)) and archives.fits(entry.path, (self._config.idx.files,))

    def _check(self, entry: Listed) -> tuple[_Header, bool]:
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
        if math.prod(shape[1:3]) > self._config.max_pixels:
            raise SourceError(
                f"{path}: images of {shape[2]}x{shape[1]} pixels, at most {self._config.max_pixels} expected "
                "(ingestion.max_pixels)"
            )
        if not is_stream and entry.size != size:
            raise SourceError(f"{path}: {size} bytes expected for {shape}, found {entry.size}")
        if label_path := self._labels_of(entry.path):
            self._check_labels(label_path, shape[0])
        return header, is_stream

    def _labels_of(self, path: str) -> str | None:
        """The path of the labels of the images in ``path``; None if there are none."""
        found = (listing.join(self._root, each) for each in _label_paths(path))
        return next((each for each in found if FileSystems.exists(each)), None)

    def _check_labels(self, path: str, number: int) -> None:
        with open_unpacked(path) as file:
            header = _read_header(file, path)
        if header.shape != (number,):
            raise SourceError(f"{path}: {number} labels expected, one per image, found {header.shape}")

    def _class_names(self, item: Item) -> list[str | None]:
        """The class of each image of ``item``."""
        if self._labels is None:
            self._labels = labels.open_labels(self._root, self._config)
        path = self._labels_of(item.path)
        if path is None:
            return [None] * item.count
        with open_unpacked(path) as file:
            header = _read_header(file, path)
            file.seek(header.offset + item.start * header.row_bytes)
            values = np.frombuffer(read_exactly(file, item.count * header.row_bytes, path), header.dtype)
            _check_end(file, header, item, path)
        return [self._labels.name_of_record(value, path, item.start + at) for at, value in enumerate(values)]


def _label_paths(path: str) -> list[str]:
    """Where the labels of the images in ``path`` may be; one of the two files may be packed and the other not."""
    folder, name = posixpath.split(path)
    beside = posixpath.join(folder, _label_name(name))
    found = [beside, posixpath.join(_label_name(folder), _label_name(name))]
    return [*found, *(each.removesuffix(".gz") if each.endswith(".gz") else each + ".gz" for each in found)]


def _label_name(name: str) -> str:
    return name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")


def _check_end(file: BinaryIO, header: _Header, item: Item, path: str) -> None:
    """After the last row, the file must end; a packed one compares its checksum there.

    Raises:
        SourceError: there are more bytes, or the file is damaged.
    """
    if item.start + item.count == header.shape[0] and (more := archives.read_to_end(file, path)):
        raise SourceError(f"{path}: {more} bytes more than {header.shape} has")


def _read_header(file: BinaryIO, path: str) -> _Header:
    first, second, kind, dimensions = read_exactly(file, 4, path)
    if first or second or kind not in _TYPES or not 0 < dimensions <= _MAX_DIMENSIONS:
        raise SourceError(
            f"{path}: not an IDX file of integers: it begins with {bytes((first, second, kind, dimensions))!r}"
        )
    shape = struct.unpack(f">{dimensions}I", read_exactly(file, 4 * dimensions, path))
    return _Header(shape, _TYPES[kind], 4 + 4 * dimensions)


open_source = Idx
