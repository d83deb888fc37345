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
_REDUCED_SIDE_PX = 32  # a short side of twice as much or more is halved
_SCALE = 2**12  # of cosines rounded to whole numbers: sums stay below 2^53, so they are the same on every machine
_MIN_AMPLITUDE = 0.25  # of the strongest frequency, in levels of 255 per pixel; below it an image is flat
_COMPARISONS_AT_ONCE = 2**18
_BITS_OF_BYTES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


def perceptual_hashes(images: Sequence[np.ndarray]) -> list[int | None]:
    """pHash: which of the 64 lowest frequencies of an image, gray and reduced, are above their median.

    Args:
        images: (h, w, c) uint8 each, RGB or gray, any sizes.

    Returns:
        A hash from 0 to 2^64 - 1 for each image; None if the image is too flat to have one.

    Source: Zauner 2010, Implementation and benchmarking of perceptual image hash functions, section 3.2.1.
    """
    if not images:
        return []
    small = [_reduce(_gray(pixels)) for pixels in images]
    amplitudes = np.stack([_amplitudes(pixels) for pixels in small])  # (n, 64)
    others = np.sort(amplitudes[:, 1:], axis=1)  # the first is the brightness
    strongest = np.maximum(-others[:, 0], others[:, -1])
    limits = _MIN_AMPLITUDE * _SCALE * _SCALE * np.array([pixels.size for pixels in small])
    bits = amplitudes > others[:, others.shape[1] // 2, np.newaxis]
    hashes = np.packbits(bits, axis=1).view(">u8")[:, 0]
    return [int(hash_) if has else None for hash_, has in zip(hashes, strongest >= limits, strict=True)]


def _gray(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[2] == 3 else pixels[:, :, 0]


def _amplitudes(gray: np.ndarray) -> np.ndarray:
    """(64,) float64, whole numbers, of (h, w) uint8."""
    height, width = gray.shape
    return (_cosines(height) @ gray.astype(np.float64) @ _cosines(width).T).reshape(-1)


def _reduce(gray: np.ndarray) -> np.ndarray:
    """Halve (h, w) uint8 as long as the short side allows; an odd row or column at the edge is dropped.

    By halves, for which OpenCV has a fast path; ``docs/sources.md`` has the measurement.
    """
    while min(gray.shape) >= 2 * _REDUCED_SIDE_PX:
        height, width = (side // 2 for side in gray.shape)
        gray = cv2.resize(gray[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return gray


@functools.lru_cache(256)
def _cosines(size: int) -> np.ndarray:
    """(8, size) float64, whole numbers: the first rows of the DCT-II."""
    frequencies, places = np.arange(_FREQUENCIES)[:, None], np.arange(size)
    return np.rint(_SCALE * np.cos(np.pi * frequencies * (2 * places + 1) / (2 * size)))


class NearPair(NamedTuple):
    """An image of train or unlabeled, by its row in some list, and the test image that is most like it."""

    row: int
    test: int  # row among the test images
    bits: int  # that differ between the two hashes


def bands_of(hashes: np.ndarray, max_bits: int) -> Iterator[np.ndarray]:
    """The values of (n,) uint64 hashes in each of ``max_bits`` + 1 bands, (n,) uint64."""
    for low, high in itertools.pairwise(_edges(max_bits)):
        yield hashes >> np.uint64(low) & np.uint64((1 << high - low) - 1)


def find_pairs(hashes: np.ndarray, test: np.ndarray, band: int, max_bits: int) -> Iterator[NearPair]:
    """Pair each image with the most similar test image that shares the band; the first of several equally similar ones.

    Args:
        hashes: (n,) uint64, of images of train and unlabeled.
        test: (m,) uint64, of test images.
        band: which of the bands to look at, 0 to ``max_bits``.
        max_bits: images whose hashes differ in more bits are no pair.
    """
    values, test_values = (next(itertools.islice(bands_of(each, max_bits), band, None)) for each in (hashes, test))
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
    """Rows that have something to be compared with, in blocks that bound the comparisons made at once.

    Args:
        counts: (n,) how many comparisons each row needs.
    """
    rows = np.flatnonzero(counts)
    if len(rows):
        yield from np.split(rows, np.flatnonzero(np.diff(np.cumsum(counts[rows]) // _COMPARISONS_AT_ONCE)) + 1)


def _edges(max_bits: int) -> Sequence[int]:
    return [HASH_BITS * band // (max_bits + 1) for band in range(max_bits + 2)]


def _count_bits(values: np.ndarray) -> np.ndarray:
    """(n,) int64: how many bits are set in each of (n,) uint64."""
    return _BITS_OF_BYTES[values.view(np.uint8).reshape(-1, 8)].sum(axis=1, dtype=np.int64)
