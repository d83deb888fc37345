"""PNG or JPEG bytes of a stored image or view in, 8-bit pixels out: the decoder of Beam workers and training threads.

Evaluation and serving decode inside a TensorFlow graph, see ``image_preparation.decode_image``; both give the same
pixels.
"""

import cv2
import numpy as np


def decode(encoded: bytes, channels: int) -> np.ndarray:
    """Decode one image, in OpenCV's order of colours, and without regard to its orientation tag.

    Args:
        encoded: 8-bit PNG or JPEG.
        channels: 1 or 3; the image is converted.

    Returns:
        (h, w, channels) uint8, gray or BGR.

    Raises:
        ValueError: the bytes cannot be decoded.
    """
    color = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    flags = color | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags) if encoded else None
    if pixels is None:
        raise ValueError(f"{len(encoded)} bytes that cannot be decoded as an image")
    return pixels.reshape(*pixels.shape[:2], channels)


def decode_rgb(encoded: bytes, channels: int) -> np.ndarray:
    """As ``decode``, but RGB where ``channels`` is 3.

    Raises:
        ValueError: the bytes cannot be decoded.
    """
    pixels = decode(encoded, channels)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if channels == 3 else pixels
