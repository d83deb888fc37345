"""Reliability bins and their error: worked out by hand, against a formula, and at the edges."""

import numpy as np
import pytest

from components.linear_evaluation.calibration import calibration

BOOTSTRAP = (400, 0.95, 0)


def two_classes(confidence: np.ndarray) -> np.ndarray:
    """(m, 2) scores whose likeliest class is 0."""
    return np.stack([confidence, 1 - confidence], axis=1)


def test_a_case_worked_by_hand():
    scores = two_classes(np.array([0.9, 0.6, 0.8, 0.7]))
    found = calibration(scores, np.array([0, 1, 0, 0]), 2, *BOOTSTRAP)
    # By confidence 0.6 wrong, 0.7 right | 0.8 right, 0.9 right: |1.3 - 1| + |1.7 - 2| over four images.
    assert found.expected_calibration_error == pytest.approx(0.6 / 4)
    assert [(part.images, part.accuracy) for part in found.bins] == [(2, 0.5), (2, 1.0)]
    assert [part.mean_confidence for part in found.bins] == pytest.approx([0.65, 0.85])
    assert found.bins[1].accuracy_interval == (1.0, 1.0)


def test_chances_that_hold_have_a_small_error_and_boasting_a_large_one():
    rng = np.random.default_rng(3)
    chances = rng.uniform(0.5, 1, 20_000)
    labels = (rng.uniform(size=20_000) > chances).astype(int)
    honest = calibration(two_classes(chances), labels, 10, *BOOTSTRAP)
    boasting = calibration(two_classes(np.minimum(chances + 0.1, 1)), labels, 10, *BOOTSTRAP)
    assert honest.expected_calibration_error < 0.012
    # 0.1 too much below 0.9, and the mean of what is left up to 1 above it.
    assert boasting.expected_calibration_error == pytest.approx(0.1 * 0.8 + 0.05 * 0.2, abs=0.01)
    low, high = boasting.expected_calibration_error_interval
    assert low < boasting.expected_calibration_error < high and high - low < 0.03
    for part in honest.bins:
        assert part.accuracy_interval[0] < part.accuracy < part.accuracy_interval[1]
        assert part.images == 2000


def test_the_order_of_the_images_does_not_matter():
    rng = np.random.default_rng(4)
    scores, labels = rng.dirichlet([1, 1, 1], 60).astype(np.float32), rng.integers(0, 3, 60)
    order = rng.permutation(60)
    assert calibration(scores, labels, 7, *BOOTSTRAP) == calibration(scores[order], labels[order], 7, *BOOTSTRAP)


def test_fewer_images_make_fewer_bins():
    found = calibration(np.array([[0.25, 0.75]]), np.array([1]), 10, *BOOTSTRAP)
    assert [part.images for part in found.bins] == [1]
    assert found.expected_calibration_error == pytest.approx(
        0.25
    ) and found.expected_calibration_error_interval == pytest.approx((0.25, 0.25))
