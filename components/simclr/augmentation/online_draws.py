"""What happens to each view, as plain arrays: a policy and keys go in, parameters of each sample come out.

A sample that an operation leaves alone has parameters that change nothing (factor 1, shift 0, an empty box). So the
engine applies every array to every sample. Operations that the policy switches off have no arrays.
"""

import itertools
import math

import numpy as np

from components.simclr.augmentation import draws
from components.simclr.augmentation.policies import OnlinePolicy
from components.simclr.augmentation.slots import Slot

JITTER_STEPS = ("brightness", "contrast", "saturation", "hue")
_NOTHING = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}


def draw_online(policy: OnlinePolicy, keys: np.ndarray, size_px: int, channels: int) -> dict[str, np.ndarray]:
    """Draw the parameters of every operation that ``policy`` can apply to square views.

    Args:
        policy: probabilities and ranges.
        keys: (n,) uint64 from ``draws.view_keys``.
        size_px: side of the views.
        channels: 1 or 3; gray views have no saturation or hue, and no colour to drop.

    Returns:
        Arrays of the operations that are on. Their first axis is n; they are float32 unless said otherwise:
        ``affine`` (n, 6), rows (a, b, c, d, e, f): the pixel at column x, row y shows the place
        (a x + b y + c, d x + e y + f) of the input; ``quarter_turns`` int32, 0 to 3, counter-clockwise;
        ``flip_horizontal``, ``flip_vertical`` bool; ``jitter_order`` (n, m) int32, the m colour steps that are on, in
        the order drawn, as indices into ``JITTER_STEPS``; their parameters ``brightness``, ``contrast``, ``saturation``
        (factors) and ``hue`` (-0.5 to 0.5 turns); ``gray`` bool; ``blur_taps`` (n, r + 1), the kernel from its middle
        outwards; ``solarize`` bool; ``noise_std``, of 255, and ``noise_key`` (n, 2) uint32; ``sobel`` bool; ``cutout``
        (n, 4) int32 top, left, bottom, right, ends excluded.

    Raises:
        ValueError: ``channels`` is neither 1 nor 3.

    Source: torchvision 0.20, ``transforms``: ``RandomAffine``, ``ColorJitter``, ``RandomGrayscale``,
    ``RandomSolarize``; Chen et al. 2020, appendix A, for the blur; DeVries and Taylor 2017 for cutout.
    """
    if channels not in (1, 3):
        raise ValueError(f"views have 1 or 3 channels, found {channels}")
    drawn = _draw_geometry(policy, keys, size_px)
    if policy.has_jitter(channels):
        drawn |= _draw_jitter(policy, keys, channels)
    if policy.gray_probability > 0 and channels == 3:
        drawn["gray"] = draws.bernoulli(keys, Slot.GRAY, policy.gray_probability)
    if policy.blur_probability > 0:
        drawn["blur_taps"] = _draw_blur_taps(policy, keys, size_px)
    if policy.solarize_probability > 0:
        drawn["solarize"] = draws.bernoulli(keys, Slot.SOLARIZE, policy.solarize_probability)
    if policy.noise_probability > 0:
        drawn |= _draw_noise(policy, keys)
    if policy.sobel_probability > 0:
        drawn["sobel"] = draws.bernoulli(keys, Slot.SOBEL, policy.sobel_probability)
    if policy.cutout_probability > 0:
        drawn["cutout"] = _draw_cutout(policy, keys, size_px)
    return drawn


def _draw_geometry(policy: OnlinePolicy, keys: np.ndarray, size_px: int) -> dict[str, np.ndarray]:
    drawn: dict[str, np.ndarray] = {}
    if policy.has_affine:
        drawn["affine"] = _draw_affine(policy, keys, size_px)
    if policy.quarter_turn_probability > 0:
        turned = draws.bernoulli(keys, Slot.QUARTER_TURN, policy.quarter_turn_probability)
        turns = draws.integers(keys, Slot.QUARTER_TURN_COUNT, 1, 4)
        drawn["quarter_turns"] = np.where(turned, turns, 0).astype(np.int32)
    if policy.flip_horizontal_probability > 0:
        drawn["flip_horizontal"] = draws.bernoulli(keys, Slot.FLIP_HORIZONTAL, policy.flip_horizontal_probability)
    if policy.flip_vertical_probability > 0:
        drawn["flip_vertical"] = draws.bernoulli(keys, Slot.FLIP_VERTICAL, policy.flip_vertical_probability)
    return drawn


def _draw_affine(policy: OnlinePolicy, keys: np.ndarray, size_px: int) -> np.ndarray:
    """Inverse maps of zoom * rotation * shear about the middle, then a shift (the order of torchvision's RandomAffine).

    Unlike torchvision, this does not round shifts to whole pixels: a digit of 24 px has few of them.
    """
    moved = draws.bernoulli(keys, Slot.AFFINE, policy.affine_probability)
    limit = math.radians(policy.rotation_degrees)
    angle = moved * draws.between(keys, Slot.ROTATION, -limit, limit)
    zoom = np.where(moved, draws.between(keys, Slot.ZOOM, policy.zoom_min, policy.zoom_max), 1.0)
    slant = math.radians(policy.shear_degrees)
    shear = moved * np.tan(draws.between(keys, Slot.SHEAR, -slant, slant))
    reach = policy.translation_fraction * size_px
    shift_x = moved * draws.between(keys, Slot.SHIFT_X, -reach, reach)
    shift_y = moved * draws.between(keys, Slot.SHIFT_Y, -reach, reach)
    # Forward: p' = zoom * R(angle) * [[1, shear], [0, 1]] * p, so backward: [[1, -shear], [0, 1]] * R(-angle) / zoom.
    cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
    a, b = cosine + shear * sine, sine - shear * cosine
    d, e = -sine, cosine
    middle = (size_px - 1) / 2
    c = middle - a * (middle + shift_x) - b * (middle + shift_y)
    f = middle - d * (middle + shift_x) - e * (middle + shift_y)
    return np.stack([a, b, c, d, e, f], axis=1).astype(np.float32)


def _draw_jitter(policy: OnlinePolicy, keys: np.ndarray, channels: int) -> dict[str, np.ndarray]:
    jittered = draws.bernoulli(keys, Slot.JITTER, policy.jitter_probability)
    steps = policy.jitter_steps(channels)
    orders = np.array(list(itertools.permutations([JITTER_STEPS.index(name) for name in steps])), np.int32)
    drawn = {"jitter_order": orders[draws.integers(keys, Slot.JITTER_ORDER, 0, len(orders))]}
    for name in steps:
        strength, nothing = getattr(policy, name), _NOTHING[name]
        values = draws.between(keys, Slot[name.upper()], nothing - strength, nothing + strength)
        drawn[name] = np.where(jittered, values, nothing).astype(np.float32)
    return drawn


def blur_radius(policy: OnlinePolicy, size_px: int) -> int:
    """Taps on either side of the middle: half of the kernel width, which is at least 3, but at most three sigma.

    Source: Chen et al. 2020, appendix A (a kernel of a tenth of the side).
    """
    width = max(3, int(size_px * policy.blur_kernel_fraction) | 1)
    return min(width // 2, math.ceil(3 * policy.blur_sigma_max), size_px - 1)


def _draw_blur_taps(policy: OnlinePolicy, keys: np.ndarray, size_px: int) -> np.ndarray:
    blurred = draws.bernoulli(keys, Slot.BLUR, policy.blur_probability)
    sigma = draws.between(keys, Slot.BLUR_SIGMA, policy.blur_sigma_min, policy.blur_sigma_max)
    distance = np.arange(blur_radius(policy, size_px) + 1)
    taps = np.exp(-0.5 * (distance / sigma[:, None]) ** 2)  # (n, r + 1)
    taps /= 2 * taps.sum(axis=1, keepdims=True) - 1.0  # the middle tap, which is 1, counts once
    return np.where(blurred[:, None], taps, distance == 0).astype(np.float32)


def _draw_noise(policy: OnlinePolicy, keys: np.ndarray) -> dict[str, np.ndarray]:
    noisy = draws.bernoulli(keys, Slot.NOISE, policy.noise_probability)
    std = noisy * draws.between(keys, Slot.NOISE_STD, policy.noise_std_min, policy.noise_std_max)
    words = draws.bits(keys, Slot.NOISE_KEY)
    halves = np.stack([words >> np.uint64(32), words & np.uint64(0xFFFFFFFF)], axis=1).astype(np.uint32)
    return {"noise_std": std.astype(np.float32), "noise_key": halves}


def _draw_cutout(policy: OnlinePolicy, keys: np.ndarray, size_px: int) -> np.ndarray:
    """Squares whose middle lies anywhere in the view, cut off at the border (DeVries and Taylor 2017)."""
    covered = draws.bernoulli(keys, Slot.CUTOUT, policy.cutout_probability)
    sides = draws.between(keys, Slot.CUTOUT_SIDE, policy.cutout_side_min, policy.cutout_side_max) * size_px
    sides = np.where(covered, np.maximum(np.rint(sides), 1), 0).astype(np.int64)
    tops = draws.integers(keys, Slot.CUTOUT_TOP, 0, size_px) - sides // 2
    lefts = draws.integers(keys, Slot.CUTOUT_LEFT, 0, size_px) - sides // 2
    box = np.stack([tops, lefts, tops + sides, lefts + sides], axis=1)
    return np.clip(box, 0, size_px).astype(np.int32)
