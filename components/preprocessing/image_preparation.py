"""Encoded image in, standardised pixels out, in plain TensorFlow: the transform of evaluation and serving.

Written once: tf.Transform traces these functions into the transform graph, and the SavedModel's pixel signature calls
them directly.
"""

import tensorflow as tf

from components.contracts.images import MIN_CHANNEL_STD


def decode_image(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """Decode one 8-bit PNG or JPEG.

    Args:
        encoded: scalar string.
        channels: 1 or 3; the image is converted.

    Returns:
        (h, w, channels) uint8.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no PNG or JPEG (when run).
    """
    # Not decode_image: it adds GIF (four dimensions) and BMP, which records never hold. It and decode_png, which reads
    # both formats, take a fast transform for JPEG, about a level of 255 away from what OpenCV and Pillow give.
    pixels = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(encoded, channels),
    )
    pixels.set_shape((None, None, channels))
    return pixels


def resize_and_crop(pixels: tf.Tensor, size_px: int, center_crop_fraction: float) -> tf.Tensor:
    """Keep the central square and resize it to the encoder's size, bilinearly, with anti-aliasing where it shrinks.

    Args:
        pixels: (h, w, c) or (n, h, w, c), uint8 or float32, 0 to 255.
        size_px: side of the result.
        center_crop_fraction: side of the central square as a part of the short side, in (0, 1].

    Returns:
        (size_px, size_px, c) or (n, size_px, size_px, c) float32, 0 to 255.

    Source: the evaluation transform of Chen et al. 2020, appendix A (there 0.875 of the short side).
    """
    shape = tf.shape(pixels)
    height, width = shape[-3], shape[-2]
    short_side = tf.cast(tf.minimum(height, width), tf.float32)
    side = tf.maximum(1, tf.cast(tf.round(short_side * center_crop_fraction), tf.int32))
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[..., top : top + side, left : left + side, :]
    resized = tf.image.resize(square, (size_px, size_px), method="bilinear", antialias=True)
    return tf.clip_by_value(resized, 0.0, 255.0)


def standardise(pixels: tf.Tensor, mean: tf.Tensor, std: tf.Tensor) -> tf.Tensor:
    """Subtract the mean and divide by the standard deviation of each channel.

    Args:
        pixels: (..., c) float32, 0 to 255.
        mean: (c,) float32, same unit.
        std: (c,) float32, same unit; at least ``MIN_CHANNEL_STD`` is used.

    Returns:
        (..., c) float32.
    """
    return (pixels - mean) / tf.maximum(std, MIN_CHANNEL_STD)
