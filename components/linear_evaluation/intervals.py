"""Intervals over test images: how far a number might be from the same number on other images like these."""

import math
import statistics
from collections.abc import Callable, Iterator

import numpy as np

_BLOCK_CELLS = 4_000_000  # drawn indices held in memory at once


def interval(
    statistic: Callable[[np.ndarray], np.ndarray], size: int, resamples: int, confidence: float, seed: int
) -> tuple[float, float]:
    """Percentile bootstrap of a number counted from test images.

    Args:
        statistic: (b, size) int rows of the images drawn in b resamples -> (b,) float.
        size: test images.
        resamples: bootstrap resamples.
        confidence: level, such as 0.95.
        seed: of the draws.

    Returns:
        Low and high end.
    """
    draws = np.concatenate([statistic(rows) for rows in _resamples(size, resamples, (seed,))])
    return percentile_interval(draws, confidence)


def mean_interval(values: np.ndarray, resamples: int, confidence: float, seed: int) -> tuple[float, float]:
    """Percentile bootstrap of a mean over test images.

    For paired differences it is the paired interval, because a resample draws both members together.

    Args:
        values: (m,) float, one per test image (0 or 1 for right or wrong, or a difference of two such means).
        resamples: as ``interval``.
        confidence: as ``interval``.
        seed: as ``interval``.

    Returns:
        Low and high end.
    """
    return interval(lambda rows: values[rows].mean(axis=1), len(values), resamples, confidence, seed)


def balanced_accuracy_interval(
    is_right: np.ndarray, labels: np.ndarray, resamples: int, confidence: float, seed: int
) -> tuple[float, float]:
    """Percentile bootstrap of the mean recall over the classes of which test holds images, resampled by class.

    Args:
        is_right: (m,) bool, per test image.
        labels: (m,) int true classes.
        resamples: as ``interval``.
        confidence: as ``interval``.
        seed: as ``interval``.

    Returns:
        Low and high end.
    """
    recalls = []
    for index in np.unique(labels):
        of_class = is_right[labels == index]
        # A seed of its own for each class: classes of one size must not be drawn alike.
        blocks = _resamples(len(of_class), resamples, (seed, int(index)))
        recalls.append(np.concatenate([of_class[rows].mean(axis=1) for rows in blocks]))
    return percentile_interval(np.mean(recalls, axis=0), confidence)


def normal_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Normal interval of a mean over test images, which needs no resampling.

    Args:
        values: (m,) float, one per test image, m >= 1, such as paired differences.
        confidence: level, such as 0.95.

    Returns:
        Low and high end.

    Source: for differences of right and wrong it is that of paired proportions in Fleiss, Levin and Paik 2003,
    section 13.1.
    """
    mean = float(values.mean())
    reach = statistics.NormalDist().inv_cdf((1 + confidence) / 2) * float(values.std()) / math.sqrt(len(values))
    return mean - reach, mean + reach


def percentile_interval(draws: np.ndarray, confidence: float) -> tuple[float, float]:
    """Percentile interval of a number that was counted in bootstrap resamples.

    Args:
        draws: (r,) float, the number in each resample.
        confidence: level, such as 0.95.

    Returns:
        Low and high end.
    """
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _resamples(size: int, resamples: int, seeds: tuple[int, ...]) -> Iterator[np.ndarray]:
    rng = np.random.default_rng([*seeds, size])
    per_block = max(1, _BLOCK_CELLS // size)
    for start in range(0, resamples, per_block):
        yield rng.integers(0, size, (min(per_block, resamples - start), size))
