"""TFRecord files in and out: input files read from front to back, output shards that appear under their names whole."""

import dataclasses
import logging
import uuid
from collections.abc import Iterator

import tensorflow as tf

from components.augmentation.stored_image import CorruptRecordError, StoredImage, parse_record
from components.contracts.files import read_records

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


@dataclasses.dataclass(frozen=True)
class ShardRange:
    """The output shards that take the ``records`` records of one input file: ``count`` from ``first``, of ``total``."""

    first: int
    count: int
    total: int
    records: int

    def shard_of(self, position: int) -> int:
        """Number of the shard that takes the record at ``position``; shards differ by one record at most."""
        return self.first + position * self.count // self.records


def shard_name(number: int, total: int) -> str:
    """As ``views-00000-of-00004.tfrecord``."""
    return f"views-{number:05d}-of-{total:05d}.tfrecord"


class ShardWriter:
    """Writes the records of one input file into its shards, one after the other.

    A shard is written in ``scratch_dir`` and moved when it is complete; a repeated attempt replaces it by the same.

    Args:
        split_dir: where the shards end up.
        scratch_dir: on the same file system.
        shards: what is written.
    """

    def __init__(self, split_dir: str, scratch_dir: str, shards: ShardRange):
        self._split_dir, self._scratch_dir, self._shards = split_dir, scratch_dir, shards
        self._writer: tf.io.TFRecordWriter | None = None
        self._number = -1
        self._scratch_path = ""
        self._written = 0

    def write(self, serialized: bytes) -> None:
        """Append a record.

        Raises:
            ValueError: more records than announced.
        """
        if self._written >= self._shards.records:
            raise ValueError(f"more than the {self._shards.records} records counted before: the input has changed")
        number = self._shards.shard_of(self._written)
        if number != self._number:
            self._complete_shard()
            self._open_shard(number)
        self._writer.write(serialized)
        self._written += 1

    def close(self) -> None:
        """Complete the last shard.

        Raises:
            ValueError: fewer records than announced.
        """
        self._complete_shard()
        if self._written != self._shards.records:
            raise ValueError(
                f"{self._written} records instead of the {self._shards.records} counted before: the input has changed"
            )

    def _open_shard(self, number: int) -> None:
        self._number = number
        self._scratch_path = join(self._scratch_dir, f"{uuid.uuid4().hex}.tfrecord")
        self._writer = tf.io.TFRecordWriter(self._scratch_path)

    def _complete_shard(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        path = join(self._split_dir, shard_name(self._number, self._shards.total))
        tf.io.gfile.rename(self._scratch_path, path, overwrite=True)
        _logger.debug("wrote %s", path)


def join(folder: str, name: str) -> str:
    """A path below a local folder or an object store's address."""
    return f"{folder.rstrip('/')}/{name}"
