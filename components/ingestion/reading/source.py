"""What every source of images does: list its units of work, tell whether they changed, and load them.

A source is one file in ``sources/``; the setting ``ingestion.source`` is its name. It holds a class with the methods of
``Source`` and names it ``open_source``; ``plug_ins`` finds it.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from components.ingestion.decoding.refusals import Refusal


class Item(NamedTuple):
    """A unit of work: one file, or some records of one. Small, because all items travel through the pipeline."""

    path: str  # relative to the data root, or as a manifest names it
    label: str | None = None  # class name, where the file as a whole has one
    split: str | None = None  # train, test or unlabeled, where the source says so; None: decided by digest or group
    group: str | None = None  # where the file as a whole has one
    start: int = 0  # first record in the file
    count: int = 1  # type: ignore[assignment]  # number of records; hides a method of tuples that nothing here calls
    is_estimate: bool = False  # whether ``count`` is a guess, because only reading tells


class SourceImage(NamedTuple):
    """One image as the source holds it."""

    path: str  # where it came from, for people: relative to the data root
    content: bytes | np.ndarray  # an image file, or pixels as ``decoding.decode_pixels`` takes them
    label: str | None
    split: str | None
    group: str | None = None  # images of one group stay on one side of the split; None: each for itself


class Source(Protocol):
    """Images under a data root."""

    has_groups: bool  # whether an image may belong to a group; where none does, Beam has less to do

    def items(self) -> Iterator[Item | Refusal]:
        """The units of work in one fixed order, and what is left out before reading.

        Raises:
            SourceError: the data root is missing, empty, or not laid out as expected.
        """

    def fingerprint(self) -> str:
        """Digest of what ``items`` would read: changes exactly when a file is added, changed, removed or touched.

        Raises:
            SourceError: as ``items``.
        """

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """Read one unit of work: ``item.count`` images or refusals, where that is no estimate.

        Raises:
            RefusedImage: the file can't be read; only where the unit is one image.
            SourceError: the file is damaged, or not what it was when it was listed.
        """
