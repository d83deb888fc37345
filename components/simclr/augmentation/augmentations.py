"""The augmentations in one place: policies, the draws from them, and the engine that applies a draw.

    keys = view_keys(seed, image_keys(digests), epoch, view=0)
    drawn = draw_online(policy, keys, size_px=32, channels=3)
    views = apply_online(images, drawn, policy)

Drawing needs only NumPy. The tensor engine is imported when it is first called.
"""

from typing import Any

from components.simclr.augmentation.crops import draw_crops
from components.simclr.augmentation.draws import image_keys, uniform, view_keys
from components.simclr.augmentation.online_draws import draw_online
from components.simclr.augmentation.policies import Border, CropPolicy, OnlinePolicy

__all__ = [
    "Border",
    "CropPolicy",
    "OnlinePolicy",
    "apply_online",
    "crop_and_resize",
    "draw_crops",
    "draw_online",
    "image_keys",
    "uniform",
    "view_keys",
]


def apply_online(images: Any, drawn: dict[str, Any], policy: OnlinePolicy) -> Any:
    """``tensor_engine.apply_online``: (n, s, s, c) views and their draw in, augmented float32 views, 0 to 255, out.

    Source: as there.
    """
    from components.simclr.augmentation import tensor_engine

    return tensor_engine.apply_online(images, drawn, policy)


def crop_and_resize(images: Any, boxes: Any, size_px: int) -> Any:
    """``tensor_engine.crop_and_resize``: (n, h, w, c) images and (n, 4) boxes in, float32 crops, 0 to 255, out.

    Source: as there.
    """
    from components.simclr.augmentation import tensor_engine

    return tensor_engine.crop_and_resize(images, boxes, size_px)
