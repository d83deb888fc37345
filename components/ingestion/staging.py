"""Records on their way: written once by whoever decoded them, read once by offset when the output files are written.

So image bytes never travel through a shuffle. Each writer has a file of its own with a random name; what a failed
attempt leaves is never referred to and vanishes with the staging folder.
"""

import posixpath
import uuid
from typing import BinaryIO, NamedTuple

import tensorflow as tf

from components.ingestion import listing

_FOLDER_PREFIX = "staging-"


class Place(NamedTuple):
    """Where a record lies."""

    file: str  # name inside the staging folder
    offset: int
    size: int


def create_folder(output_uri: str) -> str:
    """A new staging folder below ``output_uri``, which may be remote."""
    folder = posixpath.join(output_uri, _FOLDER_PREFIX + uuid.uuid4().hex)
    tf.io.gfile.makedirs(folder)
    return folder


def remove_folder(folder: str) -> None:
    """Remove a staging folder and all in it."""
    tf.io.gfile.rmtree(folder)


class StagingWriter:
    """Appends records to one new file."""

    def __init__(self, folder: str):
        self._name = uuid.uuid4().hex[:16]
        self._file = _open(posixpath.join(folder, self._name), "wb")
        self._offset = 0

    def append(self, record: bytes) -> Place:
        """Write ``record``; it can be read once the writer is closed."""
        place = Place(self._name, self._offset, len(record))
        self._file.write(record)
        self._offset += len(record)
        return place

    def close(self) -> None:
        """Make everything readable by others."""
        self._file.close()


class StagingReader:
    """Reads records by place; keeps the last file open."""

    def __init__(self, folder: str):
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}

    def read(self, place: Place) -> bytes:
        """The record at ``place``.

        Raises:
            OSError: the file is shorter than it was when the record was written.
        """
        if place.file not in self._files:
            self._files[place.file] = _open(posixpath.join(self._folder, place.file), "rb")
        file = self._files[place.file]
        file.seek(place.offset)
        record = file.read(place.size)
        if len(record) != place.size:
            raise OSError(f"{posixpath.join(self._folder, place.file)}: {place} expected, found {len(record)} bytes")
        return record

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()


def _open(path: str, mode: str) -> BinaryIO:
    return tf.io.gfile.GFile(path, mode) if listing.is_remote(path) else open(path, mode)
