import io
import random

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.ingestion.decoding.plain_jpeg import without_metadata
from components.preprocessing.image_preparation import decode_image

COMMENT = b"\xff\xfe\x00\x08secret"


def jpeg_file(pixels, mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def with_segment(jpeg, segment):
    return jpeg[:2] + segment + jpeg[2:]


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {}),
        ("RGB", {"quality": 100, "subsampling": "4:4:4"}),
        ("RGB", {"optimize": True}),
        ("RGB", {"restart_marker_rows": 1}),
        ("RGB", {"keep_rgb": True}),
        ("L", {}),
    ],
)
def test_a_file_without_metadata_stays_as_it_is(make_photo, mode, options):
    encoded = jpeg_file(make_photo(1, (70, 90)), mode, **options)
    assert without_metadata(encoded) == encoded


def test_what_is_no_pixel_is_left_out(make_photo):
    plain = jpeg_file(make_photo(1, (70, 90)))
    exif = Image.Exif()
    exif[0x010F] = "camera"
    full = jpeg_file(make_photo(1, (70, 90)), exif=exif, icc_profile=b"profile", comment=b"a comment")
    for encoded in (full, with_segment(plain, COMMENT), plain + b"and more", plain + plain):
        assert len(encoded) > len(plain)
        assert without_metadata(encoded) == plain


def test_files_built_in_another_way_are_refused(make_photo):
    plain = jpeg_file(make_photo(1, (70, 90)))
    thumbnail = plain[:2] + b"\xff\xe0\x00\x13" + plain[6:19] + b"\x01" + plain[20:]
    others = {
        "progressive": jpeg_file(make_photo(1, (70, 90)), progressive=True),
        "thumbnail": thumbnail,
        "no end": plain[:-2],
        "ends in a segment": plain[:30],
        "ends in a header": plain[:3],
        "unknown marker": with_segment(plain, b"\xff\xf7\x00\x02"),
        "no marker": with_segment(plain, b"\x00\x00\x00\x02"),
        "marker among the pixels": plain[:-2] + COMMENT + plain[-2:],
    }
    assert {name: without_metadata(encoded) for name, encoded in others.items()} == dict.fromkeys(others)


def test_all_decoders_see_the_same_in_damaged_files_too(make_photo):
    """They are stored where Pillow decodes them, and read by OpenCV and TensorFlow."""
    generator, compared = random.Random(0), 0
    files = [jpeg_file(make_photo(seed, (70, 90)), quality=quality) for seed, quality in ((1, 60), (2, 90))]
    for _ in range(300):
        encoded = bytearray(generator.choice(files))
        for _ in range(generator.choice((1, 3, 10))):
            at = generator.randrange(2, len(encoded))
            if generator.random() < 0.7:
                encoded[at] = generator.randrange(256)
            else:
                del encoded[at : at + generator.randrange(1, 50)]
        plain = without_metadata(bytes(encoded))
        try:
            with Image.open(io.BytesIO(encoded), formats=["JPEG"]) as image:
                expected = np.asarray(image)
        except Exception:  # Pillow refuses with many kinds of errors
            continue
        if plain is None or image.mode != "RGB" or expected.size > 2**20:
            continue
        compared += 1
        np.testing.assert_array_equal(decode_image(tf.constant(plain), 3), expected)
        opencv = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        np.testing.assert_array_equal(opencv[..., ::-1], expected)
    assert compared > 100
