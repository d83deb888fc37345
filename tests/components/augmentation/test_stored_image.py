import cv2
import numpy as np
import pytest

from components.augmentation.stored_image import CorruptRecordError, StoredImage, decode, parse_record
from components.contracts import records


def _encode(extension, pixels):
    return cv2.imencode(extension, pixels)[1].tobytes()


def test_label_may_be_missing(image_records):
    assert parse_record(image_records.make(0, "Käfer"), "file").label == "Käfer".encode()
    assert parse_record(image_records.make(0), "file").label is None


@pytest.mark.parametrize(
    "missing, message",
    [
        (records.DIGEST, "file.gz.*'digest'"),
        (records.IMAGE, "[0-9a-f]{64}.*'image'"),
        (records.WIDTH, "[0-9a-f]{64}.*'width'"),
    ],
)
def test_a_record_without_its_features_is_refused(image_records, missing, message):
    with pytest.raises(CorruptRecordError, match=message):
        parse_record(image_records.make(0, **{missing: None}), "file.gz")


def test_what_is_no_example_is_refused():
    with pytest.raises(CorruptRecordError, match=r"file\.gz holds something"):
        parse_record(b"\xff\xff\xff\xff", "file.gz")


@pytest.mark.parametrize("extension", [".png", ".jpg"])
@pytest.mark.parametrize("stored_channels", [1, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_converted(extension, stored_channels, channels):
    pixels = np.full((9, 12, stored_channels), 200, np.uint8)
    found = decode(StoredImage(b"0" * 64, _encode(extension, pixels), 9, 12), channels)
    assert found.shape == (9, 12, channels) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - 200).max() <= 2


@pytest.mark.parametrize("extension", [".png", ".jpg"])
@pytest.mark.parametrize("kept", [0, 4, 0.3, 0.9, -1])
def test_cut_off_images_are_refused(image_records, extension, kept):
    encoded = _encode(extension, image_records.pixels(0, 64, 64))
    cut = encoded[: int(kept * len(encoded)) if isinstance(kept, float) else kept]
    with pytest.raises(CorruptRecordError, match="7" * 64):
        decode(StoredImage(b"7" * 64, cut, 64, 64), 3)


def test_rubbish_between_good_ends_is_refused(image_records):
    encoded = _encode(".jpg", image_records.pixels(0, 64, 64))
    with pytest.raises(CorruptRecordError, match="does not decode"):
        decode(StoredImage(b"7" * 64, encoded[:2] + bytes(500) + encoded[-2:], 64, 64), 3)


def test_an_image_of_another_size_than_its_record_says_is_refused(image_records):
    encoded = _encode(".png", image_records.pixels(0, 30, 40))
    with pytest.raises(CorruptRecordError, match=r"7{64}: expected height and width 40 and 30 .*, found 30 and 40"):
        decode(StoredImage(b"7" * 64, encoded, 40, 30), 3)
