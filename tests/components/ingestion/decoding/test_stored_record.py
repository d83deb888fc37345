import hashlib
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.contracts import records
from components.contracts.images import Color, ImageConfig
from components.ingestion.config import IngestionConfig, StoredFormat
from components.ingestion.decoding.decoder import decode_image_bytes, decode_pixels, decoding_rules
from components.ingestion.decoding.stored_record import make_records, mean_and_std, pixel_digest
from components.ingestion.reading.source import SourceImage

SOURCE = SourceImage("a/ü.png", b"", "cat", None)


def decoded(pixels, color=Color.RGB):
    return decode_pixels(pixels, decoding_rules(IngestionConfig(), ImageConfig(color=color)))


def make_record(image, source, config):
    [record] = make_records([(image, source)], config)
    return record


def features(record):
    example = tf.train.Example.FromString(record.serialized)
    values = {}
    for name, feature in example.features.feature.items():
        [values[name]] = getattr(feature, feature.WhichOneof("kind")).value
    return values


def test_holds_what_the_contract_says(make_photo):
    pixels = make_photo(1, (30, 40))
    record = make_record(decoded(pixels), SOURCE, IngestionConfig(stored_format=StoredFormat.PNG))
    values = features(record)
    stored = np.asarray(Image.open(io.BytesIO(values[records.IMAGE])))
    np.testing.assert_array_equal(stored, pixels)
    np.testing.assert_array_equal(tf.io.decode_image(values[records.IMAGE]).numpy(), pixels)
    header = b"".join(value.to_bytes(4, "big") for value in (30, 40, 3))
    assert values.pop(records.DIGEST).decode() == record.digest == hashlib.sha256(header + pixels.tobytes()).hexdigest()
    assert values.pop(records.PIXEL_MEAN) == pytest.approx(pixels.mean(), abs=1e-4)
    assert values.pop(records.PIXEL_STD) == pytest.approx(pixels.std(), abs=1e-4)
    size = len(values.pop(records.IMAGE))
    assert values == {
        records.LABEL: b"cat",
        records.PATH: "a/ü.png".encode(),
        records.HEIGHT: 30,
        records.WIDTH: 40,
        records.CHANNELS: 3,
        records.ENCODED_BYTES: size,
    }


def test_no_label_or_group_is_no_feature(make_photo):
    with_group = make_record(decoded(make_photo(1)), SOURCE._replace(label=None, group="Ärztin 1"), IngestionConfig())
    assert features(with_group)[records.GROUP].decode() == "Ärztin 1"
    assert records.LABEL not in features(with_group)
    assert records.GROUP not in features(make_record(decoded(make_photo(1)), SOURCE, IngestionConfig()))


def test_gray(make_photo):
    pixels = make_photo(1, gray=True)
    values = features(make_record(decoded(pixels, Color.GRAY), SOURCE, IngestionConfig()))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(values[records.IMAGE]))), pixels)
    assert values[records.CHANNELS] == 1


@pytest.mark.parametrize(
    ("stored_format", "size", "expected"),
    [
        (StoredFormat.AUTO, (64, 64), "PNG"),
        (StoredFormat.AUTO, (64, 65), "JPEG"),
        (StoredFormat.PNG, (100, 100), "PNG"),
        (StoredFormat.JPEG, (20, 20), "JPEG"),
    ],
)
def test_format(make_photo, stored_format, size, expected):
    config = IngestionConfig(stored_format=stored_format)
    values = features(make_record(decoded(make_photo(1, size)), SOURCE, config))
    assert Image.open(io.BytesIO(values[records.IMAGE])).format == expected


def test_jpeg_quality_changes_the_bytes_but_not_the_digest(make_photo):
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    fine, coarse = (make_record(decoded(noise), SOURCE, IngestionConfig(jpeg_quality=q)) for q in (95, 30))
    assert fine.digest == coarse.digest
    assert features(fine)[records.ENCODED_BYTES] > features(coarse)[records.ENCODED_BYTES]


def test_serialization_repeats(make_photo):
    image = decoded(make_photo(1))
    assert make_record(image, SOURCE, IngestionConfig()) == make_record(image, SOURCE, IngestionConfig())


def test_digest_tells_shapes_apart():
    flat = np.zeros((4, 4, 3), np.uint8)
    digests = {pixel_digest(flat.reshape(shape)) for shape in ((4, 4, 3), (2, 8, 3), (8, 2, 3), (16, 3, 1))}
    assert len(digests) == 4


@pytest.mark.parametrize("shape", [(5, 7, 3), (2, 30000, 3), (9, 9, 1)])
def test_mean_and_std(shape):
    generator = np.random.default_rng(0)
    for pixels in (generator.integers(0, 256, shape, dtype=np.uint8), np.full(shape, 255, np.uint8)):
        mean, std = mean_and_std(pixels)
        assert mean == pytest.approx(pixels.mean(dtype=np.float64))
        assert std == pytest.approx(pixels.std(dtype=np.float64), abs=1e-9)


def test_a_constant_image_has_no_spread():
    assert mean_and_std(np.full((8, 8, 3), 77, np.uint8)) == (77.0, 0.0)


def jpeg_file(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def stored(encoded, config, color=Color.RGB):
    """The image of the record of a file, and the pixels that ingestion sees in it."""
    image = decode_image_bytes(encoded, decoding_rules(config, ImageConfig(color=color)))
    return features(make_record(image, SOURCE, config))[records.IMAGE], image.pixels


@pytest.mark.parametrize("color", Color)
def test_a_jpeg_file_that_needs_no_change_is_stored_as_it_came(make_photo, color):
    pixels = make_photo(1, (80, 100), gray=color is Color.GRAY)
    encoded = jpeg_file(pixels.squeeze(), quality=80)
    assert stored(encoded, IngestionConfig(jpeg_quality=30), color)[0] == encoded


@pytest.mark.parametrize(
    ("options", "config", "color"),
    [
        ({"quality": 80}, IngestionConfig(stored_short_side_px=40), Color.RGB),
        ({"quality": 80}, IngestionConfig(), Color.GRAY),
        ({"quality": 80}, IngestionConfig(stored_format=StoredFormat.PNG), Color.RGB),
        (
            {"quality": 80, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"},
            IngestionConfig(),
            Color.RGB,
        ),
        ({"quality": 80, "progressive": True}, IngestionConfig(), Color.RGB),
    ],
    ids=["shrunk", "gray", "png", "turned", "progressive"],
)
def test_any_other_is_encoded_anew(make_photo, options, config, color):
    encoded = jpeg_file(make_photo(1, (80, 100)), **options)
    image, pixels = stored(encoded, config, color)
    assert image != encoded
    kept = np.asarray(Image.open(io.BytesIO(image)))
    assert kept.shape[:2] == pixels.shape[:2]
    assert np.abs(kept.reshape(pixels.shape).astype(int) - pixels).mean() < 2


def test_a_file_larger_than_its_pixels_is_encoded_anew(make_photo):
    encoded = jpeg_file(make_photo(1, (80, 100)), quality=80)
    padded = encoded[:-2] + bytes(80 * 100 * 3) + encoded[-2:]
    image, pixels = stored(padded, IngestionConfig())
    assert len(image) < pixels.size


def test_metadata_is_not_stored(make_photo):
    exif = Image.Exif()
    exif[0x010F] = "camera of somebody"
    for options in ({}, {"progressive": True}):  # stored as it came, and encoded anew
        encoded = jpeg_file(make_photo(1, (80, 80)), exif=exif, comment=b"taken at home", **options)
        assert b"somebody" in encoded and b"at home" in encoded
        image, _ = stored(encoded, IngestionConfig())
        assert b"somebody" not in image and b"at home" not in image
