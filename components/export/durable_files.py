"""Writes folders and files completely or not at all, even across a power cut."""

import hashlib
import io
import os
import pathlib

from components.contracts.paths import partial_path

_BLOCK_BYTES = 1 << 20


class CopyError(RuntimeError):
    """A copy differs from its source."""


def files_digest(folder: pathlib.Path, ignoring: frozenset[str] = frozenset()) -> str:
    """SHA-256 over relative paths and contents of all files below ``folder``.

    Args:
        folder: an existing folder.
        ignoring: relative POSIX paths that do not count.

    Returns:
        64 hex characters.
    """
    hasher = hashlib.sha256()
    for name in _relative_files(folder):
        if name in ignoring:
            continue
        path = folder / name
        hasher.update(len(name.encode()).to_bytes(8, "big") + name.encode())
        hasher.update(path.stat().st_size.to_bytes(8, "big"))
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                hasher.update(block)
    return hasher.hexdigest()


def _relative_files(folder: pathlib.Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def copy_folder(source: pathlib.Path, destination: pathlib.Path, ignoring: frozenset[str] = frozenset()) -> str:
    """Copy the files of ``source`` into the new folder ``destination``, flushed to disk and compared.

    Args:
        source: an existing folder.
        destination: must not exist; its parent must.
        ignoring: relative POSIX paths that stay behind.

    Returns:
        The digest of the files, equal for both folders.

    Raises:
        CopyError: the copy differs from the source, or the source holds no file.
    """
    names = [name for name in _relative_files(source) if name not in ignoring]
    if not names:
        raise CopyError(f"{source} holds no file to copy")
    destination.mkdir()
    for name in names:
        _copy_file(source / name, destination / name)
    expected, found = files_digest(source, ignoring), files_digest(destination)
    if expected != found:
        raise CopyError(f"the copy {destination} has digest {found}, its source {source} has {expected}")
    return found


def _copy_file(source: pathlib.Path, destination: pathlib.Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reader, destination.open("xb") as writer:
        while block := reader.read(_BLOCK_BYTES):
            writer.write(block)
        _flush(writer)


def write_whole(path: pathlib.Path, text: str) -> None:
    """Put ``text`` at ``path`` in one step: readers see the old content or the new one.

    Callers must not write the same path at the same time.
    """
    partial = partial_path(path)
    with partial.open("wb") as writer:
        writer.write(text.encode())
        _flush(writer)
    os.replace(partial, path)
    flush_folder(path.parent)


def publish_folder(incoming: pathlib.Path, final: pathlib.Path) -> None:
    """Give the finished folder ``incoming`` its final name on the same file system."""
    for folder in [path for path in incoming.rglob("*") if path.is_dir()] + [incoming]:
        flush_folder(folder)
    os.rename(incoming, final)
    flush_folder(final.parent)


def flush_folder(folder: pathlib.Path) -> None:
    """Make the names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush(writer: io.BufferedWriter) -> None:
    writer.flush()
    os.fsync(writer.fileno())
