"""TFRecord files of tf.Example, plain or gzipped: ``train-00000-of-00010.tfrecord``, ``test/part-3.tfrecord.gz``.

``ingestion.tfrecord`` says which files are read (by default every ``*.tfrecord*``) and how the features are called: the
encoded image (bytes), the label (text or int64, which ``ingestion.class_names_file`` names) and the group; label and
group may be absent. The path says the split (train, val, test, unlabeled). A worker reads a whole file from its
start, because a record begins where the one before it ends; so a data set should be several files. Every checksum is
verified.
Source: https://www.tensorflow.org/tutorials/load_data/tfrecord.
"""

import functools
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import google_crc32c
import tensorflow as tf
from google.protobuf.message import DecodeError

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import Reason, Refusal, SourceError
from components.ingestion.reading import archives, labels, listing
from components.ingestion.reading.archives import open_unpacked, read_exactly
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, SourceImage

_EXPECTED_RECORD_BYTES = 32 * 2**10  # to estimate how many records a file has
_HEAD = struct.Struct("<QI")
_MASK_DELTA = 0xA282EAD8
_PIECE_BYTES = 2**20
_MESSAGE_CHARACTERS = 500  # of names in a file


class TFRecord:
    """The TFRecord files below one root."""

    has_groups = True

    def __init__(self, root: str, config: IngestionConfig):
        self._root = root
        self._config = config

    def items(self) -> Iterator[Item | Refusal]:
        """See ``Source.items``."""
        yield from archives.whole_files(self._files(), _EXPECTED_RECORD_BYTES, self._config)

    def fingerprint(self) -> str:
        """See ``Source.fingerprint``."""
        return archives.fingerprint(self._root, self._files(), self._config)

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """See ``Source.load``."""
        path = listing.join(self._root, item.path)
        with open_unpacked(path) as file:
            for index, record in enumerate(read_records(file, path, self._config.max_file_bytes)):
                yield self._image(record, item, path, index)

    @functools.cached_property
    def _labels(self) -> labels.Labels:
        return labels.open_labels(self._root, self._config)

    def _files(self) -> list[Listed]:
        return archives.find_files(self._root, (self._config.tfrecord.files,))

    def _image(self, record: bytes | int, item: Item, path: str, index: int) -> SourceImage | Refusal:
        if isinstance(record, int):
            message = f"a record of {record} bytes, at most {self._config.max_file_bytes} expected"
            return Refusal(f"{item.path}#{index}", Reason.FILE_TOO_LARGE.value, "", message)
        try:
            features = tf.train.Example.FromString(record).features.feature
        except DecodeError as error:
            raise SourceError(f"{path}: record {index}: a tf.Example expected: {error}") from error
        names = self._config.tfrecord
        name, content = f"{item.path}#{index}", _value(features, names.image)
        if not isinstance(content, bytes):
            found = ", ".join(sorted(features))[:_MESSAGE_CHARACTERS] or "none"
            message = f"one value in a bytes feature {names.image} expected; features: {found}"
            return Refusal(name, Reason.EMPTY_FILE.value, "", message)
        label = self._labels.name_of_record(_value(features, names.label), path, index)
        group = labels.group_of_record(_value(features, names.group), path, index)
        return SourceImage(name, content, label, item.split, group)


def read_records(file: BinaryIO, path: str, max_bytes: int) -> Iterator[bytes | int]:
    """The records of a TFRecord file from its start; of one that is longer than ``max_bytes`` only its length.

    Raises:
        SourceError: the file ends within a record, or a checksum is wrong.
    """
    while head := _read_head(file, path):
        length, checksum = _HEAD.unpack(head)
        if _masked(google_crc32c.value(head[:8])) != checksum:
            raise SourceError(f"{path}: not a TFRecord file, or damaged: wrong checksum of a length")
        record, crc = _read_content(file, length, path, max_bytes)
        if _masked(crc) != struct.unpack("<I", read_exactly(file, 4, path))[0]:
            raise SourceError(f"{path}: damaged: wrong checksum of a record")
        yield length if record is None else record


def _read_content(file: BinaryIO, length: int, path: str, max_bytes: int) -> tuple[bytes | None, int]:
    """The content of a record, None if it is too long, and its checksum; only the file says how much there is."""
    pieces: list[bytes] = []
    crc, left = 0, length
    while left:
        piece = read_exactly(file, min(left, _PIECE_BYTES), path)
        crc = google_crc32c.extend(crc, piece)
        left -= len(piece)
        if length <= max_bytes:
            pieces.append(piece)
    return (b"".join(pieces) if length <= max_bytes else None), crc


def _read_head(file: BinaryIO, path: str) -> bytes:
    """The 8 bytes of length and 4 of checksum before a record; empty at the end of the file."""
    first = archives.read_up_to(file, _HEAD.size, path)
    if first and len(first) < _HEAD.size:
        raise SourceError(f"{path}: ends within a record")
    return first


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def _value(features: Any, name: str) -> bytes | int | float | list | None:
    """The value of a feature; None if it is absent or empty, a list of several values."""
    kind = features[name].WhichOneof("kind") if name in features else None  # reading an absent name would add it
    values = list(getattr(features[name], kind).value) if kind else []
    return values[0] if len(values) == 1 else values or None


open_source = TFRecord
