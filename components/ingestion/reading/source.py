"""What every source of images does: list its units of work, say whether they changed, and load them.

A source is one file in ``sources/``; the setting ``ingestion.source`` is its name. It holds a class with the methods of
``Source`` and names it ``open_source``; ``plug_ins`` finds it.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from components.ingestion.decoding.refusals import Refusal


class Item(NamedTuple):
    """A unit of work: one file, or some records of a file."""

    path: str  # relative to the data root, or as a manifest names it
    label: str | None = None  # class name, if the file as a whole has one
    split: str | None = None  # train, test or unlabeled, if the source says so; None: digest or group decide
    group: str | None = None  # if the file as a whole has one
    start: int = 0  # first record in the file
    count: int = 1  # type: ignore[assignment]  # number of records; hides a method of tuples that nothing here calls
    is_estimate: bool = False  # whether ``count`` is a guess, because only reading the file can tell


class Note(NamedTuple):
    """Something that a person should know about the layout, although the run goes on."""

    sentence: str


class SourceImage(NamedTuple):
    """One image as the source holds it."""

    path: str  # where it came from, for people: relative to the data root
    content: bytes | np.ndarray  # an image file, or pixels as ``decoding.decode_pixels`` takes them
    label: str | None
    split: str | None
    group: str | None = None  # images of one group stay on one side of the split; None: no group
    is_offered: bool = True  # as an image; False: nothing says that it is one, so it may be something else


class Source(Protocol):
    """Images under a data root."""

    has_groups: bool  # whether an image may belong to a group; if none does, Beam has less to do

    def items(self) -> Iterator[Item | Refusal | Note]:
        """The units of work in one fixed order, the files that are left out without being read, and notes.

        Raises:
            SourceError: the data root is missing, empty, or not laid out as expected.
        """

    def fingerprint(self) -> str:
        """Digest of what ``items`` would read: changes exactly when a file is added, changed, removed or touched.

        Raises:
            SourceError: as ``items``.
        """

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """Read one unit of work: ``item.count`` images or refusals, unless that is an estimate.

        Raises:
            RefusedImage: the file cannot be read; only if the unit is one image.
            SourceError: the file is damaged, or changed since it was listed.
        """
