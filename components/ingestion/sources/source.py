"""What every source of images does: list its units of work, tell whether they changed, and load them.

A new source is one file beside this one with a class that has these methods, one line in ``registry.py`` and one member
of ``SourceKind``.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from components.ingestion.refusals import Refusal


class Item(NamedTuple):
    """A unit of work: one file, or some records of one. Small, because all items travel through the pipeline."""

    path: str  # relative to the data root
    label: str | None = None  # class name, where the file as a whole has one
    split: str | None = None  # train, test or unlabeled, where the source says so; None: decided by digest
    start: int = 0  # first record in the file
    count: int = 1  # number of records


class SourceImage(NamedTuple):
    """One image as the source holds it."""

    path: str  # where it came from, for people: relative to the data root
    content: bytes | np.ndarray  # an image file, or pixels as ``decoding.decode_pixels`` takes them
    label: str | None
    split: str | None
    group: str | None = None  # images of one group stay on one side of the split; None: each for itself


class Source(Protocol):
    """Images under a data root."""

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
        """Read one unit of work: exactly ``item.count`` images or refusals.

        Raises:
            RefusedImage: the file can't be read; only where the unit is one image.
            SourceError: the file is not what it was when it was listed.
        """
