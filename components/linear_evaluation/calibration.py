"""The distance between a classifier's confidence and its accuracy, in bins that hold equally many test images.

Source: the expected calibration error of Naeini et al. 2015, made known by Guo et al. 2017; bins of equal mass as in
Nguyen and O'Connor 2015, because bins of equal width leave most of a good classifier's images in the last one.
"""

import numpy as np

from components.contracts.evidence import Calibration, CalibrationBin
from components.linear_evaluation import intervals


def calibration(
    scores: np.ndarray, labels: np.ndarray, bins: int, resamples: int, confidence: float, seed: int
) -> Calibration:
    """Compare the score of the likeliest class with the share of images for which that class is right.

    Args:
        scores: (m, k) float probabilities, m >= 1.
        labels: (m,) int true classes.
        bins: number of bins; at most one for each image.
        resamples: of the bootstrap, as in ``intervals.interval``.
        confidence: level of the intervals.
        seed: of the bootstrap.

    Returns:
        Error, its interval, and the bins. Each resample is binned anew. Resampling adds noise to every bin, and the
        absolute differences add that noise up, so the interval lies a little too high, more so with fewer images.
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
        expected_calibration_error=float(error(np.arange(size)[np.newaxis])[0]),
        expected_calibration_error_interval=intervals.interval(error, size, *bootstrap),
        bins=tuple(
            CalibrationBin(
                images=len(right),
                mean_confidence=float(part.mean()),
                accuracy=float(right.mean()),
                accuracy_interval=intervals.mean_interval(right, *bootstrap),
            )
            for part, right in zip(np.split(top, starts[1:]), np.split(is_right, starts[1:]), strict=True)
        ),
    )
