"""Stored images found by digest, and small pictures of them as the encoder sees them."""

from collections.abc import Collection, Sequence

import numpy as np
import tensorflow as tf

from components.contracts import records
from components.contracts.images import ImageConfig
from components.features.extraction import parse_records, record_dataset
from components.preprocessing import image_preparation


def read_images(files: Sequence[str], digests: Collection[str]) -> dict[str, bytes]:
    """Find stored images by digest, in one pass over the files.

    Args:
        files: gzip TFRecord files of image records.
        digests: digests of the wanted images.

    Returns:
        Encoded image (PNG or JPEG) by digest.
    """
    wanted = set(digests)
    found: dict[str, bytes] = {}
    for batch in record_dataset(files).batch(64).map(parse_records):
        for digest, encoded in zip(batch[records.DIGEST].numpy(), batch[records.IMAGE].numpy(), strict=True):
            if digest.decode() in wanted:
                found[digest.decode()] = encoded
        if len(found) == len(wanted):
            break
    return found


def thumbnails(encoded: Sequence[bytes], image_config: ImageConfig, max_px: int) -> np.ndarray:
    """Shrink images to small pictures of the encoder's input.

    Args:
        encoded: t PNG or JPEG images.
        image_config: size, colour and crop of the encoder's input.
        max_px: greatest side.

    Returns:
        (t, s, s, channels) uint8, s = min(size_px, max_px).
    """
    side = min(image_config.size_px, max_px)
    pictures = np.zeros((len(encoded), side, side, image_config.channels), np.uint8)
    for position, image in enumerate(encoded):
        pixels = image_preparation.decode_image(tf.constant(image), image_config.channels)
        small = image_preparation.resize_and_crop(pixels, side, image_config.center_crop_fraction)
        pictures[position] = np.round(small.numpy()).astype(np.uint8)
    return pictures
