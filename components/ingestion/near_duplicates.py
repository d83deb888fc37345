"""Images that look alike: a 64-bit perceptual hash of each, and the pairs of test and train whose hashes nearly agree.

Pairs are found by bands: two hashes that differ in at most b bits agree in at least one of b + 1 bands, so only images
that share a band are compared, and no worker sees all images.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

HASH_BITS = 64
_SIDE_PX = 32
_FREQUENCIES = 8  # per direction
_REDUCING_GAP = 1.0  # reducing by a whole number before the resize takes half the time
_SCALE = 2**12  # of the whole numbers that stand for cosines: all sums stay below 2^53, so they are exact everywhere
# An image whose strongest frequency is weaker has no structure that a hash could tell: about one level of 255.
_MIN_AMPLITUDE = _SIDE_PX * _SIDE_PX * _SCALE * _SCALE // 4
_COMPARISONS_AT_ONCE = 2**18
_BITS_OF_BYTES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


def _cosines() -> np.ndarray:
    """(8, 32) float64, whole numbers: the rows of the DCT-II."""
    frequencies, places = np.arange(_FREQUENCIES)[:, None], np.arange(_SIDE_PX)
    return np.rint(_SCALE * np.cos(np.pi * frequencies * (2 * places + 1) / (2 * _SIDE_PX)))


_COSINES = _cosines()


def perceptual_hash(image: Image.Image) -> int | None:
    """pHash: which of the 64 lowest frequencies of the image, gray and 32 x 32, are above their median.

    Args:
        image: mode RGB or L, any size.

    Returns:
        0 to 2^64 - 1; None where the image is so flat that nothing can be told.

    Source: Zauner 2010, Implementation and benchmarking of perceptual image hash functions, section 3.2.1.
    """
    size = (_SIDE_PX, _SIDE_PX)
    small = image.convert("L").resize(size, Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)
    amplitudes = (_COSINES @ np.asarray(small, np.float64) @ _COSINES.T).reshape(-1)  # (64,)
    others = np.sort(amplitudes[1:])  # the first is the brightness
    if max(-others[0], others[-1]) < _MIN_AMPLITUDE:
        return None
    bits = amplitudes > others[len(others) // 2]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


class NearPair(NamedTuple):
    """An image of train or unlabeled, by its row in some list, and the test image that is most like it."""

    row: int
    test: int  # row among the test images
    bits: int  # in how many the hashes differ


def bands_of(hash_: int, max_bits: int) -> list[int]:
    """The value of the hash in each of ``max_bits`` + 1 bands."""
    edges = _edges(max_bits)
    return [hash_ >> low & ((1 << high - low) - 1) for low, high in itertools.pairwise(edges)]


def find_pairs(hashes: np.ndarray, test: np.ndarray, band: int, max_bits: int) -> Iterator[NearPair]:
    """For each image that shares a band with a test image like it: the test image most like it, or the first of those.

    Args:
        hashes: (n,) uint64, of images of train and unlabeled.
        test: (m,) uint64, of test images.
        band: which of the bands to look at, 0 to ``max_bits``.
        max_bits: hashes that differ in more are of different images.
    """
    low, high = _edges(max_bits)[band : band + 2]
    mask = np.uint64((1 << high - low) - 1)
    values, test_values = (each >> np.uint64(low) & mask for each in (hashes, test))
    for value in np.intersect1d(values, test_values):
        rows, test_rows = np.flatnonzero(values == value), np.flatnonzero(test_values == value)
        block = max(_COMPARISONS_AT_ONCE // len(test_rows), 1)
        for start in range(0, len(rows), block):
            part = rows[start : start + block]
            bits = _count_bits(hashes[part][:, None] ^ test[test_rows])  # (rows, test rows)
            nearest = bits.argmin(axis=1)
            for at in np.flatnonzero(bits[np.arange(len(part)), nearest] <= max_bits):
                yield NearPair(int(part[at]), int(test_rows[nearest[at]]), int(bits[at, nearest[at]]))


def _edges(max_bits: int) -> Sequence[int]:
    return [HASH_BITS * band // (max_bits + 1) for band in range(max_bits + 2)]


def _count_bits(values: np.ndarray) -> np.ndarray:
    """How many bits are set, for each of (n, m) uint64."""
    as_bytes = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8)
    return _BITS_OF_BYTES[as_bytes].sum(axis=2, dtype=np.uint8)
