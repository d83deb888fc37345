"""Bytes on their way: written once by whoever made them, read by place when the output files are written.

So neither image bytes nor anything else that grows with the data set travels through a shuffle, which the local runner
keeps in memory. Each writer has a file of its own with a random name; what a failed attempt leaves is never referred to
and vanishes with the staging folder.
"""

import posixpath
import uuid
from collections.abc import Hashable, Iterator
from typing import BinaryIO, NamedTuple

import tensorflow as tf

from components.ingestion.reading import listing

_FOLDER_PREFIX = "staging-"
_BUFFER_BYTES = 2**20  # of one writer
_GATHERED_BYTES = 2**20  # of one RunWriter
_MAX_OPEN_FILES = 32  # of one reader; a process may have one per thread and is often allowed no more than 1,024 files


class Place(NamedTuple):
    """Where some bytes lie."""

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
    """Appends to one new file."""

    def __init__(self, folder: str):
        self._name = uuid.uuid4().hex[:16]
        self._file = _open(posixpath.join(folder, self._name), "wb")
        self._offset = 0

    def append(self, content: bytes) -> Place:
        """Write ``content``; it can be read once the writer is closed."""
        place = Place(self._name, self._offset, len(content))
        self._file.write(content)
        self._offset += len(content)
        return place

    def close(self) -> None:
        """Make everything readable by others."""
        self._file.close()


class RunWriter:
    """Gathers small pieces by key before it writes them to one new file, so that few places tell where many lie."""

    def __init__(self, folder: str):
        self._folder = folder
        self._writer: StagingWriter | None = None
        self._runs: dict[Hashable, bytearray] = {}
        self._gathered_bytes = 0

    def add(self, key: Hashable, piece: bytes) -> None:
        """Take ``piece`` to the others of ``key``."""
        self._runs.setdefault(key, bytearray()).extend(piece)
        self._gathered_bytes += len(piece)

    def full(self) -> Iterator[tuple[Hashable, Place]]:
        """Where the pieces of each key lie, in their order, once enough are gathered; readable after ``close``."""
        if self._gathered_bytes >= _GATHERED_BYTES:
            yield from self._write()

    def close(self) -> Iterator[tuple[Hashable, Place]]:
        """The same for what is left; makes everything readable by others."""
        yield from self._write()
        if self._writer:
            self._writer.close()

    def _write(self) -> Iterator[tuple[Hashable, Place]]:
        if self._runs and self._writer is None:
            self._writer = StagingWriter(self._folder)
        for key, run in self._runs.items():
            yield key, self._writer.append(run)
        self._runs, self._gathered_bytes = {}, 0


class StagingReader:
    """Reads by place; keeps the files it opened last open until it is closed."""

    def __init__(self, folder: str):
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}

    def read(self, place: Place) -> bytes:
        """What was written at ``place``.

        Raises:
            OSError: the file is shorter than it was then.
        """
        file = self._file(place.file)
        file.seek(place.offset)
        content = file.read(place.size)
        if len(content) != place.size:
            raise OSError(f"{posixpath.join(self._folder, place.file)}: {place} expected, found {len(content)} bytes")
        return content

    def _file(self, name: str) -> BinaryIO:
        if name not in self._files:
            while len(self._files) >= _MAX_OPEN_FILES:
                self._files.pop(next(iter(self._files))).close()
            self._files[name] = _open(posixpath.join(self._folder, name), "rb")
        return self._files[name]

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()


def write_whole(folder: str, path: str, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all, in place of what was there; ``folder`` is that of staging."""
    unfinished = new_path(folder)
    with _open(unfinished, "wb") as file:
        file.write(content)
    tf.io.gfile.rename(unfinished, path, overwrite=True)


def new_path(folder: str) -> str:
    """A path in the staging folder that nobody else uses."""
    return posixpath.join(folder, uuid.uuid4().hex)


def read_whole(path: str) -> bytes:
    """The content of a file in staging."""
    with _open(path, "rb") as file:
        return file.read()


def _open(path: str, mode: str) -> BinaryIO:
    if listing.is_remote(path):
        return tf.io.gfile.GFile(path, mode)
    return open(path, mode, buffering=_BUFFER_BYTES if mode == "wb" else 0)  # it is read by place, in any order
