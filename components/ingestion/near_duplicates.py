"""Images that look alike: a 64-bit perceptual hash of each, and the pairs of test and train whose hashes nearly agree.

Pairs are found by bands: two hashes that differ in at most b bits agree in at least one of b + 1 bands, so only images
that share a band are compared, and no worker sees all images.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

HASH_BITS = 64
_FREQUENCIES = 8  # per direction
_REDUCED_SIDE_PX = 32  # a larger short side is reduced by a whole number, to no less than this
_SCALE = 2**12  # of the whole numbers that stand for cosines: all sums stay below 2^53, so they are exact everywhere
_MIN_AMPLITUDE = 0.25  # of the strongest frequency, in levels of 255 per pixel; less has no structure that could tell
_COMPARISONS_AT_ONCE = 2**18
_BITS_OF_BYTES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


def perceptual_hash(pixels: np.ndarray) -> int | None:
    """pHash: which of the 64 lowest frequencies of the image, gray and reduced, are above their median.

    Args:
        pixels: (h, w, c) uint8, RGB or gray, any size.

    Returns:
        0 to 2^64 - 1; None where the image is so flat that nothing can be told.

    Source: Zauner 2010, Implementation and benchmarking of perceptual image hash functions, section 3.2.1.
    """
    small = _reduce(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[2] == 3 else pixels[:, :, 0])
    height, width = small.shape
    amplitudes = (_cosines(height) @ small.astype(np.float64) @ _cosines(width).T).reshape(-1)  # (64,)
    others = np.sort(amplitudes[1:])  # the first is the brightness
    if max(-others[0], others[-1]) < _MIN_AMPLITUDE * small.size * _SCALE * _SCALE:
        return None
    bits = amplitudes > others[len(others) // 2]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _reduce(gray: np.ndarray) -> np.ndarray:
    """Means of squares of (h, w) uint8, all of one whole size; what fills no square at the edges is left out."""
    height, width = gray.shape
    factor = min(height, width) // _REDUCED_SIDE_PX
    if factor < 2:
        return gray
    height, width = height // factor, width // factor
    return cv2.resize(gray[: height * factor, : width * factor], (width, height), interpolation=cv2.INTER_AREA)


@functools.lru_cache(256)
def _cosines(size: int) -> np.ndarray:
    """(8, size) float64, whole numbers: the first rows of the DCT-II."""
    frequencies, places = np.arange(_FREQUENCIES)[:, None], np.arange(size)
    return np.rint(_SCALE * np.cos(np.pi * frequencies * (2 * places + 1) / (2 * size)))


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
    order = np.argsort(test_values, kind="stable")
    first, last = (np.searchsorted(test_values[order], values, side) for side in ("left", "right"))
    for rows in _blocks(last - first):
        counts = (last - first)[rows]
        starts = np.cumsum(counts) - counts  # of each row among the pairs
        pairs = np.arange(counts.sum()) + np.repeat(first[rows] - starts, counts)
        test_rows = order[pairs]  # (pairs,)
        bits = _count_bits(np.repeat(hashes[rows], counts) ^ test[test_rows])
        nearest = np.minimum.reduceat(bits * len(test) + test_rows, starts)  # by bits, then by test row
        for at in np.flatnonzero(nearest < (max_bits + 1) * len(test)):
            bits_of_pair, test_row = divmod(int(nearest[at]), len(test))
            yield NearPair(int(rows[at]), test_row, bits_of_pair)


def _blocks(counts: np.ndarray) -> Iterator[np.ndarray]:
    """The rows with something to be compared with, in parts of not too many comparisons.

    Args:
        counts: (n,) of comparisons of each row.
    """
    rows = np.flatnonzero(counts)
    if len(rows):
        yield from np.split(rows, np.flatnonzero(np.diff(np.cumsum(counts[rows]) // _COMPARISONS_AT_ONCE)) + 1)


def _edges(max_bits: int) -> Sequence[int]:
    return [HASH_BITS * band // (max_bits + 1) for band in range(max_bits + 2)]


def _count_bits(values: np.ndarray) -> np.ndarray:
    """(n,) int64: how many bits are set in each of (n,) uint64."""
    return _BITS_OF_BYTES[values.view(np.uint8).reshape(-1, 8)].sum(axis=1, dtype=np.int64)
