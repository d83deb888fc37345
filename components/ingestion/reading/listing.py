"""The files below a data root, recursively, in one fixed order, local or on any filesystem Beam knows.

Only regular files are listed as readable. Everything else that has a visible name, and hidden files named like images,
is listed with the reason why it is not read, so that it can be reported.
"""

import glob
import hashlib
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple, Protocol

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata, MatchResult
from apache_beam.io.filesystems import FileSystems

from components.contracts.paths import is_uri
from components.ingestion.decoding.local_file import NOT_REGULAR, open_regular, read_local
from components.ingestion.decoding.refusals import Reason, RefusedImage, SourceError, has_image_suffix, is_hidden


class Listed(NamedTuple):
    """A file, or a folder that cannot be entered."""

    path: str  # relative to the root, parts joined by "/"; a folder that can't be entered ends with "/"
    size: int  # bytes
    version: str  # changes when the file changes: mtime in ns, or what the remote file system reports
    problem: Reason | None = None  # None for a regular file
    message: str = ""
    error: str = ""  # class of the exception that was raised, or empty


def join(folder: str, *parts: str) -> str:
    """``parts`` below ``folder``, local or remote; empty parts are ignored."""
    return posixpath.join(folder, *(part for part in parts if part))


class Tree(Protocol):
    """The files and folders below a data root."""

    def subfolders(self, folder: str = "") -> list[str]:
        """The names of the visible folders in ``folder``, in order, with or without files.

        Raises:
            SourceError: the root does not exist, is no folder, or can't be read.
        """

    def walk(self, folder: str = "") -> Iterator[Listed]:
        """All files below ``folder``, each once, in one fixed order; their paths are relative to the root.

        Links to files are followed. Links to folders are followed after all real folders, unless they lead to a
        folder that is listed already or that holds the root: so a loop ends, and no file is listed twice through
        folders. Hidden folders are not entered; hidden files are listed only if they are named like images.

        Raises:
            SourceError: as ``subfolders``.
        """


def open_tree(root: str) -> Tree:
    """The tree below ``root``, which is a local path or one with a scheme; nothing is read yet."""
    return _RemoteTree(root) if is_uri(root) else _LocalTree(root)


def fingerprint(listed: Iterable[Listed]) -> str:
    """SHA-256 over paths, sizes and versions, 64 hex characters.

    Any added, changed, removed, renamed or touched file changes it; moving the whole root does not.
    """
    hasher = hashlib.sha256()
    for entry in listed:
        fields = (entry.path, str(entry.size), entry.version, entry.problem.value if entry.problem else "")
        for field in fields:
            encoded = os.fsencode(field)
            hasher.update(len(encoded).to_bytes(8, "big") + encoded)
    return hasher.hexdigest()


def read_file(path: str, max_bytes: int) -> bytes:
    """The whole file.

    Raises:
        RefusedImage: not a regular file, longer than ``max_bytes``, or not readable. A named pipe does not block.
    """
    try:
        return _read_remote(path, max_bytes) if is_uri(path) else read_local(path, max_bytes)
    except (OSError, BeamIOError) as error:
        raise RefusedImage(Reason.UNREADABLE, getattr(error, "strerror", None) or str(error), error) from error


def open_file(path: str) -> BinaryIO:
    """The file, as stored, for reading in any order.

    Raises:
        SourceError: not a regular file, or not readable. A named pipe does not block.
    """
    try:
        if is_uri(path):
            return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
        return open(open_regular(path)[0], "rb")
    except RefusedImage as refused:
        raise SourceError(f"{path}: {refused}") from refused
    except (OSError, BeamIOError) as error:
        raise SourceError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def look_at(path: str, name: str) -> Listed:
    """The file at ``path``, or the problem with it, listed as ``name``."""
    try:
        if is_uri(path):
            metadata = FileSystems.get_filesystem(path).metadata(path)
            return Listed(name, metadata.size_in_bytes, repr(metadata.last_updated_in_seconds))
        status = os.stat(path)
    except (OSError, BeamIOError) as error:
        message = getattr(error, "strerror", None) or str(error)
        return Listed(name, 0, "", Reason.UNREADABLE, message, type(error).__name__)
    if not stat.S_ISREG(status.st_mode):
        return Listed(name, 0, "", Reason.NOT_A_REGULAR_FILE, NOT_REGULAR)
    return Listed(name, status.st_size, str(status.st_mtime_ns))


def _read_remote(path: str, max_bytes: int) -> bytes:
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise RefusedImage(Reason.FILE_TOO_LARGE, f"more than {max_bytes} bytes, at most {max_bytes} expected")
    return content


class _LocalTree:
    """A local folder."""

    def __init__(self, root: str):
        self._root = root

    def walk(self, folder: str = "") -> Iterator[Listed]:
        for entry in _LocalWalk(os.path.join(self._root, folder) if folder else self._root).run():
            yield entry._replace(path=posixpath.join(folder, entry.path)) if folder else entry

    def subfolders(self, folder: str = "") -> list[str]:
        try:
            with os.scandir(os.path.join(self._root, folder)) as entries:
                names = [entry.name for entry in entries if not is_hidden(entry.name) and entry.is_dir()]
        except OSError as error:
            if folder:  # the walk reports it
                return []
            raise SourceError(f"data root {self._root}: {error.strerror or error}") from error
        return sorted(names, key=os.fsencode)


class _LocalWalk:
    """One walk over a local folder; remembers the folders that it saw and the links to folders that it met."""

    def __init__(self, root: str):
        self._root = root
        self._seen: set[tuple[int, int]] = set()
        self._folder_links: list[str] = []

    def run(self) -> Iterator[Listed]:
        try:
            status = os.stat(self._root)
        except OSError as error:
            raise SourceError(f"data root {self._root}: {error.strerror or error}") from error
        self._seen.add((status.st_dev, status.st_ino))
        yield from self._folder("")
        while self._folder_links:
            links, self._folder_links = sorted(self._folder_links, key=os.fsencode), []
            for path in links:
                yield from self._linked_folder(path)

    def _folder(self, folder: str) -> Iterator[Listed]:
        try:
            names = os.listdir(os.fsencode(os.path.join(self._root, folder)))  # entries take fifteen times the memory
        except OSError as error:
            if not folder:
                raise SourceError(f"data root {self._root}: {error.strerror or error}") from error
            yield Listed(
                folder + "/", 0, "", Reason.UNREADABLE, f"folder: {error.strerror or error}", type(error).__name__
            )
            return
        names.sort()
        for name in names:
            yield from self._entry(posixpath.join(folder, os.fsdecode(name)))

    def _entry(self, path: str) -> Iterator[Listed]:
        name, full_path = posixpath.basename(path), os.path.join(self._root, path)
        if is_hidden(name):
            if os.path.isdir(full_path) and not os.path.islink(full_path):
                yield Listed(path + "/", 0, "", Reason.HIDDEN, "hidden folder")
            elif has_image_suffix(name):
                yield Listed(path, 0, "", Reason.HIDDEN, "hidden name")
            return
        try:
            status = os.stat(full_path)
        except OSError as error:
            reason = Reason.BROKEN_LINK if os.path.islink(full_path) else Reason.UNREADABLE
            yield Listed(path, 0, "", reason, error.strerror or str(error), type(error).__name__)
            return
        if stat.S_ISDIR(status.st_mode):
            if os.path.islink(full_path):
                self._folder_links.append(path)
            else:
                self._seen.add((status.st_dev, status.st_ino))
                yield from self._folder(path)
        elif stat.S_ISREG(status.st_mode):
            yield Listed(path, status.st_size, str(status.st_mtime_ns))
        else:
            yield Listed(path, 0, "", Reason.NOT_A_REGULAR_FILE, NOT_REGULAR)

    def _linked_folder(self, path: str) -> Iterator[Listed]:
        full_path = os.path.join(self._root, path)
        try:
            status = os.stat(full_path)
        except OSError as error:
            yield Listed(path + "/", 0, "", Reason.BROKEN_LINK, error.strerror or str(error), type(error).__name__)
            return
        identity = (status.st_dev, status.st_ino)
        target = os.path.realpath(full_path)
        if identity in self._seen or os.path.realpath(self._root).startswith(target.rstrip("/") + "/"):
            yield Listed(path + "/", 0, "", Reason.LINK_LOOP, "link to a folder that is listed under its own name")
            return
        self._seen.add(identity)
        yield from self._folder(path)


class _RemoteTree:
    """Objects with one prefix on a filesystem that Beam knows; they are listed once and remembered."""

    def __init__(self, root: str):
        self._root = root
        self._found: list[Listed] | None = None

    def subfolders(self, folder: str = "") -> list[str]:
        above = f"{folder}/" if folder else ""
        below = (entry.path[len(above) :] for entry in self.walk(folder) if entry.problem is None)
        return sorted({path.split("/")[0] for path in below if "/" in path})

    def walk(self, folder: str = "") -> Iterator[Listed]:
        above = f"{folder}/" if folder else ""
        return (entry for entry in self._list() if entry.path.startswith(above))

    def _list(self) -> list[Listed]:
        if self._found is None:
            prefix = self._root.rstrip("/") + "/"
            match = self._match(glob.escape(prefix) + "**")  # Beam takes its patterns from fnmatch, as glob does
            entries = (self._entry(metadata, metadata.path[len(prefix) :]) for metadata in match.metadata_list)
            self._found = sorted(entry for entry in entries if entry is not None)
        return self._found

    def _match(self, pattern: str) -> MatchResult:
        try:
            [match] = FileSystems.match([pattern])
        except Exception as error:  # each filesystem of Beam has its own, among them AttributeError for missing options
            raise SourceError(f"data root {self._root}: cannot be listed: {error}") from error
        return match

    def _entry(self, metadata: FileMetadata, path: str) -> Listed | None:
        if not path or path.endswith("/"):  # placeholders that browsers of object stores leave
            return None
        *folders, name = path.split("/")
        if any(map(is_hidden, folders)):
            return None
        if is_hidden(name):
            return Listed(path, 0, "", Reason.HIDDEN, "hidden name") if has_image_suffix(name) else None
        return Listed(path, metadata.size_in_bytes, repr(metadata.last_updated_in_seconds))
