"""Which value of an image of more than 8 bits is white: many files hold 10 or 12 bits of data in 16 bits."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

WHITE_OF_16_BITS = 65535
_BITS = (8, 10, 11, 12, 14, 16)  # of sensors and converters
_VALUES_AT_ONCE = 2**20


class DeepImages(NamedTuple):
    """The images of more than 8 bits of a data set whose files do not say which value is white."""

    by_bits: Mapping[str, int] = {}  # bits that an image uses (a number as text) -> images
    largest: int = 0  # value in any of them

    def with_value(self, largest: int) -> "DeepImages":
        """One more image, whose largest value is ``largest``."""
        return add_deep_images(self, DeepImages({str(bits_of(largest)): 1}, largest))

    @property
    def number(self) -> int:
        """How many they are."""
        return sum(self.by_bits.values())

    @property
    def white(self) -> int:
        """The largest value of as many bits as the data set uses; that of 16 bits if there are no such images."""
        return 2 ** bits_of(self.largest) - 1 if self.by_bits else WHITE_OF_16_BITS


def add_deep_images(one: DeepImages, other: DeepImages) -> DeepImages:
    """Both together."""
    keys = sorted({*one.by_bits, *other.by_bits}, key=int)
    by_bits = {key: one.by_bits.get(key, 0) + other.by_bits.get(key, 0) for key in keys}
    return DeepImages(by_bits, max(one.largest, other.largest))


def bits_of(largest: int) -> int:
    """The usual depth, 8 to 16, that holds values up to ``largest``, 0 to 65535."""
    return next(bits for bits in _BITS if largest < 2**bits)


def to_8_bit(values: np.ndarray, white: int) -> np.ndarray:
    """``values``, uint16 of any shape, so that 0 stays 0 and ``white`` and more become 255; rounded."""
    found = np.empty(values.shape, np.uint8)
    rows = max(1, _VALUES_AT_ONCE * values.shape[0] // max(1, values.size))
    for start in range(0, values.shape[0], rows):  # so that the wider values take little memory
        block = np.minimum(values[start : start + rows], white).astype(np.uint32)
        found[start : start + rows] = (block * 255 + white // 2) // white
    return found
