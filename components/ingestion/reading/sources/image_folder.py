"""A folder of image files: ``train/<class>/...`` and ``test/<class>/...``, or only ``<class>/...``.

A folder ``unlabeled/`` beside them holds images without labels, flat or nested. Files nested deeper belong to the first
folder's class. If the root holds only files, they are all images without labels.
"""

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from components.contracts import records
from components.contracts.plain_text import printable
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import (
    UNDECODABLE,
    Reason,
    Refusal,
    SourceError,
    has_image_suffix,
    is_meant_as_image,
)
from components.ingestion.reading import listing
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, SourceImage

EXPECTED = "train/<class>/... and test/<class>/..., or <class>/..., with an optional unlabeled/ folder"
# Folders that look like a test split under another name; beside train/ they would otherwise become classes.
_OTHER_TEST_NAMES = ("test", "tests", "testing", "val", "valid", "validation", "eval", "dev")


class _Layout(NamedTuple):
    """Which folders below the root are classes and which are splits."""

    class_depth: int | None  # which part of a path is the class: 0 or 1; None if there are no folders
    splits: dict[str, str | None]  # if class_depth is 1: the first part -> the split that it prescribes

    def class_folder(self, path: str) -> str:
        """The folder whose name is the class of the file ``path``, relative to the root; empty if no folder is one."""
        parts = path.split("/")
        if self.class_depth is None or len(parts) <= self.class_depth + 1:
            return ""
        if self.class_depth == 1 and parts[0] not in self.splits:
            return ""
        return "/".join(parts[: self.class_depth + 1])

    def split(self, path: str) -> str | None:
        """The split that the layout prescribes; None if the digest decides."""
        return self.splits.get(path.split("/")[0])


class ImageFolder:
    """Image files below one root."""

    has_groups = False

    def __init__(self, root: str, config: IngestionConfig):
        self._root = root
        self._config = config
        self._tree = listing.open_tree(root)

    def items(self) -> Iterator[Item | Refusal]:
        """See ``Source.items``."""
        folders = self._tree.folders()
        layout = self._layout(folders)
        with_entries = set()
        for entry in self._entries():
            with_entries.add(layout.class_folder(entry.path))
            yield self._item(entry, layout)
        for folder in folders:
            if folder not in with_entries and not self._is_unlabeled(folder) and _is_class(folder, layout):
                yield Refusal(printable(folder) + "/", Reason.EMPTY_CLASS_FOLDER.value, "", "folder without files")

    def fingerprint(self) -> str:
        """See ``Source.fingerprint``."""
        return listing.fingerprint(self._entries())

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """See ``Source.load``."""
        content = listing.read_file(listing.join(self._root, item.path), self._config.max_file_bytes)
        yield SourceImage(printable(item.path), content, item.label, item.split)

    def _entries(self) -> Iterator[Listed]:
        found = False
        for entry in self._tree.walk():
            found = True
            yield entry
        if not found:
            raise SourceError(f"data root {self._root}: no file in it; expected {EXPECTED}")

    def _layout(self, folders: list[str]) -> _Layout:
        """A class may be called "train": it is one if it holds no folders, or stands beside other classes."""
        top = {folder for folder in folders if "/" not in folder}
        train, test = self._config.train_folder, self._config.test_folder
        others = top - {train, test, self._config.unlabeled_folder}
        if not top:
            return _Layout(None, {})
        if not any(folder.startswith(train + "/") for folder in folders):
            return _Layout(0, {})
        if test in top:
            return _Layout(1, {train: records.TRAIN, test: records.TEST})
        lookalikes = sorted(name for name in others if name.lower() in _OTHER_TEST_NAMES)
        if lookalikes:
            raise SourceError(
                f"data root {self._root}: {train}/ stands beside {lookalikes[0]}/, but there is no {test}/; "
                f"if {lookalikes[0]}/ is the test split, set ingestion.test_folder to {lookalikes[0]}"
            )
        return _Layout(0, {}) if others else _Layout(1, {train: None})

    def _item(self, entry: Listed, layout: _Layout) -> Item | Refusal:
        if entry.problem is not None:
            return _refusal_of(entry, entry.problem)
        if layout.class_depth is None or self._is_unlabeled(entry.path):
            return Item(entry.path, None, records.UNLABELED)
        folder = layout.class_folder(entry.path)
        if not folder:
            reason = Reason.OUTSIDE_LAYOUT if has_image_suffix(entry.path) else Reason.NOT_AN_IMAGE
            return Refusal(printable(entry.path), reason.value, "", f"not in a class folder; expected {EXPECTED}")
        return Item(entry.path, printable(posixpath.basename(folder)), layout.split(entry.path))

    def _is_unlabeled(self, path: str) -> bool:
        return path.split("/")[0] == self._config.unlabeled_folder


def _is_class(folder: str, layout: _Layout) -> bool:
    return layout.class_folder(folder + "/file") == folder


def _refusal_of(entry: Listed, reason: Reason) -> Refusal:
    """A file that cannot be read and is not named like an image does not count as undecodable."""
    if reason in UNDECODABLE and not entry.path.endswith("/") and not is_meant_as_image(entry.path):
        reason = Reason.NOT_AN_IMAGE
    return Refusal(printable(entry.path), reason.value, entry.error, printable(entry.message))


open_source = ImageFolder
