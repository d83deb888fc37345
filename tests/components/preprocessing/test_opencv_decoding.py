"""Decoding with OpenCV: order of colours, conversion, and bytes that are no image."""

import io

import numpy as np
import pytest
from PIL import Image

from components.preprocessing import opencv_decoding


def encoded(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


RED = np.zeros((4, 5, 3), np.uint8)
RED[..., 0] = 200


def test_colours_are_in_the_order_that_the_name_says():
    np.testing.assert_array_equal(opencv_decoding.decode_rgb(encoded(RED), 3), RED)
    np.testing.assert_array_equal(opencv_decoding.decode(encoded(RED), 3), RED[..., ::-1])


def test_images_are_converted():
    gray = np.full((4, 5), 90, np.uint8)
    for decode in (opencv_decoding.decode, opencv_decoding.decode_rgb):
        assert decode(encoded(RED), 1).shape == (4, 5, 1)
        assert (decode(encoded(gray), 3) == np.full((4, 5, 3), 90)).all()


def test_an_orientation_tag_turns_nothing():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    assert opencv_decoding.decode(encoded(RED, exif=exif), 3).shape == (4, 5, 3)


@pytest.mark.parametrize("rubbish", [b"", b"no image", encoded(RED)[:20]])
def test_what_is_no_image_is_refused(rubbish):
    with pytest.raises(ValueError, match=f"{len(rubbish)} bytes that cannot be decoded"):
        opencv_decoding.decode(rubbish, 3)
