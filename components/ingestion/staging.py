"""A folder for bytes on their way: workers append to files of their own, others read a part of a file by its position.

Image bytes and everything else that grows with the data set go through this folder. Beam's shuffles, which the local
runner keeps in memory, carry only ``StagedBytes``. Each writer has a file with a random name, so a repeated attempt
never touches what an earlier one wrote. Nothing refers to the files of a failed attempt; they vanish with the folder.
"""

import posixpath
import uuid
from collections.abc import Hashable, Iterator
from typing import BinaryIO, Generic, NamedTuple, TypeVar, cast

import tensorflow as tf

from components.contracts.paths import is_uri

Key = TypeVar("Key", bound=Hashable)

_FOLDER_PREFIX = "staging-"
_BUFFER_BYTES = 2**20  # of one writer
_GATHERED_BYTES = 2**20  # of one RunWriter
_MAX_OPEN_FILES = 32  # of one reader; a process may have one per thread and is often allowed no more than 1,024 files


class StagedBytes(NamedTuple):
    """A part of a file in the staging folder."""

    file: str  # name inside the staging folder
    offset: int
    size: int


def create_folder(output_uri: str) -> str:
    """Make a new staging folder below ``output_uri``, which may be remote, and return its path."""
    folder = posixpath.join(output_uri, _FOLDER_PREFIX + uuid.uuid4().hex)
    tf.io.gfile.makedirs(folder)
    return folder


def remove_folder(folder: str) -> None:
    """Remove a staging folder and everything in it."""
    tf.io.gfile.rmtree(folder)


def new_path(folder: str) -> str:
    """A path in the staging folder that nobody else uses."""
    return posixpath.join(folder, uuid.uuid4().hex)


class StagingWriter:
    """Appends to one new file, which the first call of ``append`` makes."""

    def __init__(self, folder: str):
        self._folder, self._name = folder, uuid.uuid4().hex[:16]
        self._file: BinaryIO | None = None
        self._offset = 0

    def append(self, content: bytes) -> StagedBytes:
        """Write ``content``; others can read it once the writer is closed."""
        if self._file is None:
            self._file = _open(posixpath.join(self._folder, self._name), "wb")
        staged = StagedBytes(self._name, self._offset, len(content))
        self._file.write(content)
        self._offset += len(content)
        return staged

    def close(self) -> None:
        """Make everything readable by others."""
        if self._file:
            self._file.close()


class RunWriter(Generic[Key]):
    """Collects small pieces by key and writes the pieces of a key together, so that few ``StagedBytes`` cover many."""

    def __init__(self, folder: str):
        self._writer = StagingWriter(folder)
        self._runs: dict[Key, bytearray] = {}
        self._gathered_bytes = 0

    def add(self, key: Key, piece: bytes) -> None:
        """Append ``piece`` to the others of ``key``."""
        self._runs.setdefault(key, bytearray()).extend(piece)
        self._gathered_bytes += len(piece)

    def full(self) -> Iterator[tuple[Key, StagedBytes]]:
        """Write the pieces of each key, in their order, if enough are collected; readable after ``close``."""
        if self._gathered_bytes >= _GATHERED_BYTES:
            yield from self._write()

    def close(self) -> Iterator[tuple[Key, StagedBytes]]:
        """Write the rest and make everything readable by others."""
        yield from self._write()
        self._writer.close()

    def _write(self) -> Iterator[tuple[Key, StagedBytes]]:
        for key, run in self._runs.items():
            yield key, self._writer.append(bytes(run))
        self._runs, self._gathered_bytes = {}, 0


class StagingReader:
    """Reads parts of files; keeps the files that it opened last open until it is closed."""

    def __init__(self, folder: str):
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}

    def read(self, staged: StagedBytes) -> bytes:
        """The bytes that a ``StagingWriter`` appended.

        Raises:
            OSError: the file is shorter than it was then.
        """
        file = self._file(staged.file)
        file.seek(staged.offset)
        content = file.read(staged.size)
        if len(content) != staged.size:
            raise OSError(f"{posixpath.join(self._folder, staged.file)}: expected {staged}, found {len(content)} bytes")
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


def _open(path: str, mode: str) -> BinaryIO:
    if is_uri(path):
        return tf.io.gfile.GFile(path, mode)
    buffering = _BUFFER_BYTES if mode == "wb" else 0  # readers jump, so a buffer would not help
    return cast(BinaryIO, open(path, mode, buffering=buffering))
