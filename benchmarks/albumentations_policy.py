"""Making views, beside albumentations: the crop alone, then SimCLR's whole policy for photographs, on one pinned core.

Our crops are those of ViewGen; the other operations run in batches, compiled, as in the training step.
"""

import functools
import types
import warnings
from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

from benchmarks import measuring
from benchmarks.development_data import photographs
from benchmarks.table import Report, Row, SkippedError
from components.simclr.augmentation import tensor_engine, uint8_crops
from components.simclr.augmentation.augmentations import CropPolicy, OnlinePolicy, draw_crops, draw_online, view_keys

_SIZES = ((256, 224), (32, 32))  # side of the source and of the view, pixels
_IMAGES = 256  # drawn together, as in a batch of training
POLICY = OnlinePolicy(
    flip_horizontal_probability=0.5, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, jitter_probability=0.8,
    gray_probability=0.2, blur_probability=0.5,
)  # fmt: skip


def measure(report: Report, turns: int) -> None:
    """Views per second per core, by CPU time."""
    try:
        import albumentations
    except ImportError as error:
        raise SkippedError("albumentations is not installed (requirements/bench.txt)") from error
    measuring.pin_to_one_core()
    cv2.setNumThreads(1)
    for source_px, size_px in _SIZES:
        images = list(photographs(_IMAGES, source_px))
        crop, policy = _transforms(albumentations, size_px)
        for name, ours, theirs in (("crop", _crops, crop), ("policy", _views, policy)):
            sides: dict[str, Callable[[], object]] = {
                "ours": functools.partial(ours, images, size_px),
                "theirs": functools.partial(_apply, theirs, images),
            }
            _compare(report, f"{source_px} to {size_px} px, {name}", sides, albumentations.__version__, turns)


def _compare(report: Report, case: str, sides: dict[str, Callable[[], object]], version: str, turns: int) -> None:
    timings = measuring.alternate(sides, turns)
    ours, theirs = (_IMAGES / timings[name].cpu for name in ("ours", "theirs"))
    report(
        Row(
            case,
            f"{ours:,.0f} views/s/core",
            f"albumentations {version} {theirs:,.0f}",
            ours / theirs,
            remark=f"spread {timings['ours'].spread:.2f}, {timings['theirs'].spread:.2f}",
        )
    )


def _crops(images: list[np.ndarray], size_px: int) -> np.ndarray:
    sides = np.full(len(images), images[0].shape[0])
    boxes = draw_crops(CropPolicy(), _keys(len(images)), sides, sides)
    return np.stack(
        [uint8_crops.random_resized_crop(image, box, size_px) for image, box in zip(images, boxes, strict=True)]
    )


def _views(images: list[np.ndarray], size_px: int) -> np.ndarray:
    return _augment(_crops(images, size_px), draw_online(POLICY, _keys(len(images)), size_px, 3)).numpy()


@tf.function(jit_compile=True)
def _augment(crops: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
    return tensor_engine.apply_online(crops, drawn, POLICY)


def _keys(count: int) -> np.ndarray:
    return view_keys(0, np.arange(count, dtype=np.uint64), 0, 0)


def _apply(transform: Callable[..., dict], images: list[np.ndarray]) -> list[np.ndarray]:
    return [transform(image=image)["image"] for image in images]


def _transforms(albumentations: types.ModuleType, size_px: int) -> tuple[Callable[..., dict], Callable[..., dict]]:
    """albumentations' crop, and the crop with the rest of the policy."""
    kernel = max(3, size_px // 10 | 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        crop = albumentations.RandomResizedCrop(size=(size_px, size_px), scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3))
        others = [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.ColorJitter(
                brightness=(0.2, 1.8), contrast=(0.2, 1.8), saturation=(0.2, 1.8), hue=(-0.2, 0.2), p=0.8
            ),
            albumentations.ToGray(p=0.2),
            albumentations.GaussianBlur(blur_limit=(kernel, kernel), sigma_limit=(0.1, 2.0), p=0.5),
        ]
        return albumentations.Compose([crop], seed=0), albumentations.Compose([crop, *others], seed=0)
