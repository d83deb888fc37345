"""The deterministic transform of evaluation and serving."""

import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.preprocessing import image_preparation


def _encoded(pixels, format, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("format", "options"), [("PNG", {}), ("JPEG", {"quality": 75}), ("JPEG", {"quality": 95, "subsampling": "4:4:4"})]
)
def test_decode_gives_what_pillow_and_opencv_give(format, options):
    pixels = np.random.default_rng(0).integers(0, 256, (80, 130, 3), dtype=np.uint8)
    encoded = _encoded(cv2.GaussianBlur(pixels, (5, 5), 0), format, **options)
    decoded = image_preparation.decode_image(tf.constant(encoded), 3).numpy()
    np.testing.assert_array_equal(decoded, Image.open(io.BytesIO(encoded)))
    np.testing.assert_array_equal(decoded, cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])


def test_gray_becomes_three_equal_channels_and_back():
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    encoded = tf.constant(_encoded(gray, "PNG"))
    colour = image_preparation.decode_image(encoded, 3).numpy()
    assert (colour == gray[..., np.newaxis]).all()
    assert (image_preparation.decode_image(encoded, 1).numpy()[..., 0] == gray).all()


def test_bytes_that_are_no_image_are_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        image_preparation.decode_image(tf.constant(b"no image"), 3)


def test_the_central_square_is_kept():
    # Left third 0, middle third 100, right third 200: the central square of a 3:1 image is the middle.
    image = np.repeat(np.array([0, 100, 200], np.uint8), 10)[np.newaxis, :, np.newaxis] * np.ones((10, 1, 1), np.uint8)
    kept = image_preparation.resize_and_crop(tf.constant(image), 10, 1.0).numpy()
    assert kept.shape == (10, 10, 1)
    assert (kept == 100).all()


def test_the_fraction_cuts_the_border_off():
    image = np.zeros((16, 16, 1), np.uint8)
    image[4:12, 4:12] = 255
    assert image_preparation.resize_and_crop(tf.constant(image), 8, 0.5).numpy().min() == 255
    assert image_preparation.resize_and_crop(tf.constant(image), 8, 1.0).numpy().min() == 0


def test_shrinking_averages_instead_of_picking():
    checkerboard = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., np.newaxis]
    shrunk = image_preparation.resize_and_crop(tf.constant(checkerboard), 8, 1.0).numpy()
    assert np.abs(shrunk - 127.5).max() < 4


def test_one_image_and_a_batch_agree():
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 14, 3), dtype=np.uint8)
    batch = image_preparation.resize_and_crop(tf.constant(images), 8, 0.875)
    single = [image_preparation.resize_and_crop(tf.constant(image), 8, 0.875) for image in images]
    np.testing.assert_allclose(batch, np.stack(single), atol=1e-3)


def test_one_pixel_survives():
    assert image_preparation.resize_and_crop(tf.zeros((1, 1, 3), tf.uint8), 8, 0.1).shape == (8, 8, 3)


def test_standardise_of_flat_data_is_finite():
    pixels = tf.constant([[[10.0, 20.0]]])
    standardised = image_preparation.standardise(pixels, tf.constant([8.0, 20.0]), tf.constant([4.0, 0.0]))
    np.testing.assert_allclose(standardised[0, 0], [0.5, 0.0])
