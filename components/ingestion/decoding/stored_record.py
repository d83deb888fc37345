"""Decoded images in, their serialized image records (``contracts.records``) and digests out."""

import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from components.contracts import records
from components.ingestion.config import IngestionConfig, StoredFormat
from components.ingestion.decoding.decoder import Decoded
from components.ingestion.decoding.plain_jpeg import without_metadata
from components.ingestion.reading.source import SourceImage

AUTO_PNG_SIDE_PX = 64  # up to this longer side, artefacts of JPEG blocks would be a visible part of the image
# Higher levels take much longer and save little; ``docs/sources.md`` has the measurement.
_PNG_COMPRESSION_LEVEL = 3
_LISTS = {bytes: "bytes_list", int: "int64_list", float: "float_list"}  # fields of a tf.train.Feature


class StoredRecord(NamedTuple):
    """One image, ready to be written."""

    serialized: bytes  # tf.train.Example, deterministic
    digest: str  # 64 hex characters, see records.DIGEST


def make_records(images: Sequence[tuple[Decoded, SourceImage]], config: IngestionConfig) -> list[StoredRecord]:
    """Encode images and describe them.

    Each step handles all images before the next step begins, so that its code stays in the processor's caches. Digests
    are taken from the pixels before a lossy encoding, so that they do not depend on a JPEG library.
    """
    pixels = [decoded.pixels for decoded, _ in images]
    digests = [pixel_digest(each) for each in pixels]
    moments = [mean_and_std(each) for each in pixels]
    encoded = [encode(decoded, config) for decoded, _ in images]
    forms: dict[tuple[str, ...], _Form] = {}  # by the features they have
    made = []
    for (decoded, source), digest, bytes_, (mean, std) in zip(images, digests, encoded, moments, strict=True):
        values = _describe(decoded, source, digest, bytes_) | {records.PIXEL_MEAN: mean, records.PIXEL_STD: std}
        if tuple(values) not in forms:
            forms[tuple(values)] = _Form(values)
        made.append(StoredRecord(forms[tuple(values)].fill_in(values), digest))
    return made


def _describe(decoded: Decoded, source: SourceImage, digest: str, encoded: bytes) -> dict[str, bytes | int]:
    """The features of a record that are bytes or whole numbers."""
    texts = {
        records.DIGEST: digest,
        records.PATH: source.path,
        records.LABEL: source.label,
        records.GROUP: source.group,
    }
    return {
        **{name: text.encode() for name, text in texts.items() if text is not None},
        records.IMAGE: encoded,
        records.HEIGHT: decoded.image.height,
        records.WIDTH: decoded.image.width,
        records.CHANNELS: decoded.source_channels,
        records.ENCODED_BYTES: len(encoded),
    }


class _Form:
    """A tf.train.Example that is filled in anew for each image, because making one is slow."""

    def __init__(self, values: Mapping[str, bytes | int | float]):
        """``values`` is an example of what will be filled in: the same features with the same types."""
        self._example = tf.train.Example()
        self._lists = {}
        for name, value in values.items():
            feature = self._example.features.feature[name]
            self._lists[name] = getattr(feature, _LISTS[type(value)]).value
            self._lists[name].append(value)

    def fill_in(self, values: Mapping[str, bytes | int | float]) -> bytes:
        """The serialized example of ``values``."""
        for name, value in values.items():
            self._lists[name][0] = value
        return self._example.SerializeToString(deterministic=True)


def pixel_digest(pixels: np.ndarray) -> str:
    """SHA-256 of height, width, channels (each 4 bytes, big-endian) and the pixels in rows, 64 hex characters.

    Args:
        pixels: (h, w, c) uint8.
    """
    hasher = hashlib.sha256(b"".join(side.to_bytes(4, "big") for side in pixels.shape))
    hasher.update(np.ascontiguousarray(pixels).data)
    return hasher.hexdigest()


def encode(decoded: Decoded, config: IngestionConfig) -> bytes:
    """PNG or JPEG, without metadata. A JPEG file of exactly these pixels keeps its encoding, so nothing is lost."""
    image = decoded.image
    if config.stored_format is StoredFormat.AUTO:
        is_png = max(image.size) <= AUTO_PNG_SIDE_PX
    else:
        is_png = config.stored_format is StoredFormat.PNG
    if not is_png and decoded.jpeg and (plain := without_metadata(decoded.jpeg)) and len(plain) < decoded.pixels.size:
        return plain
    buffer = io.BytesIO()
    if is_png:
        image.save(buffer, "PNG", compress_level=_PNG_COMPRESSION_LEVEL)
    else:
        image.save(buffer, "JPEG", quality=config.jpeg_quality, subsampling="4:4:4")
    return buffer.getvalue()


def mean_and_std(pixels: np.ndarray) -> tuple[float, float]:
    """Mean (0 to 255) and standard deviation (0 to 127.5) over all pixels and channels of (h, w, c) uint8.

    The same on every machine: both sums are whole numbers, and rounding removes the error of OpenCV's norms, which is
    below 0.001. OpenCV is much faster than NumPy here.
    """
    rows = pixels.reshape(pixels.shape[0], -1)
    total, squares = round(cv2.norm(rows, cv2.NORM_L1)), round(cv2.norm(rows, cv2.NORM_L2SQR))
    return total / pixels.size, math.sqrt(squares * pixels.size - total * total) / pixels.size
