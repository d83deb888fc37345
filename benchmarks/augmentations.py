"""Crops and augmentations: views per second per core, for each operation alone and for the preset policies."""

from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

from benchmarks import measuring
from benchmarks.development_data import photographs
from benchmarks.table import Report, Row
from components.simclr.augmentation import tensor_engine, uint8_crops
from components.simclr.augmentation.augmentations import CropPolicy, OnlinePolicy, draw_crops, draw_online, view_keys
from components.simclr.augmentation.presets import Preset

_Sides = dict[str, Callable[[], object]]  # by engine, what makes all views once

_IMAGES, _SIZE_PX, _SOURCE_PX = 64, 96, 128
_POLICIES = {
    "affine": OnlinePolicy(rotation_degrees=20.0, zoom_min=0.8, zoom_max=1.2),
    "quarter turns": OnlinePolicy(quarter_turn_probability=1.0),
    "horizontal flip": OnlinePolicy(flip_horizontal_probability=1.0),
    "vertical flip": OnlinePolicy(flip_vertical_probability=1.0),
    "brightness": OnlinePolicy(brightness=0.8, jitter_probability=1.0),
    "contrast": OnlinePolicy(contrast=0.8, jitter_probability=1.0),
    "saturation": OnlinePolicy(saturation=0.8, jitter_probability=1.0),
    "hue": OnlinePolicy(hue=0.2, jitter_probability=1.0),
    "gray": OnlinePolicy(gray_probability=1.0),
    "blur": OnlinePolicy(blur_probability=1.0),
    "solarize": OnlinePolicy(solarize_probability=1.0),
    "noise": OnlinePolicy(noise_probability=1.0),
    "sobel": OnlinePolicy(sobel_probability=1.0),
    "cutout": OnlinePolicy(cutout_probability=1.0),
}
# Side and channels of the views that each preset is made for
_PRESET_VIEWS = {
    Preset.DIGITS: (28, 1),
    Preset.SMALL_IMAGES: (32, 3),
    Preset.PHOTOGRAPHS: (_SIZE_PX, 3),
    Preset.GRAY_MEDICAL: (_SIZE_PX, 1),
    Preset.OVERHEAD: (_SIZE_PX, 3),
}


def measure(report: Report, turns: int) -> None:
    """By CPU time on one pinned core; tensors compiled with XLA. Drawing counts, compiling does not."""
    measuring.pin_to_one_core()
    cv2.setNumThreads(1)
    _report_crops(report, photographs(_IMAGES, _SOURCE_PX), turns)
    images = photographs(_IMAGES, _SIZE_PX)
    for name, policy in _POLICIES.items():
        _report_policy(report, f"{name}, {_SIZE_PX} px", images, policy, turns)
    for preset, (size_px, channels) in _PRESET_VIEWS.items():
        images = np.ascontiguousarray(photographs(_IMAGES, size_px)[..., :channels])
        name = f"preset {preset.value}, {size_px} px, {'gray' if channels == 1 else 'RGB'}"
        _report_policy(report, name, images, OnlinePolicy(preset=preset), turns)


def _report_crops(report: Report, images: np.ndarray, turns: int) -> None:
    """The crops of CPU workers and those of tensors."""
    timings = measuring.alternate(_crops(images), turns)
    uint8, tensor = (f"{_IMAGES / timings[name].cpu:,.0f} views/s/core" for name in ("uint8", "tensor"))
    report(Row(f"random resized crop, {_SIZE_PX} px", f"uint8 {uint8}", f"tensor {tensor}"))


def _report_policy(report: Report, name: str, images: np.ndarray, policy: OnlinePolicy, turns: int) -> None:
    compiled = tf.function(lambda pixels, draws: tensor_engine.apply_online(pixels, draws, policy), jit_compile=True)

    def make_views() -> np.ndarray:
        return compiled(images, draw_online(policy, _keys(), *images.shape[2:])).numpy()

    timing = measuring.alternate({"ours": make_views}, turns)["ours"]
    report(Row(name, f"{_IMAGES / timing.cpu:,.0f} views/s/core", remark=f"spread {timing.spread:.2f}"))


def _keys() -> np.ndarray:
    return view_keys(0, np.arange(_IMAGES, dtype=np.uint64), 0, 0)


def _crops(images: np.ndarray) -> dict[str, Callable[[], object]]:
    sides = np.full(_IMAGES, _SOURCE_PX)
    compiled = tf.function(
        lambda pixels, drawn: tensor_engine.crop_and_resize(pixels, drawn, _SIZE_PX), jit_compile=True
    )

    def boxes() -> np.ndarray:
        return draw_crops(CropPolicy(), _keys(), sides, sides)

    return {
        "uint8": lambda: [
            uint8_crops.random_resized_crop(image, box, _SIZE_PX) for image, box in zip(images, boxes(), strict=True)
        ],
        "tensor": lambda: compiled(images, boxes()).numpy(),
    }
