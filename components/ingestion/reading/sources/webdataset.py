"""WebDataset tar shards: ``train-000000.tar`` holds ``sample1.jpg``, ``sample1.cls``, ``sample2.jpg``, …

Members whose names agree up to the first dot after the last slash are one sample and follow each other. The extension
says what a member holds, by the rule of the format; the content says which kind of image it is.
``ingestion.webdataset`` says which files are read (``*.tar``, not compressed), which extension the image has (if
none is set: the first member that is named like an image) and where label (``.cls``: text, or an integer that
``ingestion.class_names_file`` names) and group are: an extension, or ``json.KEY`` for a key of the ``.json`` member;
both may be absent. The path says the split (train, val, test, unlabeled). A worker reads a whole shard.
Source: https://github.com/webdataset/webdataset.
"""

import functools
import itertools
import json
import posixpath
import tarfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from components.contracts.plain_text import printable
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import Reason, Refusal, SourceError, has_image_suffix
from components.ingestion.reading import archives, labels, listing
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, SourceImage

_EXPECTED_SAMPLE_BYTES = 32 * 2**10  # to estimate how many samples a shard has
_JSON = "json"
_MAX_NOTE_BYTES = 2**20  # of a member that is no image


class _Member(NamedTuple):
    """A file of a sample."""

    name: str
    size: int
    content: bytes | None  # None if it is too large


class WebDataset:
    """The tar shards below one root."""

    has_groups = True

    def __init__(self, root: str, config: IngestionConfig):
        self._root = root
        self._config = config

    def items(self) -> Iterator[Item | Refusal]:
        """See ``Source.items``."""
        yield from archives.whole_files(self._files(), _EXPECTED_SAMPLE_BYTES, self._config)

    def fingerprint(self) -> str:
        """See ``Source.fingerprint``."""
        return archives.fingerprint(self._root, self._files(), self._config)

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """See ``Source.load``."""
        path = listing.join(self._root, item.path)
        members = self._members(path)
        for key, members_of_sample in itertools.groupby(members, key=lambda member: _key(member.name)):
            yield self._image(printable(f"{item.path}/{key}"), list(members_of_sample), item, path)

    @functools.cached_property
    def _labels(self) -> labels.Labels:
        return labels.open_labels(self._root, self._config)

    def _files(self) -> list[Listed]:
        return archives.find_files(self._root, (self._config.webdataset.files,))

    def _members(self, path: str) -> Iterator[_Member]:
        with listing.open_file(path) as file:
            try:
                with tarfile.open(fileobj=file, mode="r:") as archive:
                    while (info := archive.next()) is not None:
                        # Otherwise tarfile keeps all members in memory. Typeshed does not know the attribute.
                        archive.members = []  # type: ignore[attr-defined]
                        if info.isfile():
                            yield self._member(archive, info)
                    end = archive.offset
            except (tarfile.TarError, OSError, EOFError) as error:
                raise SourceError(f"{path}: damaged, or not a tar file: {error}") from error
            # tarfile takes a damaged header for the end of the archive; the real end is a block of zeros.
            file.seek(end)
            if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise SourceError(f"{path}: damaged: the end marker of a tar file expected at byte {end}")

    def _member(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
        limit = self._config.max_file_bytes if self._is_image(info.name) else _MAX_NOTE_BYTES
        if info.size > limit:
            return _Member(info.name, info.size, None)
        file = archive.extractfile(info)
        if file is None:
            raise tarfile.ReadError(f"{info.name} is no regular file")
        with file:
            content = file.read()
        if len(content) != info.size:
            raise tarfile.ReadError(f"{info.name} ends too early")
        return _Member(info.name, info.size, content)

    def _is_image(self, name: str) -> bool:
        extension = self._config.webdataset.image
        return _extension(name) == extension.lower() if extension else has_image_suffix(name)

    def _image(self, name: str, members: list[_Member], item: Item, path: str) -> SourceImage | Refusal:
        image = next((member for member in members if self._is_image(member.name)), None)
        if image is None:
            found = ", ".join(posixpath.basename(member.name) for member in members)
            return Refusal(name, Reason.NOT_AN_IMAGE.value, "", printable(f"no image in the sample; members: {found}"))
        if image.content is None:
            message = f"{image.size} bytes, at most {self._config.max_file_bytes} expected"
            return Refusal(name, Reason.FILE_TOO_LARGE.value, "", message)
        notes = {_extension(member.name): member.content for member in members if member is not image}
        label = self._labels.name_of_record(_note(notes, self._config.webdataset.label, path), path, name)
        group = labels.text_of(_note(notes, self._config.webdataset.group, path))
        return SourceImage(name, image.content, label, item.split, group)


def _key(name: str) -> str:
    folder, file_name = posixpath.split(name)
    return posixpath.join(folder, file_name.split(".")[0])


def _extension(name: str) -> str:
    return posixpath.basename(name).partition(".")[2].lower()


def _note(notes: dict[str, bytes | None], where: str, path: str) -> Any:
    """The content of a member, or the value of a key of the sample's JSON; None if absent."""
    extension, _, key = where.partition(".")
    if extension != _JSON:
        return notes.get(where)
    note = notes.get(_JSON)
    if note is None:
        return None
    try:
        values = json.loads(note)
    except ValueError as error:
        raise SourceError(f"{path}: a .json member that is not JSON: {error}") from error
    return values.get(key) if isinstance(values, dict) else None


open_source = WebDataset
