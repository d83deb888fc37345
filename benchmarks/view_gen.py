"""What ViewGen does to each image between reading and writing records, beside bare OpenCV and the uint8 engine."""

import hashlib

import cv2
import numpy as np

from benchmarks import measuring
from benchmarks.development_data import photographs
from benchmarks.table import Report, Row
from components.augmentation.config import ViewsConfig
from components.augmentation.stored_image import StoredImage
from components.augmentation.view_records import train_records
from components.contracts.images import ImageConfig
from components.simclr import draws, uint8_engine
from components.simclr.crops import draw_crops

_IMAGES, _SOURCE_PX, _VIEWS = 64, 256, 8


def measure(report: Report, turns: int) -> None:
    """Views per second per core by CPU time, without Beam; the bare side decodes, crops and encodes with OpenCV."""
    measuring.pin_to_one_core()
    cv2.setNumThreads(1)
    encoded = [cv2.imencode(".jpg", image)[1].tobytes() for image in photographs(_IMAGES, _SOURCE_PX)]
    stored = [StoredImage(hashlib.sha256(data).hexdigest().encode(), data, None) for data in encoded]
    config = ViewsConfig(views_per_image=_VIEWS)
    for size_px in (32, 96, 224):
        image_config = ImageConfig(size_px=size_px)
        sides = {
            "ours": lambda image_config=image_config: train_records(stored, config, image_config),
            "bare": lambda size_px=size_px: _bare(encoded, size_px, config),
        }
        timings = measuring.alternate(sides, turns)
        ours, bare = (_IMAGES * _VIEWS / timings[name].cpu for name in ("ours", "bare"))
        report(
            Row(
                f"{_SOURCE_PX} to {size_px} px", f"{ours:,.0f} views/s/core", f"bare {bare:,.0f}", ours / bare, ">= 0.8"
            )
        )


def _bare(encoded: list[bytes], size_px: int, config: ViewsConfig) -> list[bytes]:
    images = np.repeat(np.arange(len(encoded), dtype=np.uint64), _VIEWS)
    keys = draws.view_keys(0, images, 0, np.tile(np.arange(_VIEWS), len(encoded)))
    sides = np.full(len(keys), _SOURCE_PX)
    boxes = draw_crops(config.crop, keys, sides, sides).reshape(len(encoded), _VIEWS, 4)
    kind, options = (".png", []) if size_px <= 64 else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality])
    views = []
    for data, image_boxes in zip(encoded, boxes, strict=True):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        crops = [uint8_engine.random_resized_crop(pixels, box, size_px) for box in image_boxes]
        views += [cv2.imencode(kind, crop, options)[1].tobytes() for crop in crops]
    return views
