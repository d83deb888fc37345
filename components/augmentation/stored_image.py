"""Reads serialized image records: bytes, label and pixels. A damaged one is an error that names its digest."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from components.contracts import records
from components.contracts.files import bytes_in_file
from components.preprocessing import opencv_decoding

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"
_NEEDED = [
    (records.DIGEST, "bytes_list"),
    (records.IMAGE, "bytes_list"),
    (records.HEIGHT, "int64_list"),
    (records.WIDTH, "int64_list"),
]
_FEATURES = [*_NEEDED, (records.LABEL, "bytes_list"), (records.GROUP, "bytes_list")]


class CorruptRecordError(ValueError):
    """A stored record that cannot be used; the message names its digest or its file."""


class StoredImage(NamedTuple):
    """The parts of an image record that ViewGen uses."""

    digest: bytes
    encoded: bytes  # PNG or JPEG
    height: int  # pixels
    width: int  # pixels
    label: bytes | None = None
    group: bytes | None = None
    record_bytes: int = 0  # of the image record in its file


def parse_record(serialized: bytes, source: str) -> StoredImage:
    """Read an image record (``contracts.records``).

    Args:
        serialized: a tf.train.Example.
        source: where it came from, for the error.

    Raises:
        CorruptRecordError: not an Example, or without digest, image, height or width.
    """
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # protobuf's DecodeError is not the same class in all its versions
        raise CorruptRecordError(f"{source} holds something that is no tf.train.Example: {error}") from error
    values = [_first(features, *each) for each in _FEATURES]
    image = StoredImage._make([*values, bytes_in_file(serialized)])
    if image.digest is None:
        raise CorruptRecordError(f"{source} holds a record without feature {records.DIGEST!r}")
    for (name, _), value in zip(_NEEDED, image, strict=False):
        if value is None:
            raise CorruptRecordError(f"image record {_name(image.digest)} in {source} has no feature {name!r}")
    return image


def check_complete(image: StoredImage) -> None:
    """Refuse a truncated image: OpenCV would fill it with gray rows and only warn on stderr.

    Raises:
        CorruptRecordError: it does not begin and end as a PNG or a JPEG does.
    """
    encoded = image.encoded
    is_jpeg = encoded.startswith(_JPEG_START) and encoded.endswith(_JPEG_END)
    if not (is_jpeg or (encoded.startswith(_PNG_START) and encoded.endswith(_PNG_END))):
        raise CorruptRecordError(
            f"image record {_name(image.digest)}: {len(encoded)} bytes that are no complete PNG or JPEG"
        )


def decode(image: StoredImage, channels: int) -> np.ndarray:
    """Decode a stored image; colours stay in OpenCV's order, because pixels are only cut and encoded again.

    Args:
        image: PNG or JPEG, 8 bit.
        channels: 1 or 3; the image is converted.

    Returns:
        (h, w, channels) uint8, BGR or gray.

    Raises:
        CorruptRecordError: cut off, not decodable, or of another size than the record says.
    """
    check_complete(image)
    try:
        pixels = opencv_decoding.decode(image.encoded, channels)
    except ValueError as error:
        raise CorruptRecordError(f"image record {_name(image.digest)} does not decode: {error}") from error
    if pixels.shape[:2] != (image.height, image.width):
        raise CorruptRecordError(
            f"image record {_name(image.digest)}: expected height and width {image.height} and {image.width} as it "
            f"says, found {pixels.shape[0]} and {pixels.shape[1]}"
        )
    return pixels


def _first(features: "tf.train.Features.FeatureEntry", name: str, kind: str) -> Any:
    if name not in features:
        return None
    values = getattr(features[name], kind).value
    return values[0] if values else None


def _name(digest: bytes) -> str:
    return digest.decode("ascii", "backslashreplace")
