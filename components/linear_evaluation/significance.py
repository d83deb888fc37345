"""p-values: how often chance alone would make one classifier look at least this much better than another."""

import math

from scipy import stats


def paired(won: int, lost: int) -> float:
    """One-sided p-value for two classifiers on the same images.

    Args:
        won: images that only the first predicts right.
        lost: images that only the second predicts right.

    Returns:
        Probability of at least ``won`` heads in ``won + lost`` throws of a fair coin; 1 if the two never differ.

    Source: McNemar 1947, in its exact form; Dietterich 1998 recommends it for classifiers that are trained once.
    """
    if won + lost == 0:
        return 1.0
    return float(stats.binomtest(won, won + lost, 0.5, alternative="greater").pvalue)


def unpaired(right_first: int, right_second: int, images: int) -> float:
    """One-sided p-value for two classifiers, from the counts of their right answers alone.

    It treats the two as measured on different images. For classifiers that mostly agree, this makes the p-value
    rather too large than too small.

    Args:
        right_first: right answers of the first, out of ``images``.
        right_second: right answers of the second, out of ``images``.
        images: test images, at least 1.

    Returns:
        p-value of the pooled two-proportion z-test; 1 if both have all or none right.
    """
    pooled = (right_first + right_second) / (2 * images)
    deviation = math.sqrt(2 * pooled * (1 - pooled) / images)
    if deviation == 0:
        return 1.0
    return float(stats.norm.sf((right_first - right_second) / images / deviation))
