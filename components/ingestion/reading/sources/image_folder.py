"""A folder of image files: ``train/<class>/...`` and ``test/<class>/...``, or only ``<class>/...``.

The parts may have other usual names, ``folder_layout`` says which. A folder ``unlabeled/`` beside them holds images
without labels, flat or nested. Files nested deeper belong to the class folder above them. If the root holds only files,
they are all images without labels.
"""

import posixpath
from collections.abc import Iterator

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
from components.ingestion.reading import labels, listing
from components.ingestion.reading.folder_layout import Layout, find_layout
from components.ingestion.reading.listing import Listed
from components.ingestion.reading.source import Item, Note, SourceImage

EXPECTED = "train/<class>/... and test/<class>/..., or <class>/..., with an optional unlabeled/ folder"


class ImageFolder:
    """Image files below one root."""

    has_groups = False

    def __init__(self, root: str, config: IngestionConfig):
        self._root = root
        self._config = config
        self._tree = listing.open_tree(root)

    def items(self) -> Iterator[Item | Refusal | Note]:
        """See ``Source.items``."""
        layout = find_layout(self._tree, self._root, self._config)
        with_entries = set()
        for entry in self._entries():
            with_entries.add(layout.class_folder(entry.path))
            yield self._item(entry, layout)
        for folder in self._class_folders(layout):
            if folder not in with_entries:
                yield Refusal(printable(folder) + "/", Reason.EMPTY_CLASS_FOLDER.value, "", "folder without files")
        yield from map(Note, layout.notes)

    def fingerprint(self) -> str:
        """See ``Source.fingerprint``."""
        return listing.fingerprint(self._entries())

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """See ``Source.load``."""
        content = listing.read_file(listing.join(self._root, item.path), self._config.max_file_bytes)
        is_offered = is_meant_as_image(item.path)
        yield SourceImage(printable(item.path), content, item.label, item.split, is_offered=is_offered)

    def _entries(self) -> Iterator[Listed]:
        found = False
        for entry in self._tree.walk():
            found = True
            yield entry
        if not found:
            raise SourceError(f"data root {self._root}: no file in it; expected {EXPECTED}")

    def _class_folders(self, layout: Layout) -> Iterator[str]:
        above = [part.folder for part in layout.parts.values()] if layout.parts else [""]
        for folder in above:
            for name in self._tree.subfolders(folder):
                if layout.class_folder(path := posixpath.join(folder, name, "file")):
                    yield posixpath.dirname(path)

    def _item(self, entry: Listed, layout: Layout) -> Item | Refusal:
        if entry.problem is not None:
            return _refusal_of(entry, entry.problem)
        if layout.is_unlabeled(entry.path):
            return Item(entry.path, None, records.UNLABELED)
        folder = layout.class_folder(entry.path)
        if not folder:
            reason = Reason.OUTSIDE_LAYOUT if has_image_suffix(entry.path) else Reason.NOT_AN_IMAGE
            return Refusal(printable(entry.path), reason.value, "", f"not in a class folder; expected {EXPECTED}")
        return Item(entry.path, self._class_name(folder), layout.split(entry.path))

    def _class_name(self, folder: str) -> str:
        try:
            return labels.class_name(posixpath.basename(folder))
        except ValueError as error:
            raise SourceError(f"data root {self._root}: folder {posixpath.basename(folder)!r}: {error}") from error


def _refusal_of(entry: Listed, reason: Reason) -> Refusal:
    """A file that cannot be read and is not named like an image does not count as undecodable."""
    if reason in UNDECODABLE and not entry.path.endswith("/") and not is_meant_as_image(entry.path):
        reason = Reason.NOT_AN_IMAGE
    return Refusal(printable(entry.path), reason.value, entry.error, printable(entry.message))


open_source = ImageFolder
