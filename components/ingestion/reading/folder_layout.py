"""Which folders below a data root are parts of the data set, which are classes, and which hold images without labels.

A folder without an image in it does not count. The configured names of the folders always count; if
``ingestion.train_folder`` has its default, all names that ``parts`` knows count too. If it names no folder, no folder
is a part.
"""

import fnmatch
import itertools
import posixpath
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from components.contracts import records
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import SourceError, has_image_suffix, is_meant_as_image
from components.ingestion.reading import listing, parts
from components.ingestion.reading.listing import Listed, Tree

_TABLES = ("*.csv", "*.tsv", "*.jsonl", "*.ndjson", "*.parquet")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"P4", b"P5", b"P6")
_DEFAULTS = IngestionConfig()


class Part(NamedTuple):
    """A part of the data set."""

    folder: str  # whose folders are the classes, relative to the root
    split: str | None  # None: the digest decides


class Layout(NamedTuple):
    """The meaning of the folders below the root."""

    parts: Mapping[str, Part]  # by the first folder of a path; empty: the first folder is the class
    unlabeled: frozenset[str]  # first folders whose images have no label
    is_heap: bool  # there are no folders
    notes: tuple[str, ...] = ()  # sentences for people

    def class_folder(self, path: str) -> str:
        """The folder whose name is the class of the file ``path``, relative to the root; empty if no folder is one."""
        first, slash, _ = path.partition("/")
        if self.is_heap or not slash or first in self.unlabeled:
            return ""
        if not self.parts:
            return first
        part = self.parts.get(first)
        if part is None or not path.startswith(part.folder + "/"):
            return ""
        name, slash, _ = path[len(part.folder) + 1 :].partition("/")
        return posixpath.join(part.folder, name) if slash else ""

    def split(self, path: str) -> str | None:
        """The split that the layout prescribes; None if the digest decides."""
        part = self.parts.get(path.split("/")[0])
        return part.split if part else None

    def is_unlabeled(self, path: str) -> bool:
        """Whether the file ``path`` is an image without a label."""
        return self.is_heap or path.split("/")[0] in self.unlabeled


def find_layout(tree: Tree, root: str, config: IngestionConfig) -> Layout:
    """Look at the folders below ``root``.

    Raises:
        SourceError: folders that are called like parts hold no class folders, or stand beside folders that may be
            classes, so that nobody can say what is meant.
    """
    return _Finder(tree, root, config).find()


class _Finder:
    def __init__(self, tree: Tree, root: str, config: IngestionConfig):
        self._tree, self._root, self._config = tree, root, config

    def find(self) -> Layout:
        folders = self._tree.subfolders()
        if not folders:
            return Layout({}, frozenset(), is_heap=True)
        top = [folder for folder in folders if self._has_image(folder)]
        named = self._named(top)
        unlabeled = frozenset(name for name, part in named.items() if part == records.UNLABELED)
        named = {name: part for name, part in named.items() if part != records.UNLABELED}
        others = [name for name in top if name not in named and name not in unlabeled]
        nested = {name: found for name, part in named.items() if (found := self._class_parent(name, part))}
        if not named or (others and not nested):
            return Layout({}, unlabeled | {self._config.unlabeled_folder}, is_heap=False)
        if others:
            self._check_others(nested, {named[name] for name in nested}, others)
        if flat := [name for name in named if name not in nested]:
            self._refuse_flat(flat, nested)
        return self._of_parts(named, nested, unlabeled | {self._config.unlabeled_folder})

    def _named(self, top: list[str]) -> dict[str, str]:
        """The folders that are called like a part."""
        config = self._config
        exact = {config.train_folder: records.TRAIN, config.unlabeled_folder: records.UNLABELED}
        if config.train_folder in (_DEFAULTS.train_folder, *top) or config.test_folder != _DEFAULTS.test_folder:
            exact[config.test_folder] = records.TEST
        words = {}
        if config.train_folder == _DEFAULTS.train_folder:
            words = parts.parts_of_folders([name for name in top if name != config.unlabeled_folder])
        return {name: exact.get(name) or words[name] for name in top if name in exact or name in words}

    def _of_parts(self, named: dict[str, str], nested: dict[str, str], unlabeled: frozenset[str]) -> Layout:
        has_test = parts.has_test(list(named.values()), self._config)
        found = {
            name: Part(folder, parts.split_of(named[name], has_test, self._config)) for name, folder in nested.items()
        }
        notes = [
            f"{name}/ joins train, and a part of train becomes the test split. If {name}/ is the test split, set "
            "ingestion.validation_part to test."
            for name in nested
            if named[name] == parts.VALIDATION and not has_test
        ]
        return Layout(found, unlabeled, is_heap=False, notes=tuple(notes))

    def _class_parent(self, folder: str, part: str) -> str | None:
        """The folder in ``folder`` (or itself) whose folders are classes; None if its images lie in no class folder."""
        inner = list(itertools.islice(self._with_images(folder), 2))
        if len(inner) == 1 and (parts.parts_of_folders([inner[0]]).get(inner[0]) == part or parts.is_filler(inner[0])):
            below = posixpath.join(folder, inner[0])
            return below if next(self._with_images(below), None) else None
        return folder if inner else None

    def _with_images(self, folder: str) -> Iterator[str]:
        for name in self._tree.subfolders(folder):
            if self._has_image(posixpath.join(folder, name)):
                yield name

    def _has_image(self, folder: str) -> bool:
        try:
            return any(map(self._is_image, self._tree.walk(folder)))
        except SourceError:  # the walk over the root reports it
            return False

    def _is_image(self, entry: Listed) -> bool:
        if entry.problem is not None or not is_meant_as_image(entry.path):
            return False
        if has_image_suffix(entry.path):
            return True
        with listing.open_file(listing.join(self._root, entry.path)) as file:
            return file.read(4).startswith(_MAGIC)

    def _check_others(self, nested: Mapping[str, str], found: set[str], others: list[str]) -> None:
        """If train and another part are there, the others are left out and reported; train alone could be a class."""
        if records.TRAIN in found and len(found) > 1:
            return
        name = next(iter(nested))
        raise SourceError(
            f"data root {self._root}: {name}/ is called like a part of a data set and holds folders of images, but "
            f"beside it stands {others[0]}/. If {name}/ holds the classes, move {others[0]}/ away, or name it by "
            f"ingestion.test_folder or ingestion.unlabeled_folder. If {name} is a class, set ingestion.train_folder to "
            "a name that no folder has"
        )

    def _refuse_flat(self, flat: list[str], nested: Mapping[str, str]) -> None:
        counts = {name: sum(entry.problem is None for entry in self._tree.walk(name)) for name in flat}
        described = " and ".join(f"{number} files in {name}/" for name, number in counts.items())
        names = {entry.path for entry in self._tree.walk() if "/" not in entry.path and entry.problem is None}
        tables = sorted(name for name in names if any(fnmatch.fnmatchcase(name.lower(), each) for each in _TABLES))
        if tables:
            advice = (
                f"{tables[0]} lies beside them: if it holds the labels, set ingestion.source to manifest, "
                f"ingestion.manifest.file to {tables[0]}, and .path, .label and .split to its columns"
            )
        elif nested:
            advice = (
                f"to use the images of {flat[0]}/ without labels, set ingestion.unlabeled_folder to {flat[0]} and "
                "ingestion.test_folder to a name that no folder has; a part of train then becomes test"
            )
        else:
            advice = f"to use those of {flat[0]}/ without labels, set ingestion.unlabeled_folder to {flat[0]}"
        raise SourceError(
            f"data root {self._root}: {described} are in no class folder; expected {flat[0]}/<class>/...; {advice}. "
            "If the folders are classes, set ingestion.train_folder to a name that no folder has"
        )
