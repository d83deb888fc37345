"""Reads TFRecord files of image records from front to back, and writes view records into shards."""

import logging
import uuid
from collections.abc import Iterator

import tensorflow as tf

from components.augmentation.stored_image import CorruptRecordError, StoredImage, parse_record
from components.contracts.files import bytes_in_file, read_records

_logger = logging.getLogger(__name__)


def list_files(folder: str) -> list[str]:
    """Files of a split, sorted by name.

    Raises:
        FileNotFoundError: the folder is missing or empty.
    """
    names = sorted(tf.io.gfile.listdir(folder)) if tf.io.gfile.isdir(folder) else []
    files = [join(folder, name) for name in names if not name.startswith(".") and not name.endswith("/")]
    if not files:
        raise FileNotFoundError(f"no files of image records in {folder}")
    return files


def read_images(path: str) -> Iterator[StoredImage]:
    """Image records of a TFRecord file, compressed where its name ends in ``.gz``; any file system TensorFlow knows.

    Raises:
        CorruptRecordError: the file is damaged, or a record is not an image record.
    """
    try:
        for serialized in read_records(path):
            yield parse_record(serialized, path)
    except tf.errors.DataLossError as error:
        raise CorruptRecordError(f"{path} is damaged: {error.message}") from error


class ShardWriter:
    """Writes the records of one input file into shards, one after the other.

    A shard is written in ``scratch_dir`` and moved when it is complete; a repeated attempt writes the same shard again.
    Its name has the numbers of the input file and of the shard: ``views-00003-00000.tfrecord``.

    Args:
        split_dir: where the shards end up.
        scratch_dir: on the same file system.
        file_number: of the input file.
        shard_bytes: no shard becomes larger, unless a single record is.
    """

    def __init__(self, split_dir: str, scratch_dir: str, file_number: int, shard_bytes: int):
        self._split_dir, self._scratch_dir, self._file_number = split_dir, scratch_dir, file_number
        self._shard_bytes = shard_bytes
        self._writer: tf.io.TFRecordWriter | None = None
        self._scratch_path = ""
        self._number = 0
        self._size = 0

    def write(self, serialized: bytes) -> None:
        """Append a record."""
        size = bytes_in_file(serialized)
        if self._writer and self._size + size > self._shard_bytes:
            self.close()
        if not self._writer:
            self._scratch_path = join(self._scratch_dir, f"{uuid.uuid4().hex}.tfrecord")
            self._writer = tf.io.TFRecordWriter(self._scratch_path)
        self._writer.write(serialized)
        self._size += size

    def close(self) -> None:
        """Complete the last shard, if anything was written."""
        if not self._writer:
            return
        self._writer.close()
        path = join(self._split_dir, f"views-{self._file_number:05d}-{self._number:05d}.tfrecord")
        tf.io.gfile.rename(self._scratch_path, path, overwrite=True)
        _logger.debug("wrote %s", path)
        self._writer, self._size, self._number = None, 0, self._number + 1


def join(folder: str, name: str) -> str:
    """A path below a local folder or an object store's address."""
    return f"{folder.rstrip('/')}/{name}"
