"""NumPy ``.npz`` files in MedMNIST's layout: ``train_images``, ``train_labels``, and the same for ``val`` and ``test``.

``ingestion.npz.files`` says which files are read (by default every ``*.npz``); they must be of one data set. Images are
(n, h, w) or (n, h, w, 1 or 3), uint8, or uint16 for gray; labels are (n,) or (n, 1), integers
(``ingestion.class_names_file`` names them) or text; without such an array, there are none. Arrays called just
``images`` and ``labels`` take their split from the file's name. Workers read slices; the last slice of an array is
followed by a pass over the whole array for its checksum. In a file that ``numpy.savez_compressed`` wrote, each of at
most 16 slices unpacks the array from its start; write very large arrays with ``numpy.savez``.
Source: https://github.com/MedMNIST/MedMNIST.
"""

import contextlib
import math
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from components.ingestion.config import IngestionConfig, NpzConfig
from components.ingestion.decoding.refusals import Refusal, SourceError
from components.ingestion.reading import archives, labels, listing, parts
from components.ingestion.reading.archives import read_exactly
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, SourceImage

_DEFAULT = NpzConfig()
_IMAGES, _LABELS = "images", "labels"
_SUFFIX = ".npy"
_MAX_DIMENSIONS = 8
_BYTES_PER_ITEM = 2 * 2**20
_MAX_LABEL_BYTES = 2**16
_MESSAGE_CHARACTERS = 200  # of an error, which may quote the file
# What ``zipfile`` and NumPy raise on damaged files, beside ``BadZipFile``.
_DAMAGE = (ValueError, OSError, EOFError, RuntimeError, SyntaxError, OverflowError, struct.error, zlib.error)
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: its last two fields are the lengths of what follows


class _Array(NamedTuple):
    """The position of the rows of an array."""

    member: str
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int  # of the first row: in the file if stored, in the unpacked member if compressed
    is_stored: bool

    @property
    def row_bytes(self) -> int:
        """Size of one image or label."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize


class Npz:
    """The npz files below one root."""

    has_groups = False

    def __init__(self, root: str, config: IngestionConfig):
        self._root = root
        self._config = config
        self._labels: labels.Labels | None = None

    def items(self) -> Iterator[Item | Refusal]:
        """See ``Source.items``."""
        found = []
        for entry in self._files():
            path = listing.join(self._root, entry.path)
            with _open_zip(path) as (file, archive):
                arrays = _image_arrays(file, archive, path, self._config)
            found += [(f"{entry.path}/{array.member.removesuffix(_SUFFIX)}", array) for array in arrays]
        if self._config.npz.files == _DEFAULT.files:
            _check_one_data_set(self._root, found)
        has_test = parts.has_test([parts.part_of(name) for name, _ in found], self._config)
        for name, array in found:
            split = parts.split_of(parts.part_of(name), has_test, self._config)
            per_item = max(1, _BYTES_PER_ITEM // array.row_bytes)
            for start, count in archives.slices(array.shape[0], per_item, not array.is_stored):
                yield Item(name, split=split, start=start, count=count)

    def fingerprint(self) -> str:
        """See ``Source.fingerprint``."""
        return archives.fingerprint(self._root, self._files(), self._config)

    def _files(self) -> list[Listed]:
        return archives.find_files(self._root, (self._config.npz.files,))

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """See ``Source.load``."""
        if self._labels is None:
            self._labels = labels.open_labels(self._root, self._config)
        name, member = posixpath.split(item.path)
        path = listing.join(self._root, name)
        with _open_zip(path) as (file, archive):
            images = _read_header(file, archive, member + _SUFFIX, path)
            label_member = _label_member(images.member)
            found: list[str | None] = [None] * item.count
            if label_member in archive.namelist():
                rows = _rows(file, archive, _read_header(file, archive, label_member, path), item, path)
                found = [self._labels.name_of_record(row, path, item.start + at) for at, row in enumerate(rows)]
            for index, pixels in enumerate(_rows(file, archive, images, item, path)):
                yield SourceImage(f"{item.path}#{item.start + index}", pixels, found[index], item.split)
            if item.start + item.count == images.shape[0]:
                _check_sum(archive, images.member, path)
                if label_member in archive.namelist():
                    _check_sum(archive, label_member, path)


@contextlib.contextmanager
def _open_zip(path: str) -> Iterator[tuple[BinaryIO, zipfile.ZipFile]]:
    with listing.open_file(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield file, archive
        except SourceError:
            raise
        except zipfile.BadZipFile as error:
            raise SourceError(f"{path}: not an npz file, or damaged: {str(error)[:_MESSAGE_CHARACTERS]}") from error
        except _DAMAGE as error:
            raise SourceError(f"{path}: damaged: {str(error)[:_MESSAGE_CHARACTERS]}") from error


def _check_one_data_set(root: str, found: list[tuple[str, _Array]]) -> None:
    """Stop unless all files are of one data set; MedMNIST has one file for all its parts, and one for each size."""
    setting = "ingestion.npz.files"
    files = {posixpath.dirname(name) for name, array in found if array.member == _IMAGES + _SUFFIX}
    archives.check_one_data_set(root, sorted(files), setting)
    first: dict[tuple[str, str | None], tuple[str, _Array]] = {}
    for name, array in found:
        part = None if array.member == _IMAGES + _SUFFIX else array.member
        key = ("part", parts.part_of(name)) if part is None else ("array", part)
        other, before = first.setdefault(key, (name, array))
        if other != name and (part or before.shape[1:] != array.shape[1:]):
            raise archives.several_data_sets(root, posixpath.dirname(other), posixpath.dirname(name), setting)


def _check_sum(archive: zipfile.ZipFile, member: str, path: str) -> None:
    """Read a member to its end, where its checksum is compared."""
    with archive.open(member) as stream:
        archives.read_to_end(stream, f"{path}: {member}")


def _image_arrays(file: BinaryIO, archive: zipfile.ZipFile, path: str, config: IngestionConfig) -> list[_Array]:
    members = [name for name in archive.namelist() if _is_of_images(name)]
    if not members:
        raise SourceError(
            f"{path}: arrays called train_images, val_images, test_images or images expected, "
            f"found {', '.join(archive.namelist())[:_MESSAGE_CHARACTERS] or 'none'}"
        )
    arrays = [_read_header(file, archive, member, path) for member in sorted(members)]
    for array in arrays:
        shape = array.shape
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)) or not math.prod(shape):
            raise SourceError(f"{path}: {array.member}: (n, h, w) or (n, h, w, 1 or 3) expected, found {shape}")
        if math.prod(shape[1:3]) > config.max_pixels:
            raise SourceError(
                f"{path}: {array.member}: images of {shape[2]}x{shape[1]} pixels, at most {config.max_pixels} expected "
                "(ingestion.max_pixels)"
            )
        if array.dtype not in (np.uint8, np.uint16):
            raise SourceError(f"{path}: {array.member}: uint8 or uint16 expected, found {array.dtype}")
        if (label_member := _label_member(array.member)) in archive.namelist():
            labels_ = _read_header(file, archive, label_member, path)
            if labels_.shape not in ((shape[0],), (shape[0], 1)):
                raise SourceError(
                    f"{path}: {label_member}: one label per image, ({shape[0]},) expected, found {labels_.shape}"
                )
            if labels_.row_bytes > _MAX_LABEL_BYTES:
                raise SourceError(f"{path}: {label_member}: labels of {labels_.row_bytes} bytes, found {labels_.dtype}")
    return arrays


def _is_of_images(member: str) -> bool:
    return member == _IMAGES + _SUFFIX or member.endswith(f"_{_IMAGES}{_SUFFIX}")


def _label_member(member: str) -> str:
    return member.removesuffix(_IMAGES + _SUFFIX) + _LABELS + _SUFFIX


def _read_header(file: BinaryIO, archive: zipfile.ZipFile, member: str, path: str) -> _Array:
    info = archive.getinfo(member)
    try:
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, is_fortran, dtype = read(stream)
            offset = stream.tell()
    except Exception as error:  # NumPy evaluates the header as Python, and raises nearly anything
        raise SourceError(f"{path}: {member}: not an array: {str(error)[:_MESSAGE_CHARACTERS]}") from error
    if len(shape) > _MAX_DIMENSIONS:
        raise SourceError(f"{path}: {member}: {len(shape)} dimensions, at most {_MAX_DIMENSIONS} expected")
    if is_fortran or dtype.hasobject or not shape:
        raise SourceError(f"{path}: {member}: a plain array with rows, in C order, expected")
    if offset + math.prod(shape) * dtype.itemsize != info.file_size:
        raise SourceError(
            f"{path}: {member}: {offset + math.prod(shape) * dtype.itemsize} bytes expected for {shape} of {dtype}, "
            f"found {info.file_size}"
        )
    is_stored = info.compress_type == zipfile.ZIP_STORED
    if is_stored:
        file.seek(info.header_offset)
        header = read_exactly(file, _LOCAL_HEADER.size, path)
        offset += info.header_offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(header))
    return _Array(member, shape, dtype, offset, is_stored)


def _rows(file: BinaryIO, archive: zipfile.ZipFile, array: _Array, item: Item, path: str) -> Iterator[np.ndarray]:
    """The rows of ``array`` that belong to ``item``, one by one."""
    with contextlib.ExitStack() as stack:
        stream = file if array.is_stored else stack.enter_context(archive.open(array.member))
        position = array.offset + item.start * array.row_bytes
        for _ in range(item.count):
            stream.seek(position)  # several arrays share the file
            row = read_exactly(stream, array.row_bytes, f"{path}: {array.member}")
            position += array.row_bytes
            yield np.frombuffer(row, array.dtype).reshape(array.shape[1:])


open_source = Npz
