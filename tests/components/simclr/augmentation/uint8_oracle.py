"""An independent ``tensor_engine.apply_online``: OpenCV and NumPy, one uint8 image at a time."""

import cv2
import numpy as np

from components.simclr.augmentation.online_draws import JITTER_STEPS
from components.simclr.augmentation.policies import Border

_BORDERS = {
    Border.BLACK: cv2.BORDER_CONSTANT,
    Border.EDGE: cv2.BORDER_REPLICATE,
    Border.REFLECT: cv2.BORDER_REFLECT_101,
}
_QUARTER_TURNS = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)
_TO_GRAY = np.tile(np.array([0.299, 0.587, 0.114], np.float32), (3, 1))  # RGB to three equal channels
_TO_COLOUR = np.eye(3, dtype=np.float32) - _TO_GRAY


def apply_online(images, drawn, policy):
    """(n, s, s, c) uint8 images and the draws of ``draw_online`` for them in, (n, s, s, c) uint8 views out."""
    rows = [{name: values[row] for name, values in drawn.items()} for row in range(len(images))]
    return np.stack([_apply(image, draw, policy) for image, draw in zip(images, rows, strict=True)])


def _apply(image, draw, policy):
    view = image[:, :, 0] if image.shape[2] == 1 else image  # OpenCV drops a single channel anyway
    view = _geometry(view, draw, policy)
    for step in draw.get("jitter_order", ()):
        view = _jitter(view, JITTER_STEPS[step], draw)
    if draw.get("gray"):
        view = cv2.cvtColor(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if "blur_taps" in draw:
        kernel = np.concatenate([draw["blur_taps"][:0:-1], draw["blur_taps"]])
        view = cv2.sepFilter2D(view, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
    if draw.get("solarize"):
        view = np.where(view >= policy.solarize_threshold, 255 - view, view)
    if draw.get("noise_std", 0.0) > 0.0:
        view = _add_noise(view, draw["noise_std"], draw["noise_key"])
    if draw.get("sobel"):
        view = _sobel(view)
    if "cutout" in draw:
        top, left, bottom, right = draw["cutout"]
        view = view.copy()
        view[top:bottom, left:right] = policy.cutout_fill
    return view.reshape(image.shape)


def _geometry(view, draw, policy):
    if "affine" in draw:
        size, flags = view.shape[:2][::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        matrix = np.asarray(draw["affine"], np.float64).reshape(2, 3)
        view = cv2.warpAffine(view, matrix, size, flags=flags, borderMode=_BORDERS[policy.border], borderValue=0)
    turns = draw.get("quarter_turns", 0)
    if turns:
        view = cv2.rotate(view, _QUARTER_TURNS[turns - 1])
    if draw.get("flip_vertical"):
        view = cv2.flip(view, 0)
    if draw.get("flip_horizontal"):
        view = cv2.flip(view, 1)
    return view


def _jitter(view, step, draw):
    value = float(draw[step])
    if step == "hue":
        return _shift_hue(view, value)
    if step == "brightness":
        return cv2.convertScaleAbs(view, alpha=value)
    if step == "contrast":
        luma = view if view.ndim == 2 else cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
        return cv2.addWeighted(view, value, view, 0.0, (1.0 - value) * cv2.mean(luma)[0])
    return cv2.transform(view, np.float32(value) * _TO_COLOUR + _TO_GRAY)  # the blend with gray


def _shift_hue(view, turns):
    """In float32, because OpenCV's 8-bit HSV is wrong by up to 10 of 255 in saturated colours."""
    hsv = cv2.cvtColor(view.astype(np.float32), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 360.0 * turns) % 360.0
    return cv2.convertScaleAbs(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def _sobel(view):
    across = cv2.Sobel(view, cv2.CV_32F, 1, 0, ksize=3, borderType=cv2.BORDER_REFLECT_101)
    down = cv2.Sobel(view, cv2.CV_32F, 0, 1, ksize=3, borderType=cv2.BORDER_REFLECT_101)
    return cv2.convertScaleAbs(cv2.magnitude(across, down), alpha=0.25)


def _add_noise(view, std, key):
    first = _mix32(np.arange(view.size, dtype=np.uint32) ^ key[0])
    second = _mix32(first ^ key[1])
    unit = np.float32(2.0**-24)
    radius = np.sqrt(-2.0 * np.log(((first >> np.uint32(8)).astype(np.float32) + np.float32(0.5)) * unit))
    turn = np.float32(2.0 * np.pi) * unit * (second >> np.uint32(8)).astype(np.float32)
    noise = (std * radius * np.cos(turn)).reshape(view.shape)
    return np.clip(np.rint(view + noise), 0, 255).astype(np.uint8)


def _mix32(words):
    """lowbias32 (Wellons 2018): the same key gives the same noise as in the engine."""
    words = (words ^ (words >> np.uint32(16))) * np.uint32(0x7FEB352D)
    words = (words ^ (words >> np.uint32(15))) * np.uint32(0x846CA68B)
    return words ^ (words >> np.uint32(16))
