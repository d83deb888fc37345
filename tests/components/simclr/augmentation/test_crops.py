import random

import numpy as np
import pytest

from components.simclr.augmentation import draws
from components.simclr.augmentation.crops import draw_crops, reduction_factor
from components.simclr.augmentation.policies import CropPolicy

COUNT = 20_000


def _keys(count=COUNT, seed=0):
    return draws.view_keys(seed, np.arange(count, dtype=np.uint64), 0, 0)


def _boxes(policy, height, width, count=COUNT):
    return draw_crops(policy, _keys(count), np.full(count, height), np.full(count, width))


@pytest.mark.parametrize("height, width", [(1, 1), (1, 50), (50, 1), (8, 8), (24, 300), (224, 160)])
@pytest.mark.parametrize("policy", [CropPolicy(), CropPolicy(area_min=0.9), CropPolicy(aspect_min=3.0, aspect_max=4.0)])
def test_boxes_lie_inside_their_images(height, width, policy):
    top, left, crop_height, crop_width = _boxes(policy, height, width, 500).T
    assert (crop_height >= 1).all() and (crop_width >= 1).all() and (top >= 0).all() and (left >= 0).all()
    assert (top + crop_height <= height).all() and (left + crop_width <= width).all()


def test_area_and_aspect_follow_their_distributions():
    """On an image so large that rounding vanishes and, with these limits, the first try always fits."""
    policy = CropPolicy(area_min=0.1, area_max=0.5)
    _, _, heights, widths = _boxes(policy, 4000, 4000).astype(float).T
    areas = heights * widths / 4000**2
    assert abs(areas.mean() - 0.3) < 5 * np.sqrt(0.4**2 / 12 / COUNT) + 1e-3
    assert abs(areas.std() - 0.4 / np.sqrt(12)) < 3e-3
    deciles = np.quantile(areas, np.linspace(0.1, 0.9, 9))
    assert np.abs(deciles - np.linspace(0.14, 0.46, 9)).max() < 0.01
    logs = np.log(widths / heights)
    limit = np.log(4 / 3)
    assert abs(logs.mean()) < 5 * limit / np.sqrt(3 * COUNT) + 1e-3
    assert np.abs(np.quantile(logs, [0.1, 0.5, 0.9]) - limit * np.array([-0.8, 0, 0.8])).max() < 0.01
    assert abs(np.corrcoef(areas, logs)[0, 1]) < 5 / np.sqrt(COUNT)


def test_places_are_uniform_over_all_that_fit():
    policy = CropPolicy(area_min=0.25, area_max=0.25, aspect_min=1.0, aspect_max=1.0)
    top, left, heights, _ = _boxes(policy, 8, 8).T
    assert set(heights) == {4}
    counts = np.histogram2d(top, left, bins=5, range=[[0, 5], [0, 5]])[0]
    assert counts.sum() == COUNT
    assert ((counts - COUNT / 25) ** 2 / (COUNT / 25)).sum() < 24 + 5 * np.sqrt(48)


def _reference_crop(generator, height, width, scale, ratio):
    """torchvision's loop, transcribed from its published source, with Python's generator."""
    area = height * width
    for _ in range(10):
        target_area = area * generator.uniform(*scale)
        aspect = np.exp(generator.uniform(np.log(ratio[0]), np.log(ratio[1])))
        w, h = round(np.sqrt(target_area * aspect)), round(np.sqrt(target_area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return generator.randint(0, height - h), generator.randint(0, width - w), h, w
    in_ratio = width / height
    w, h = width, height
    if in_ratio < min(ratio):
        h = round(w / min(ratio))
    elif in_ratio > max(ratio):
        w = round(h * max(ratio))
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize("height, width", [(32, 32), (40, 100), (300, 20)])
def test_boxes_are_distributed_as_torchvision_s(height, width):
    generator, count = random.Random(0), 6000
    expected = np.array([_reference_crop(generator, height, width, (0.08, 1), (3 / 4, 4 / 3)) for _ in range(count)])
    found = _boxes(CropPolicy(), height, width, count)
    for column in range(4):
        error = 5 * np.sqrt(2 * max(expected[:, column].var(), 0.01) / count)
        assert abs(found[:, column].mean() - expected[:, column].mean()) < error
        spread = abs(found[:, column].std() - expected[:, column].std())
        assert spread < 0.06 * expected[:, column].std() + 0.01


@pytest.mark.parametrize(
    "height, width, aspect, expected",
    [
        (300, 20, (3 / 4, 4 / 3), [136, 0, 27, 20]),
        (20, 300, (3 / 4, 4 / 3), [0, 136, 20, 27]),
        (30, 30, (0.5, 0.5), [0, 7, 30, 15]),
        (30, 30, (2.0, 3.0), [7, 0, 15, 30]),
    ],
)
def test_where_nothing_fits_the_largest_central_crop_is_taken(height, width, aspect, expected):
    policy = CropPolicy(area_min=1.0, aspect_min=aspect[0], aspect_max=aspect[1])
    assert (_boxes(policy, height, width, 50) == expected).all()


def test_a_box_depends_on_its_own_key_and_size_only():
    keys = _keys(100)
    heights, widths = np.arange(10, 110), np.arange(110, 10, -1)
    together = draw_crops(CropPolicy(), keys, heights, widths)
    for row in (0, 41, 99):
        alone = draw_crops(CropPolicy(), keys[row : row + 1], heights[row : row + 1], widths[row : row + 1])
        assert (together[row] == alone[0]).all()


@pytest.mark.parametrize(
    "length, size_px, factor", [(10, 24, 1), (36, 24, 1), (37, 24, 2), (59, 24, 2), (60, 24, 3), (240, 24, 10)]
)
def test_reduction_begins_above_one_and_a_half(length, size_px, factor):
    assert reduction_factor(length, size_px) == factor
