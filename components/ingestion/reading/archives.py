"""Files that hold many images: find them below a data root, and read them.

A damaged container stops the run, because nobody can say which images the damage hides.
"""

import contextlib
import fnmatch
import gzip
import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO, cast

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading import listing, parts
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item

_PIECE_BYTES = 2**20
_MESSAGE_CHARACTERS = 200  # of an error, which may quote the file
_GZIP_MAGIC = b"\x1f\x8b"
# A compressed stream is read from its start for each of its items: 16 items cost as much as reading it 8.5 times.
_MAX_ITEMS_OF_A_STREAM = 16


def find_files(root: str, patterns: Sequence[str]) -> list[Listed]:
    """Files below ``root`` whose name or relative path fits one of ``patterns``, in order.

    Raises:
        SourceError: there is none, or one can't be read.
    """
    found = [entry for entry in listing.open_tree(root).walk() if fits(entry.path, patterns)]
    if not found:
        raise SourceError(f"data root {root}: no file in it that is called {' or '.join(patterns)}")
    for entry in found:
        if entry.problem is not None:
            raise SourceError(f"{listing.join(root, entry.path)}: {entry.message}")
        if entry.size == 0:
            raise SourceError(f"{listing.join(root, entry.path)}: the file is empty")
    return found


def whole_files(files: Sequence[Listed], expected_bytes: int, config: IngestionConfig) -> Iterator[Item]:
    """An item for each file that can only be read from front to end; its count is estimated by ``expected_bytes``.

    Args:
        files: as ``find_files`` gives them.
        expected_bytes: of one image, roughly.
        config: names the split of a validation part.
    """
    found = [parts.part_of(entry.path) for entry in files]
    has_test = parts.has_test(found, config)
    for entry, part in zip(files, found, strict=True):
        count = max(1, entry.size // expected_bytes)
        yield Item(entry.path, split=parts.split_of(part, has_test, config), count=count, is_estimate=True)


def fingerprint(root: str, files: Sequence[Listed], config: IngestionConfig) -> str:
    """Digest of ``files`` and of the file of class names, if there is one."""
    names = config.class_names_file
    return listing.fingerprint([*files, listing.look_at(listing.join(root, names), names)] if names else files)


def fits(path: str, patterns: Sequence[str]) -> bool:
    """Whether the name or the relative path of a file fits one of ``patterns``."""
    return any(
        fnmatch.fnmatchcase(posixpath.basename(path), each) or fnmatch.fnmatchcase(path, each) for each in patterns
    )


def check_one_data_set(root: str, files: Sequence[str], setting: str) -> None:
    """Stop if two files of one part belong to different data sets, so that their integers mean different classes.

    Args:
        root: the data root, for the message.
        files: their paths. Those of one data set differ only in words for parts and in numbers.
        setting: that chooses some of the files.

    Raises:
        SourceError: there are such files.
    """
    first: dict[str | None, str] = {}
    for path in files:
        other = first.setdefault(parts.part_of(path), path)
        if parts.without_part(other) != parts.without_part(path):
            raise several_data_sets(root, other, path, setting)


def several_data_sets(root: str, one: str, other: str, setting: str) -> SourceError:
    """The error for two files that do not belong to one data set."""
    return SourceError(
        f"data root {root}: {one} and {other} are files of several data sets, whose labels may mean different classes; "
        f"{setting} chooses those of one"
    )


def slices(number: int, per_item: int, is_stream: bool) -> Iterator[tuple[int, int]]:
    """(start, count) of the units of work of a container with ``number`` images; only few if it is compressed."""
    if is_stream:
        per_item = max(per_item, -(-number // _MAX_ITEMS_OF_A_STREAM))
    for start in range(0, number, per_item):
        yield start, min(per_item, number - start)


def is_gzipped(file: BinaryIO) -> bool:
    """Whether ``file`` begins with a gzip stream; its position is the start before and after."""
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    return magic == _GZIP_MAGIC


@contextlib.contextmanager
def open_unpacked(path: str) -> Iterator[BinaryIO]:
    """The content of ``path``, unpacked if it is gzipped.

    Raises:
        SourceError: as ``listing.open_file``.
    """
    with listing.open_file(path) as file:
        if is_gzipped(file):
            try:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield cast(BinaryIO, unpacked)  # which it is, though it does not derive from it
            except (OSError, EOFError, zlib.error) as error:
                raise SourceError(f"{path}: {str(error)[:_MESSAGE_CHARACTERS]}") from error
        else:
            yield file


def read_to_end(file: IO[bytes], path: str) -> int:
    """Read the rest of ``file``, so that its checksum is compared; returns how many bytes there were.

    Raises:
        SourceError: the file is damaged.
    """
    count = 0
    while piece := read_up_to(file, _PIECE_BYTES, path):
        count += len(piece)
    return count


def read_exactly(file: IO[bytes], size: int, path: str) -> bytes:
    """``size`` bytes of ``file``, which is at ``path``.

    Raises:
        SourceError: there are fewer, or the compressed stream is damaged.
    """
    content = read_up_to(file, size, path)
    if len(content) < size:
        raise SourceError(f"{path}: ends too early: {size} bytes expected, found {len(content)}")
    return content


def read_up_to(file: IO[bytes], size: int, path: str) -> bytes:
    """The same, or fewer bytes at the end of the file.

    Raises:
        SourceError: the compressed stream is damaged.
    """
    try:
        return file.read(size)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise SourceError(f"{path}: {str(error)[:_MESSAGE_CHARACTERS]}") from error
