"""Serialized image records in, their bytes, label and pixels out; what is damaged is refused by its digest."""

import dataclasses

import cv2
import numpy as np
import tensorflow as tf

from components.contracts import records
from components.contracts.files import bytes_in_file

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"


class CorruptRecordError(ValueError):
    """A stored record that cannot be used; the message names its digest or its file."""


@dataclasses.dataclass(frozen=True)
class StoredImage:
    """What ViewGen takes from an image record."""

    digest: bytes
    encoded: bytes  # PNG or JPEG
    label: bytes | None
    group: bytes | None = None
    record_bytes: int = 0  # of the image record in its file


def parse_record(serialized: bytes, source: str) -> StoredImage:
    """Read an image record (``contracts.records``).

    Args:
        serialized: a tf.train.Example.
        source: where it came from, for the error.

    Raises:
        CorruptRecordError: not an Example, or without digest or image.
    """
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # protobuf's DecodeError is not the same class in all its versions
        raise CorruptRecordError(f"{source} holds something that is no tf.train.Example: {error}") from error
    digest, encoded, label, group = (
        _first(features, name) for name in (records.DIGEST, records.IMAGE, records.LABEL, records.GROUP)
    )
    if digest is None:
        raise CorruptRecordError(f"{source} holds a record without feature {records.DIGEST!r}")
    if encoded is None:
        raise CorruptRecordError(f"image record {_name(digest)} in {source} has no feature {records.IMAGE!r}")
    return StoredImage(digest, encoded, label, group, bytes_in_file(serialized))


def decode(image: StoredImage, channels: int) -> np.ndarray:
    """Pixels of a stored image, colours in OpenCV's order, because they are only cut and encoded again.

    Args:
        image: PNG or JPEG, 8 bit.
        channels: 1 or 3; the image is converted.

    Returns:
        (h, w, channels) uint8, BGR or gray.

    Raises:
        CorruptRecordError: cut off, or not decodable.
    """
    if not _is_complete(image.encoded):
        raise CorruptRecordError(
            f"image record {_name(image.digest)}: {len(image.encoded)} bytes that are no complete PNG or JPEG"
        )
    color = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    pixels = cv2.imdecode(np.frombuffer(image.encoded, np.uint8), color | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise CorruptRecordError(f"image record {_name(image.digest)} does not decode")
    return pixels.reshape(*pixels.shape[:2], channels)


def _is_complete(encoded: bytes) -> bool:
    # OpenCV decodes what is cut off to gray rows and says so on stderr only.
    is_jpeg = encoded.startswith(_JPEG_START) and encoded.endswith(_JPEG_END)
    return is_jpeg or (encoded.startswith(_PNG_START) and encoded.endswith(_PNG_END))


def _first(features: "tf.train.Features.FeatureEntry", name: str) -> bytes | None:
    values = features[name].bytes_list.value if name in features else ()
    return values[0] if values else None


def _name(digest: bytes) -> str:
    return digest.decode("ascii", "backslashreplace")
