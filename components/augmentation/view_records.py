"""Turns stored images into serialized view records, which hold crops or the image itself.

The crops of an image depend only on the seed, its digest and the number of the view: not on other images, the worker or
the order.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow as tf

from components.augmentation.config import ViewFormat, ViewsConfig
from components.augmentation.stored_image import StoredImage, check_complete, decode
from components.contracts import records
from components.contracts.images import ImageConfig
from components.simclr.augmentation import crops, draws, uint8_crops

MAX_PNG_SIDE_PX = 64


def train_records(images: Sequence[StoredImage], config: ViewsConfig, image_config: ImageConfig) -> list[bytes]:
    """View records of split ``train``: digest and views, no label.

    Args:
        images: a handful of stored images, whose crops are drawn together because that is faster.
        config: number of views, crop policy, seed and format.
        image_config: size and colour of the views.

    Returns:
        One serialized tf.train.Example per image, deterministic; its views are ``views_per_image`` crops, or the stored
        bytes where that is 0.

    Raises:
        CorruptRecordError: an image does not decode. Images whose bytes are passed on are decoded too, so that training
            never meets a broken one.
    """
    boxes = _draw_boxes(images, config)
    encoder = ViewEncoder(config, image_config.size_px)
    serialized = []
    for image, image_boxes in zip(images, boxes, strict=True):
        pixels = decode(image, image_config.channels)  # cut while the processor has it at hand
        crops_of_image = (uint8_crops.random_resized_crop(pixels, box, image_config.size_px) for box in image_boxes)
        views = [encoder.encode(crop) for crop in crops_of_image] if config.views_per_image else [image.encoded]
        serialized.append(_serialize(image, views))
    return serialized


def eval_record(image: StoredImage) -> bytes:
    """View record of split ``eval``: digest, label and the stored bytes.

    Training decodes the images that it watches before its first step.

    Raises:
        ValueError: the image has no label.
        CorruptRecordError: it is cut off.
    """
    if image.label is None:
        raise ValueError(f"image record {image.digest!r} has no label, so it cannot be held out for watching")
    check_complete(image)
    return _serialize(image, [image.encoded], image.label)


class ViewEncoder:
    """Encodes crops as the config says; one instance serves a whole batch.

    Args:
        config: format and quality.
        size_px: side of the crops, which decides where the format is ``auto``.
    """

    def __init__(self, config: ViewsConfig, size_px: int):
        is_small = size_px <= MAX_PNG_SIDE_PX
        is_png = config.view_format is ViewFormat.PNG or (config.view_format is ViewFormat.AUTO and is_small)
        self._extension = ".png" if is_png else ".jpg"
        self._options = [] if is_png else [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality]

    def encode(self, pixels: np.ndarray) -> bytes:
        """(s, s, c) uint8, BGR or gray, to PNG or JPEG bytes."""
        return cv2.imencode(self._extension, pixels, self._options)[1].tobytes()


def _draw_boxes(images: Sequence[StoredImage], config: ViewsConfig) -> np.ndarray:
    """(n, views_per_image, 4) int32."""
    count = config.views_per_image
    image_keys = np.repeat(draws.image_keys([image.digest for image in images]), count)  # (n * count,)
    views = np.tile(np.arange(count), len(images))
    keys = draws.view_keys(config.seed, image_keys, epoch=0, view=views)
    heights, widths = np.repeat([(image.height, image.width) for image in images], count, axis=0).reshape(-1, 2).T
    return crops.draw_crops(config.crop, keys, heights, widths).reshape(len(images), count, 4)


def _serialize(image: StoredImage, views: list[bytes], label: bytes | None = None) -> bytes:
    example = tf.train.Example()
    feature = example.features.feature
    feature[records.DIGEST].bytes_list.value.append(image.digest)
    feature[records.VIEWS].bytes_list.value.extend(views)
    if label is not None:
        feature[records.LABEL].bytes_list.value.append(label)
    return example.SerializeToString(deterministic=True)
