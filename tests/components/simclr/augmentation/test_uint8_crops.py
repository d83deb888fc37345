"""Crops of uint8 images follow their definition, and the tensor engine cuts the same ones."""

import numpy as np
import pytest
import tensorflow as tf

from components.simclr.augmentation import crops, tensor_engine, uint8_crops
from components.simclr.augmentation.policies import CropPolicy


@pytest.mark.parametrize("height, width", [(256, 256), (375, 500), (40, 90)])
@pytest.mark.parametrize("size_px", [24, 32, 224])
def test_the_tensor_engine_cuts_the_same_crops(textured_images, view_keys, height, width, size_px):
    images = textured_images(12, 512)[:, :height, :width]
    boxes = crops.draw_crops(CropPolicy(), view_keys(12), np.full(12, height), np.full(12, width))
    expected = np.asarray(tensor_engine.crop_and_resize(images, boxes, size_px))
    found = np.stack(
        [uint8_crops.random_resized_crop(image, box, size_px) for image, box in zip(images, boxes, strict=True)]
    )
    assert found.dtype == np.uint8 and found.shape == (12, size_px, size_px, 3)
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size_px", [32, 64])
def test_the_tensor_engine_cuts_the_same_crops_of_each_kind_of_image(images_of_each_kind, view_keys, size_px):
    images = images_of_each_kind
    sides = np.full(len(images), images.shape[1])
    boxes = crops.draw_crops(CropPolicy(), view_keys(len(images)), sides, sides)
    expected = np.asarray(tensor_engine.crop_and_resize(images, boxes, size_px)).astype(int)
    found = [uint8_crops.random_resized_crop(image, box, size_px) for image, box in zip(images, boxes, strict=True)]
    assert np.abs(np.stack(found) - expected).max() <= 1


@pytest.mark.parametrize("length", [35, 36, 37, 59, 60, 61, 84])
def test_the_tensor_engine_agrees_where_the_reduction_changes(textured_images, length):
    """Shrinking by 1.5, 2.5 and 3.5 exactly, and a pixel on either side."""
    image = textured_images(1, 84)
    box = np.array([[0, 0, length, length]], np.int32)
    compiled = tf.function(lambda *inputs: tensor_engine.crop_and_resize(*inputs, 24), jit_compile=True)
    found = uint8_crops.random_resized_crop(image[0], box[0], 24)
    assert np.abs(compiled(image, box).numpy()[0] - found).max() <= 1


def _crop(image, box, size_px):
    return uint8_crops.random_resized_crop(image, np.array(box), size_px)


def test_a_crop_of_the_same_size_is_the_box_itself(textured_images):
    image = textured_images(1, 64)[0]
    assert np.array_equal(_crop(image, (5, 20, 30, 30), 30), image[5:35, 20:50])


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_a_whole_reduction_is_the_mean_of_its_cells(textured_images, factor):
    image = textured_images(1, 64)[0]
    found = _crop(image, (1, 2, 12 * factor, 12 * factor), 12)
    cells = image[1 : 1 + 12 * factor, 2 : 2 + 12 * factor].reshape(12, factor, 12, factor, 3).mean(axis=(1, 3))
    assert np.abs(found - cells).max() <= 0.51


def test_crops_are_bilinear_with_pixels_as_squares():
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (16, 1))[..., None]
    found = _crop(ramp, (0, 0, 8, 8), 16)[3, :, 0]  # the columns 0, 10, ..., 70 at twice the size
    places = np.clip((np.arange(16) + 0.5) / 2 - 0.5, 0, 7)
    assert np.abs(found - 10 * places).max() <= 0.51
    assert _crop(ramp, (0, 0, 8, 8), 16).shape == (16, 16, 1)


def test_fine_stripes_do_not_alias():
    """Every second row is white; a box filter sees gray, skipping pixels would see black or white."""
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[::2] = 255
    assert np.abs(_crop(stripes, (0, 0, 96, 96), 24).astype(float) - 127.5).max() < 1


def test_a_cell_that_does_not_fit_is_cut_off_evenly():
    """23 pixels to 8: cells of 3, of which seven fit; two pixels are left over, one on each side."""
    image = np.zeros((23, 23, 1), np.uint8)
    image[0], image[22] = 255, 255
    assert (_crop(image, (0, 0, 23, 23), 8) == 0).all()
    matrix = np.asarray(tensor_engine.crop_and_resize(image[None], np.array([[0, 0, 23, 23]]), 8))
    assert (matrix == 0).all()


def test_the_image_is_never_changed(textured_images):
    image = textured_images(1, 32)[0]
    original = image.copy()
    for size_px in (8, 32):
        _crop(image, (0, 0, 32, 32), size_px)[:] = 0
    assert np.array_equal(image, original)
