"""The uint8 engine beside albumentations: SimCLR's policy for photographs, crop included, on one pinned core."""

import warnings

import cv2
import numpy as np

from benchmarks import measuring
from benchmarks.development_data import photographs
from benchmarks.table import Report, Row, SkippedError
from components.simclr.augmentation import uint8_engine
from components.simclr.augmentation.augmentations import CropPolicy, OnlinePolicy, draw_crops, draw_online, view_keys

_CASES = {(256, 224): 1.5, (32, 32): 3.0}  # source and view side, and how many times as fast we want to be
_IMAGES = 256  # drawn together, as a batch of a training step is
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
    for (source_px, size_px), target in _CASES.items():
        images = list(photographs(_IMAGES, source_px))
        epochs = 1 if size_px > 64 else 4
        compose = _albumentations_policy(albumentations, size_px)
        sides = {
            "ours": lambda images=images, size_px=size_px, epochs=epochs: [
                _our_views(images, size_px, epoch) for epoch in range(epochs)
            ],
            "theirs": lambda images=images, compose=compose, epochs=epochs: [
                compose(image=image)["image"] for _ in range(epochs) for image in images
            ],
        }
        timings = measuring.alternate(sides, turns)
        ours, theirs = (_IMAGES * epochs / timings[name].cpu for name in ("ours", "theirs"))
        version = albumentations.__version__
        report(
            Row(
                f"{source_px} to {size_px} px",
                f"{ours:,.0f} views/s/core",
                f"albumentations {version} {theirs:,.0f}",
                ours / theirs,
                f">= {target}",
                f"spread {timings['ours'].spread:.2f}, {timings['theirs'].spread:.2f}",
            )
        )


def _our_views(images: list[np.ndarray], size_px: int, epoch: int) -> list[np.ndarray]:
    count, source_px = len(images), images[0].shape[0]
    keys = view_keys(0, np.arange(count, dtype=np.uint64), epoch, 0)
    boxes = draw_crops(CropPolicy(), keys, np.full(count, source_px), np.full(count, source_px))
    drawn = draw_online(POLICY, keys, size_px, 3)
    rows = zip(*drawn.values(), strict=True)
    return [
        uint8_engine.apply_online_uint8(
            uint8_engine.random_resized_crop(image, box, size_px), dict(zip(drawn, row, strict=True)), POLICY
        )
        for image, box, row in zip(images, boxes, rows, strict=True)
    ]


def _albumentations_policy(albumentations, size_px: int):
    kernel = max(3, size_px // 10 | 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return albumentations.Compose(
            [
                albumentations.RandomResizedCrop(size=(size_px, size_px), scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
                albumentations.HorizontalFlip(p=0.5),
                albumentations.ColorJitter(
                    brightness=(0.2, 1.8), contrast=(0.2, 1.8), saturation=(0.2, 1.8), hue=(-0.2, 0.2), p=0.8
                ),
                albumentations.ToGray(p=0.2),
                albumentations.GaussianBlur(blur_limit=(kernel, kernel), sigma_limit=(0.1, 2.0), p=0.5),
            ],
            seed=0,
        )
