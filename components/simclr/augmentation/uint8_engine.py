"""The augmentations on single uint8 images, for CPU workers: an image and its draw go in, the changed image comes out.

OpenCV and NumPy only. Applies the same draws as the tensor engine and, like it, rounds to 8 bits after each operation;
the two agree within a few of 255 (the tests say how closely).
"""

import functools
import threading
from typing import Any

import cv2
import numpy as np

from components.simclr.augmentation import crops
from components.simclr.augmentation.online_draws import JITTER_STEPS
from components.simclr.augmentation.policies import Border, OnlinePolicy

_BORDERS = {
    Border.BLACK: cv2.BORDER_CONSTANT,
    Border.EDGE: cv2.BORDER_REPLICATE,
    Border.REFLECT: cv2.BORDER_REFLECT_101,
}
_NEGLIGIBLE_TAP = 0.01  # of the middle tap: what lies beyond three standard deviations
_TO_GRAY = np.tile(np.array([0.299, 0.587, 0.114], np.float32), (3, 1))  # RGB to three equal channels
_TO_COLOUR = np.eye(3, dtype=np.float32) - _TO_GRAY


def random_resized_crop(image: np.ndarray, box: np.ndarray, size_px: int) -> np.ndarray:
    """Cut a box and resize it, bilinear; what shrinks by more than 1.5 is first reduced by a box filter.

    Args:
        image: (h, w, c) uint8.
        box: four integers inside the image: top, left, height, width.
        size_px: side of the result.

    Returns:
        (size_px, size_px, c) uint8.

    Source: as ``tensor_engine.crop_and_resize``.
    """
    top, left, height, width = np.asarray(box).tolist()
    by_row, by_column = crops.reduction_factor(height, size_px), crops.reduction_factor(width, size_px)
    if by_row > 1 or by_column > 1:
        rows, columns = height // by_row, width // by_column
        # Whole cells only: what is left over is less than a cell, cut off on both sides.
        top, left = top + (height - rows * by_row) // 2, left + (width - columns * by_column) // 2
        cut = image[top : top + rows * by_row, left : left + columns * by_column]
        cut = cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA)
    else:
        cut = image[top : top + height, left : left + width]
    resized = cv2.resize(cut, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    return resized.reshape(size_px, size_px, image.shape[2])


def apply_online_uint8(image: np.ndarray, draw: dict[str, Any], policy: OnlinePolicy) -> np.ndarray:
    """Apply one row of what ``draw_online`` drew from the same policy.

    Args:
        image: (s, s, c) uint8, c 1 or 3; not changed.
        draw: ``{name: values[i] for name, values in drawn.items()}``.
        policy: for what is the same for all samples (border, thresholds, fill).

    Returns:
        (s, s, c) uint8.

    Source: as ``tensor_engine.apply_online``.
    """
    view = image[:, :, 0] if image.shape[2] == 1 else image  # OpenCV drops a single channel anyway
    view = _geometry(view, draw, policy)
    if "jitter_order" in draw:
        for step in draw["jitter_order"].tolist():
            view = _jitter(view, JITTER_STEPS[step], draw)
    if draw.get("gray"):
        view = cv2.cvtColor(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if "blur_taps" in draw:
        view = _blur(view, draw["blur_taps"])
    if draw.get("solarize"):
        view = cv2.LUT(view, _solarize_table(policy.solarize_threshold))
    if draw.get("noise_std", 0.0) > 0.0:
        view = _add_noise(view, float(draw["noise_std"]), draw["noise_key"])
    if draw.get("sobel"):
        view = _sobel(view)
    if "cutout" in draw:
        view = _cutout(view, draw["cutout"], policy.cutout_fill)
    return view.reshape(image.shape)


def _geometry(view: np.ndarray, draw: dict[str, Any], policy: OnlinePolicy) -> np.ndarray:
    if "affine" in draw:
        size, flags = view.shape[:2][::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        matrix = np.asarray(draw["affine"], np.float64).reshape(2, 3)
        view = cv2.warpAffine(view, matrix, size, flags=flags, borderMode=_BORDERS[policy.border], borderValue=0)
    turns = int(draw.get("quarter_turns", 0))
    if turns:
        turn = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)[turns - 1]
        view = cv2.rotate(view, turn)
    if draw.get("flip_vertical"):
        view = cv2.flip(view, 0)
    if draw.get("flip_horizontal"):
        view = cv2.flip(view, 1)
    return view


def _jitter(view: np.ndarray, step: str, draw: dict[str, Any]) -> np.ndarray:
    value = float(draw.get(step, 0.0 if step == "hue" else 1.0))
    if step == "hue":
        return view if value == 0.0 else _shift_hue(view, value)
    if value == 1.0:
        return view
    if step == "brightness":
        return cv2.convertScaleAbs(view, alpha=value)
    if step == "contrast":
        luma = view if view.ndim == 2 else cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
        return cv2.addWeighted(view, value, view, 0.0, (1.0 - value) * cv2.mean(luma)[0])
    if view.ndim == 2:
        return view
    return cv2.transform(view, np.float32(value) * _TO_COLOUR + _TO_GRAY)  # the blend with gray, in one pass


class _Scratch(threading.local):
    """A float32 image per thread: at several hundred KB, new memory costs more than the arithmetic."""

    image = np.zeros((0, 0, 3), np.float32)

    def of(self, view: np.ndarray) -> np.ndarray:
        if self.image.shape != view.shape:
            self.image = np.zeros(view.shape, np.float32)
        return self.image


_scratch = _Scratch()


def _shift_hue(view: np.ndarray, turns: float) -> np.ndarray:
    # In float32: as fast as OpenCV's 8-bit HSV, whose 256 hues are wrong by up to 10 of 255 in saturated colours.
    hsv = _scratch.of(view)
    cv2.accumulateWeighted(view, hsv, 1.0)  # a copy: nothing of what was there, all of the view
    cv2.cvtColor(hsv, cv2.COLOR_RGB2HSV, dst=hsv)
    cv2.add(hsv, (360.0 * (turns % 1.0), 0.0, 0.0, 0.0), dst=hsv)  # 0 to 720 degrees; the way back takes them modulo
    return cv2.convertScaleAbs(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB, dst=hsv))


def _blur(view: np.ndarray, taps: np.ndarray) -> np.ndarray:
    nearest, *others = taps.tolist()  # so few are faster as numbers than as an array
    others = [tap for tap in others if tap > _NEGLIGIBLE_TAP * nearest]
    if not others:
        return view
    total = nearest + 2.0 * sum(others)
    kernel = np.array([*reversed(others), nearest, *others], np.float32) / np.float32(total)
    return cv2.sepFilter2D(view, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)


@functools.lru_cache(maxsize=8)
def _solarize_table(threshold: int) -> np.ndarray:
    values = np.arange(256)
    return np.where(values >= threshold, 255 - values, values).astype(np.uint8)


def _sobel(view: np.ndarray) -> np.ndarray:
    across = cv2.Sobel(view, cv2.CV_32F, 1, 0, ksize=3, borderType=cv2.BORDER_REFLECT_101)
    down = cv2.Sobel(view, cv2.CV_32F, 0, 1, ksize=3, borderType=cv2.BORDER_REFLECT_101)
    return cv2.convertScaleAbs(cv2.magnitude(across, down), alpha=0.25)


def _cutout(view: np.ndarray, box: np.ndarray, fill: int) -> np.ndarray:
    top, left, bottom, right = (int(number) for number in box)
    if bottom <= top or right <= left:
        return view
    view = view.copy()
    view[top:bottom, left:right] = fill
    return view


def _add_noise(view: np.ndarray, std: float, key: np.ndarray) -> np.ndarray:
    first = _mix32(np.arange(view.size, dtype=np.uint32) ^ key[0])
    second = _mix32(first ^ key[1])
    unit = np.float32(2.0**-24)
    radius = np.sqrt(-2.0 * np.log(((first >> np.uint32(8)).astype(np.float32) + np.float32(0.5)) * unit))
    turn = np.float32(2.0 * np.pi) * unit * (second >> np.uint32(8)).astype(np.float32)
    noise = (std * radius * np.cos(turn)).reshape(view.shape)
    return np.clip(np.rint(view + noise), 0, 255).astype(np.uint8)


def _mix32(words: np.ndarray) -> np.ndarray:
    """As in the tensor engine: both make the same noise from the same key."""
    words = (words ^ (words >> np.uint32(16))) * np.uint32(0x7FEB352D)
    words = (words ^ (words >> np.uint32(15))) * np.uint32(0x846CA68B)
    return words ^ (words >> np.uint32(16))
