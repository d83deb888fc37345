"""scikit-learn's handwritten digits, straight from the package: 1,797 gray images of 8 x 8 px, ten classes.

The data root is ignored. The 17 levels of gray are spread over 0 to 255; the digest decides the split.
Source: UCI Optical Recognition of Handwritten Digits, test part, as scikit-learn bundles it.
"""

import functools
import hashlib
from collections.abc import Iterator

import numpy as np

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import Refusal
from components.ingestion.reading.source import Item, SourceImage

_LEVELS = 16  # the brightest of the 17
_IMAGES_PER_ITEM = 100


class Digits:
    """The bundled digits."""

    has_groups = False

    def __init__(self, root: str, config: IngestionConfig):
        del root, config  # there is nothing to set

    def items(self) -> Iterator[Item | Refusal]:
        """See ``Source.items``."""
        number = len(bundled_digits()[1])
        for start in range(0, number, _IMAGES_PER_ITEM):
            yield Item("digits", start=start, count=min(_IMAGES_PER_ITEM, number - start))

    def fingerprint(self) -> str:
        """See ``Source.fingerprint``."""
        images, classes = bundled_digits()
        return hashlib.sha256(images.tobytes() + classes.tobytes()).hexdigest()

    def load(self, item: Item) -> Iterator[SourceImage | Refusal]:
        """See ``Source.load``."""
        images, classes = bundled_digits()
        for index in range(item.start, item.start + item.count):
            yield SourceImage(f"{item.path}#{index}", images[index], str(classes[index]), item.split)


@functools.lru_cache(maxsize=1)
def bundled_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 8, 8) uint8 and the digit in each, (n,) int64."""
    from sklearn import datasets  # one second, and only this source needs it

    found = datasets.load_digits()
    return np.round(found.images * (255 / _LEVELS)).astype(np.uint8), found.target.astype(np.int64)


open_source = Digits
