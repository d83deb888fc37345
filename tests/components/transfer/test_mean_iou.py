"""Numbers worked out by hand."""

import numpy as np
import pytest

from components.transfer import mean_iou

MASKS = np.array([[[0, 0], [1, 1]], [[0, 2], [255, 2]]], np.uint8)
PREDICTED = np.array([[[0, 1], [1, 1]], [[0, 2], [1, 0]]], np.uint8)


def test_pixels_are_counted_by_image_and_class():
    counted = mean_iou.overlaps(PREDICTED, MASKS, 4, 255)
    np.testing.assert_array_equal(counted.intersections, [[1, 2, 0, 0], [1, 0, 1, 0]])
    np.testing.assert_array_equal(counted.unions, [[2, 3, 0, 0], [2, 0, 2, 0]])
    np.testing.assert_array_equal(mean_iou.class_ious(counted), [2 / 4, 2 / 3, 1 / 2, np.nan])
    assert mean_iou.mean_iou(counted) == pytest.approx((1 / 2 + 2 / 3 + 1 / 2) / 3)


def test_without_an_ignored_id_every_pixel_counts():
    counted = mean_iou.overlaps(PREDICTED, np.minimum(MASKS, 3), 4, None)
    np.testing.assert_array_equal(counted.unions[1], [2, 1, 2, 1])


def test_resamples_are_those_of_whole_images():
    counted = mean_iou.overlaps(PREDICTED, MASKS, 3, 255)
    draws = mean_iou.resampled_mean_ious(counted, 400, seed=3)
    both, first, second = (1 / 2 + 2 / 3 + 1 / 2) / 3, (1 / 2 + 2 / 3) / 2, (1 / 2 + 1 / 2) / 2
    assert {round(value, 6) for value in draws} == {round(value, 6) for value in (both, first, second)}
    assert np.isclose(draws, first).mean() == pytest.approx(0.25, abs=0.08)
    np.testing.assert_array_equal(draws, mean_iou.resampled_mean_ious(counted, 400, seed=3))
