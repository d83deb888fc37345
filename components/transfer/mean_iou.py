"""Mean intersection over union of predicted and true masks: of all images, and of bootstrap resamples of them."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Overlaps:
    """Numbers of pixels per image and class; every measure is computed from them."""

    intersections: np.ndarray  # (m, k) int64
    unions: np.ndarray  # (m, k) int64


def overlaps(predicted: np.ndarray, masks: np.ndarray, classes: int, ignored_id: int | None) -> Overlaps:
    """Count pixels.

    Args:
        predicted: (m, s, s) class ids below ``classes``.
        masks: (m, s, s) true class ids; pixels with ``ignored_id`` do not count.
        classes: k.
        ignored_id: None: every pixel counts.
    """
    counts = np.ones(masks.shape, bool) if ignored_id is None else masks != ignored_id
    sums = [np.zeros((len(masks), classes), np.int64) for _ in range(2)]
    for index in range(classes):
        found, true = (predicted == index) & counts, (masks == index) & counts
        sums[0][:, index] = (found & true).sum(axis=(1, 2))
        sums[1][:, index] = (found | true).sum(axis=(1, 2))
    return Overlaps(*sums)


def class_ious(counted: Overlaps, weights: np.ndarray | None = None) -> np.ndarray:
    """Intersection over union of each class, over all images together.

    Args:
        counted: of m images.
        weights: (r, m) how often each image counts; None: once each.

    Returns:
        (r, k) or, without weights, (k,) float64; NaN for a class that neither occurs nor is predicted.
    """
    weights = np.ones(len(counted.unions)) if weights is None else weights
    intersections, unions = weights @ counted.intersections, weights @ counted.unions
    return np.divide(intersections, unions, out=np.full(unions.shape, np.nan), where=unions > 0)


def mean_iou(counted: Overlaps) -> float:
    """The mean over the classes that occur or are predicted."""
    return float(np.nanmean(class_ious(counted)))


def resampled_mean_ious(counted: Overlaps, resamples: int, seed: int) -> np.ndarray:
    """Mean IoU of bootstrap resamples of the images; the same seed draws the same images for any encoder.

    Returns:
        (resamples,) float64.
    """
    size = len(counted.unions)
    weights = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), resamples)
    return np.nanmean(class_ious(counted, weights), axis=1)
