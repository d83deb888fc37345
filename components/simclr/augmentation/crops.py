"""Where random resized crops lie: sizes of images and keys go in, one integer box for each key comes out.

Nothing is cut here, so that CPU workers and the tensor engine cut the same boxes, and their distribution can be tested.
"""

import numpy as np

from components.simclr.augmentation import draws
from components.simclr.augmentation.policies import CropPolicy
from components.simclr.augmentation.slots import Slot

TRIES = 10
REDUCTION_THRESHOLD = 1.5


def draw_crops(policy: CropPolicy, keys: np.ndarray, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Draw boxes of random resized crops, each inside its image.

    There are up to ten tries of a uniform share of the area and a log-uniform aspect. If none fits, the box is the
    largest central crop within the aspect limits.

    Args:
        policy: limits of area and aspect.
        keys: (n,) uint64 from ``draws.view_keys``.
        heights: (n,) positive integers, pixels.
        widths: (n,) positive integers, pixels.

    Returns:
        (n, 4) int32: top, left, height, width, in whole pixels.

    Source: torchvision 0.20, ``transforms.RandomResizedCrop.get_params``.
    """
    heights, widths = np.asarray(heights, np.int64), np.asarray(widths, np.int64)
    boxes = _central_boxes(policy, heights, widths)
    open_rows = np.arange(len(keys))  # images that have no box yet; the first tries fit nearly all of them
    for attempt in range(TRIES):
        fits, tried = _try_boxes(policy, keys[open_rows], heights[open_rows], widths[open_rows], attempt)
        boxes[open_rows[fits]] = tried[fits]
        open_rows = open_rows[~fits]
        if not len(open_rows):
            break
    return boxes.astype(np.int32)


def reduction_factor(length: int, size_px: int) -> int:
    """The factor by which a box filter reduces ``length`` pixels before they are interpolated to ``size_px``.

    It is 1 if the length shrinks by up to 1.5, and the nearest integer if it shrinks by more. So the interpolation
    itself never skips pixels.
    """
    return (2 * length + size_px) // (2 * size_px) if length > REDUCTION_THRESHOLD * size_px else 1


def _try_boxes(
    policy: CropPolicy, keys: np.ndarray, heights: np.ndarray, widths: np.ndarray, attempt: int
) -> tuple[np.ndarray, np.ndarray]:
    slot = Slot.CROP + 4 * attempt
    areas = heights * widths * draws.between(keys, slot, policy.area_min, policy.area_max)
    aspects = np.exp(draws.between(keys, slot + 1, np.log(policy.aspect_min), np.log(policy.aspect_max)))
    crop_heights = np.rint(np.sqrt(areas / aspects)).astype(np.int64)
    crop_widths = np.rint(np.sqrt(areas * aspects)).astype(np.int64)
    fits = (crop_heights > 0) & (crop_heights <= heights) & (crop_widths > 0) & (crop_widths <= widths)
    tops = draws.integers(keys, slot + 2, 0, heights - crop_heights + 1)
    lefts = draws.integers(keys, slot + 3, 0, widths - crop_widths + 1)
    return fits, np.stack([tops, lefts, crop_heights, crop_widths], axis=1)


def _central_boxes(policy: CropPolicy, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
    tallest = np.maximum(np.rint(widths / policy.aspect_min).astype(np.int64), 1)
    widest = np.maximum(np.rint(heights * policy.aspect_max).astype(np.int64), 1)
    crop_heights, crop_widths = np.minimum(heights, tallest), np.minimum(widths, widest)
    return np.stack([(heights - crop_heights) // 2, (widths - crop_widths) // 2, crop_heights, crop_widths], axis=1)
