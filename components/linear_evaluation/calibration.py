"""How far a classifier's confidence is from how often it is right, in bins that hold equally many test images.

Source: the expected calibration error of Naeini et al. 2015, made known by Guo et al. 2017; bins of equal mass as in
Nguyen and O'Connor 2015, because bins of equal width leave most of a good classifier's images in the last one.
"""

import dataclasses

import numpy as np

from components.linear_evaluation import intervals


@dataclasses.dataclass(frozen=True)
class Bin:
    """Test images of like confidence."""

    images: int
    mean_confidence: float
    accuracy: float
    accuracy_interval: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Bins by rising confidence, and their mean distance from the diagonal."""

    error: float
    error_interval: tuple[float, float]
    bins: tuple[Bin, ...]


def calibration(
    scores: np.ndarray, labels: np.ndarray, bins: int, resamples: int, confidence: float, seed: int
) -> Calibration:
    """Compare the score of the likeliest class with how often it is the right one.

    Args:
        scores: (m, k) float probabilities, m >= 1.
        labels: (m,) int true classes.
        bins: how many; fewer images make fewer bins.
        resamples: of the bootstrap, as ``intervals.interval``.
        confidence: level of the intervals.
        seed: of the bootstrap.

    Returns:
        Error, and interval: each resample is binned anew. Resampling adds noise to every bin, which an absolute
        difference only adds up, so the interval lies somewhat high, the more the fewer images a bin has.
    """
    top = scores.max(axis=1).astype(np.float64)
    order = np.argsort(top, kind="stable")
    top, is_right = top[order], (scores.argmax(axis=1) == labels)[order]
    size = len(labels)
    starts = np.linspace(0, size, min(bins, size) + 1).round().astype(int)[:-1]
    gaps = top - is_right

    def error(rows: np.ndarray) -> np.ndarray:
        ordered = gaps[np.sort(rows, axis=1)]  # by confidence, as gaps are
        return np.abs(np.add.reduceat(ordered, starts, axis=1)).sum(axis=1) / size

    bootstrap = (resamples, confidence, seed)
    return Calibration(
        error=float(error(np.arange(size)[np.newaxis])[0]),
        error_interval=intervals.interval(error, size, *bootstrap),
        bins=tuple(
            Bin(len(right), float(part.mean()), float(right.mean()), intervals.mean_interval(right, *bootstrap))
            for part, right in zip(np.split(top, starts[1:]), np.split(is_right, starts[1:]), strict=True)
        ),
    )
