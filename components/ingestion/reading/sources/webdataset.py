"""WebDataset tar shards: ``train-000000.tar`` holds ``sample1.jpg``, ``sample1.cls``, ``sample2.jpg``, …

Members whose names agree up to the first dot after the last slash are one sample and follow each other. The extension
says what a member holds, by the rule of the format; the content says which kind of image it is.
``ingestion.webdataset`` says which files are read (``*.tar``, not compressed), which extension the image has (if
none is set: the first member that is named like an image) and where label (``.cls``: text, or an integer that
``ingestion.class_names_file`` names) and group are: an extension, or ``json.KEY`` for a key of the ``.json`` member;
both may be absent. A sample has one image; further ones are refused. Hidden members are left out. The path says the
split (train, val, test, unlabeled). A worker reads a whole shard.
Source: https://github.com/webdataset/webdataset.
"""

import functools
import itertools
import json
import posixpath
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, cast

from components.contracts import records
from components.contracts.plain_text import printable
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import Reason, Refusal, SourceError, has_image_suffix, is_hidden
from components.ingestion.reading import archives, labels, listing
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, SourceImage

_EXPECTED_SAMPLE_BYTES = 32 * 2**10  # to estimate how many samples a shard has
_JSON = "json"
_MAX_NOTE_BYTES = 2**20  # of a member that is no image
_EXTENSIONS_IN_MESSAGE = 10
_MESSAGE_CHARACTERS = 200  # of a text from a file


class _Member(NamedTuple):
    """A file of a sample."""

    name: str
    size: int
    content: bytes | None  # None if it is too large
    is_regular: bool = True  # False: a link or device


class _Bounded:
    """A file of which no more than a number of bytes is read at once."""

    def __init__(self, file: BinaryIO, max_bytes: int):
        self.seek, self.tell, self._file, self._max_bytes = file.seek, file.tell, file, max_bytes

    def read(self, size: int = -1) -> bytes:
        """As of the file.

        Raises:
            OSError: ``size`` is larger than allowed.
        """
        if size > self._max_bytes:
            raise OSError(f"a part of {size} bytes, at most {self._max_bytes} expected")
        return self._file.read(size)


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
        extensions: set[str] = set()
        is_labelled = False
        hidden: list[Refusal] = []
        members = self._visible(path, item, hidden)
        for key, members_of_sample in itertools.groupby(members, key=lambda member: _key(member.name)):
            sample = list(members_of_sample)
            if len(extensions) < _EXTENSIONS_IN_MESSAGE:
                extensions.update(_extension(member.name) for member in sample)
            for image in self._images(printable(f"{item.path}/{key}"), sample, item, path):
                is_labelled |= isinstance(image, SourceImage) and image.label is not None
                yield image
            yield from hidden
            hidden.clear()
        yield from hidden
        if not is_labelled and item.split != records.UNLABELED and extensions:
            yield self._without_labels(item, extensions)

    def _visible(self, path: str, item: Item, hidden: list[Refusal]) -> Iterator[_Member]:
        """The members of a shard; hidden ones that are named like images go to ``hidden``."""
        for member in self._members(path):
            if not _is_hidden(member.name):
                yield member
            elif self._is_image(member.name):
                name = printable(f"{item.path}/{member.name}")
                hidden.append(Refusal(name, Reason.HIDDEN.value, "", "hidden name"))

    def _without_labels(self, item: Item, extensions: set[str]) -> Refusal:
        names = ", ".join(name[:_MESSAGE_CHARACTERS] for name in sorted(extensions)[:_EXTENSIONS_IN_MESSAGE])
        where = self._config.webdataset.label
        message = f"no sample has a label in {where} (ingestion.webdataset.label); found: {names}"
        if where in extensions:
            message += "; the members of a sample must follow each other"
        return Refusal(printable(item.path), Reason.LABELS_NOT_FOUND.value, "", printable(message))

    @functools.cached_property
    def _labels(self) -> labels.Labels:
        return labels.open_labels(self._root, self._config)

    def _files(self) -> list[Listed]:
        return archives.find_files(self._root, (self._config.webdataset.files,))

    def _members(self, path: str) -> Iterator[_Member]:
        with listing.open_file(path) as file:
            try:
                # Headers may announce names and comments of any length.
                bounded = cast(BinaryIO, _Bounded(file, max(_MAX_NOTE_BYTES, self._config.max_file_bytes)))
                with tarfile.open(fileobj=bounded, mode="r:") as archive:
                    while (info := archive.next()) is not None:
                        # Otherwise tarfile keeps all members in memory. Typeshed does not know the attribute.
                        archive.members = []  # type: ignore[attr-defined]
                        if info.isfile():
                            yield self._member(archive, info)
                        elif not info.isdir() and self._is_image(info.name):
                            yield _Member(info.name, 0, None, is_regular=False)
                    end = archive.offset
            except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
                raise SourceError(f"{path}: damaged, or not a tar file: {str(error)[:_MESSAGE_CHARACTERS]}") from error
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

    def _images(self, name: str, members: list[_Member], item: Item, path: str) -> Iterator[SourceImage | Refusal]:
        """The image of a sample, and a refusal of each further one."""
        images = [member for member in members if self._is_image(member.name)]
        if not images:
            found = ", ".join(posixpath.basename(member.name) for member in members)
            yield Refusal(name, Reason.NOT_AN_IMAGE.value, "", printable(f"no image in the sample; members: {found}"))
            return
        yield self._image(name, images[0], members, item, path)
        for further in images[1:]:
            message = (
                f"the sample {name} has the image {images[0].name}: a sample is called by its name up to the first "
                "dot; ingestion.webdataset.image chooses one of several"
            )
            further_name = printable(f"{item.path}/{further.name}")
            yield Refusal(further_name, Reason.SEVERAL_IMAGES.value, "", printable(message))

    def _image(self, name: str, image: _Member, members: list[_Member], item: Item, path: str) -> SourceImage | Refusal:
        if not image.is_regular:
            return Refusal(name, Reason.NOT_A_REGULAR_FILE.value, "", printable(f"{image.name} is a link or device"))
        if image.content is None:
            message = f"{image.size} bytes, at most {self._config.max_file_bytes} expected"
            return Refusal(name, Reason.FILE_TOO_LARGE.value, "", message)
        notes: dict[str, bytes | None] = {}
        for member in members:  # of a sample that comes twice, the first label belongs to the first image
            if member is not image:
                notes.setdefault(_extension(member.name), member.content)
        label = self._labels.name_of_record(_note(notes, self._config.webdataset.label, path), path, name)
        group = labels.group_of_record(_note(notes, self._config.webdataset.group, path), path, name)
        return SourceImage(name, image.content, label, item.split, group)


def _is_hidden(name: str) -> bool:
    return any(is_hidden(part) for part in name.split("/") if part not in ("", ".", ".."))


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
