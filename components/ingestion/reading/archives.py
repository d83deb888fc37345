"""Files that hold many images: find them below a data root, derive their splits from their names, and read them.

A damaged container stops the run, because nobody can say which images the damage hides.
"""

import contextlib
import fnmatch
import gzip
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO, cast

from components.contracts import records
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading import listing
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item

VALIDATION = "validation"  # a part of the source, not a split: ``config.validation_part`` names its split
_WORDS = {
    "train": records.TRAIN,
    "training": records.TRAIN,
    "test": records.TEST,
    "testing": records.TEST,
    "t10k": records.TEST,  # MNIST's name
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "unlabeled": records.UNLABELED,
    "unlabelled": records.UNLABELED,
}
_GZIP_MAGIC = b"\x1f\x8b"
# A compressed stream is read from its start for each of its items: 16 items cost as much as reading it 8.5 times.
_MAX_ITEMS_OF_A_STREAM = 16


def find_files(root: str, patterns: Sequence[str]) -> list[Listed]:
    """Files below ``root`` whose name or relative path fits one of ``patterns``, in order.

    Raises:
        SourceError: there is none, or one can't be read.
    """
    found = [entry for entry in listing.open_tree(root).walk() if _fits(entry.path, patterns)]
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
    parts = [part_of(entry.path) for entry in files]
    is_test_given = has_test(parts, config)
    for entry, part in zip(files, parts, strict=True):
        count = max(1, entry.size // expected_bytes)
        yield Item(entry.path, split=split_of(part, is_test_given, config), count=count, is_estimate=True)


def fingerprint(root: str, files: Sequence[Listed], config: IngestionConfig) -> str:
    """Digest of ``files`` and of the file of class names, if there is one."""
    names = config.class_names_file
    return listing.fingerprint([*files, listing.look_at(listing.join(root, names), names)] if names else files)


def _fits(path: str, patterns: Sequence[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(posixpath.basename(path), each) or fnmatch.fnmatchcase(path, each) for each in patterns
    )


def part_of(text: str) -> str | None:
    """The part of a data set that a path or a word names: train, test, unlabeled, ``VALIDATION``, or None.

    The last known word decides: ``mnist/train/part-7.tar``, ``imagenet-val-000.tar``.
    """
    words = re.split(r"[^a-z0-9]+", text.lower())
    return next((_WORDS[word] for word in reversed(words) if word in _WORDS), None)


def split_of(part: str | None, has_test: bool, config: IngestionConfig) -> str | None:
    """The split of a part of a source; None if digest or group decide.

    Args:
        part: as ``part_of`` returns it.
        has_test: whether the source has a test split; if it has none, part of train becomes test.
        config: names the split of validation.
    """
    if part == VALIDATION:
        part = config.validation_part.value
    return part if part != records.TRAIN or has_test else None


def has_test(parts: Sequence[str | None], config: IngestionConfig) -> bool:
    """Whether one of the parts of a source is the test split."""
    return any(split_of(part, True, config) == records.TEST for part in parts)


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
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(BinaryIO, unpacked)  # which it is, though it does not derive from it
        else:
            yield file


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
        raise SourceError(f"{path}: {error}") from error
