"""With injected draws, each operation does to pixels what Pillow, SciPy and colorsys do."""

import colorsys

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image, ImageEnhance, ImageOps

from components.simclr.augmentation import augmentations, tensor_engine
from components.simclr.augmentation.policies import Border, OnlinePolicy

SIZE = 32
OFF = OnlinePolicy()


@pytest.fixture(scope="module")
def images(textured_images):
    return textured_images(3, SIZE)


def run(images, drawn, policy):
    return np.asarray(tensor_engine.apply_online(images, drawn, policy))


def _each(images, operation):
    """Apply a function of a Pillow image to each."""
    return np.stack([np.asarray(operation(Image.fromarray(image))) for image in images]).astype(np.float32)


def _full(value, dtype="float32", count=3):
    return np.full(count, value, dtype)


def _is_close(found, expected, limit):
    assert found.dtype == np.float32 and found.shape == expected.shape
    return np.abs(found - expected).max() <= limit


def test_without_operations_nothing_changes(images):
    assert np.array_equal(run(images, {}, OFF), images)


@pytest.mark.parametrize("factor", [0.0, 0.37, 1.0, 1.8])
@pytest.mark.parametrize(
    "name, enhance",
    [("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast), ("saturation", ImageEnhance.Color)],
)
def test_colour_steps_are_pillow_s(images, name, enhance, factor):
    """torchvision calls these. They truncate, so 1 of difference is allowed, and 2 if they truncate gray before."""
    number = ("brightness", "contrast", "saturation").index(name)
    drawn = {"jitter_order": _full(number, "int32")[:, None], name: _full(factor)}
    expected = _each(images, lambda image: enhance(image).enhance(factor))
    assert _is_close(run(images, drawn, OFF), expected, 1 if name == "brightness" else 2)


@pytest.mark.parametrize("shift", [-0.5, -0.13, 0.0, 0.07, 1 / 3])
def test_hue_turns_the_colour_circle(images, shift):
    def turn(pixel):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        return np.array(colorsys.hsv_to_rgb((hue + shift) % 1.0, saturation, value)) * 255

    expected = np.apply_along_axis(turn, 3, images.astype(np.float64)).astype(np.float32)
    found = run(images, {"jitter_order": _full(3, "int32")[:, None], "hue": _full(shift)}, OFF)
    assert _is_close(found, expected, 1)


def test_a_third_of_a_turn_swaps_the_channels(images):
    found = run(images, {"jitter_order": _full(3, "int32")[:, None], "hue": _full(1 / 3)}, OFF)
    assert np.array_equal(found, images[..., [2, 0, 1]])


def test_steps_come_in_the_drawn_order_and_clip_in_between():
    """Bright, then dark again: white stays clipped. Dark, then bright: nothing is lost."""
    image = np.full((1, 8, 8, 3), 200, np.uint8)
    drawn = {"brightness": np.array([2.0], np.float32), "contrast": np.array([0.5], np.float32)}
    image[0, :, :4] = 100
    first = run(image, {**drawn, "jitter_order": np.array([[0, 1]], np.int32)}, OFF)[0, 0, :, 0]
    second = run(image, {**drawn, "jitter_order": np.array([[1, 0]], np.int32)}, OFF)[0, 0, :, 0]
    # 100, 200 -> doubled and clipped 200, 255, mean 227.5 -> 213.75, 241.25
    assert np.abs(first[[0, 7]] - [213.75, 241.25]).max() <= 0.51
    # 100, 200 -> about the mean 150: 125, 175 -> doubled and clipped 250, 255
    assert second[[0, 7]].tolist() == [250, 255]


def test_each_sample_has_its_own_order(images):
    """Four steps in three different orders at once give what each order gives alone."""
    orders = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]], np.int32)
    drawn = {"brightness": _full(1.4), "contrast": _full(0.6), "saturation": _full(1.7), "hue": _full(0.1)}
    together = run(images, {**drawn, "jitter_order": orders}, OFF)
    for row in range(3):
        current = images[row : row + 1]
        for step in orders[row]:
            name = ("brightness", "contrast", "saturation", "hue")[step]
            one = {"jitter_order": np.array([[step]], np.int32), name: drawn[name][:1]}
            current = run(current, one, OFF).astype(np.uint8)
        assert _is_close(together[row : row + 1], current.astype(np.float32), 0)


def test_gray_is_luma(images):
    chosen = np.array([True, False, True])
    expected = _each(images, lambda image: image.convert("L").convert("RGB"))
    expected[1] = images[1]
    assert _is_close(run(images, {"gray": chosen}, OFF), expected, 1)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("horizontal", [False, True])
@pytest.mark.parametrize("vertical", [False, True])
def test_quarter_turns_come_before_flips(images, turns, horizontal, vertical):
    drawn = {
        "quarter_turns": _full(turns, "int32"),
        "flip_horizontal": _full(horizontal, "bool"),
        "flip_vertical": _full(vertical, "bool"),
    }
    expected = np.rot90(images, turns, axes=(1, 2))
    expected = expected[:, :, ::-1] if horizontal else expected
    expected = expected[:, ::-1] if vertical else expected
    assert np.array_equal(run(images, drawn, OFF), expected)


def test_flips_are_per_sample(images):
    found = run(images, {"flip_horizontal": np.array([True, False, True])}, OFF)
    assert np.array_equal(found[0], images[0, :, ::-1]) and np.array_equal(found[1], images[1])


_MODES = {Border.BLACK: "grid-constant", Border.EDGE: "nearest", Border.REFLECT: "mirror"}


@pytest.mark.parametrize("border", list(Border))
def test_affine_is_bilinear(images, border):
    matrices = np.array(
        [[0.9, 0.2, -3.0, -0.2, 0.9, 5.0], [1.3, 0.0, -9.5, 0.1, 0.8, 0.25], [1, 0, -4.0, 0, 1, 7.0]], np.float32
    )
    rows, columns = np.mgrid[:SIZE, :SIZE]
    expected = np.empty(images.shape, np.float32)
    for number, (a, b, c, d, e, f) in enumerate(matrices.astype(float)):
        places = [d * columns + e * rows + f, a * columns + b * rows + c]
        for channel in range(3):
            expected[number, ..., channel] = scipy.ndimage.map_coordinates(
                images[number, ..., channel].astype(float), places, order=1, mode=_MODES[border]
            )
    found = run(images, {"affine": matrices}, OnlinePolicy(border=border))
    assert _is_close(found, expected, 0.51)
    assert np.array_equal(found[2], expected[2])  # whole pixels


def test_blur_is_a_gaussian_with_mirrored_border(images):
    taps = np.array([[0.4, 0.2, 0.08, 0.02], [1, 0, 0, 0], [0.2, 0.15, 0.14, 0.11]], np.float32)
    expected = images.astype(float)
    for number in range(3):
        kernel = np.concatenate([taps[number, :0:-1], taps[number]])
        for axis in (0, 1):
            expected[number] = scipy.ndimage.correlate1d(expected[number], kernel, axis=axis, mode="mirror")
    assert _is_close(run(images, {"blur_taps": taps}, OFF), expected, 0.51)


def test_solarize_is_pillow_s(images):
    expected = _each(images, lambda image: ImageOps.solarize(image, 100))
    found = run(images, {"solarize": _full(True, "bool")}, OnlinePolicy(solarize_threshold=100))
    assert np.array_equal(found, expected)


def test_sobel_is_the_gradient_s_length(images):
    floats = images.astype(float)
    expected = np.empty_like(floats)
    for number in range(3):
        for channel in range(3):
            plane = floats[number, :, :, channel]
            across, down = (scipy.ndimage.sobel(plane, axis=axis, mode="mirror") for axis in (1, 0))
            expected[number, :, :, channel] = np.minimum(np.hypot(across, down) / 4, 255)
    found = run(images, {"sobel": np.array([True, True, False])}, OFF)
    assert _is_close(found[:2], expected[:2], 0.51) and np.array_equal(found[2], images[2])


def test_cutout_covers_its_box_only(images):
    boxes = np.array([[3, 5, 10, 32], [0, 0, 0, 0], [4, 4, 4, 20]], np.int32)
    original = images.copy()
    found = run(images, {"cutout": boxes}, OnlinePolicy(cutout_fill=77))
    expected = images.copy()
    expected[0, 3:10, 5:32] = 77
    assert np.array_equal(found, expected) and np.array_equal(images, original)


def test_noise_has_its_standard_deviation_and_is_independent():
    gray = np.full((3, 64, 64, 3), 128, np.uint8)
    drawn = {
        "noise_std": np.array([8.0, 0.0, 20.0], np.float32),
        "noise_key": np.array([[1, 2], [1, 2], [9, 1]], np.uint32),
    }
    found = run(gray, drawn, OFF) - 128
    assert (found[1] == 0).all()
    for row, std in ((0, 8.0), (2, 20.0)):
        values = found[row].astype(float)
        assert abs(values.mean()) < 5 * std / np.sqrt(values.size)
        assert abs(values.std() - std) < 0.03 * std
        kurtosis = (values**4).mean() / values.var() ** 2
        assert abs(kurtosis - 3) < 0.25
        for shift in ((0, 0, 1), (0, 1, 0), (1, 0, 0)):
            other = np.roll(values, shift, axis=(0, 1, 2))
            assert abs(np.corrcoef(values.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(values.size)
    assert abs(np.corrcoef(found[0].ravel(), found[2].ravel())[0, 1]) < 5 / np.sqrt(found[0].size)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_together_keeps_shape_and_range(textured_images, view_keys, channels):
    policy = OnlinePolicy(
        rotation_degrees=20.0, zoom_min=0.8, zoom_max=1.2, quarter_turn_probability=0.5, brightness=0.8, contrast=0.8,
        saturation=0.8, hue=0.2, gray_probability=0.3, blur_probability=0.5, solarize_probability=0.3,
        noise_probability=0.5, sobel_probability=0.2, cutout_probability=0.5,
    )  # fmt: skip
    images = textured_images(16, 24)[..., :channels]
    found = run(images, augmentations.draw_online(policy, view_keys(16), 24, channels), policy)
    assert found.shape == (16, 24, 24, channels) and found.min() >= 0 and found.max() <= 255
    assert np.array_equal(found, np.round(found)) and not np.array_equal(found, images)


def test_the_front_door_applies_what_was_drawn(images, view_keys):
    policy = OnlinePolicy(flip_horizontal_probability=0.5, brightness=0.5)
    drawn = augmentations.draw_online(policy, view_keys(3), SIZE, 3)
    found = np.asarray(augmentations.apply_online(images, drawn, policy))
    assert np.array_equal(found, run(images, drawn, policy))
    boxes = augmentations.draw_crops(augmentations.CropPolicy(), view_keys(3), np.full(3, SIZE), np.full(3, SIZE))
    assert np.asarray(augmentations.crop_and_resize(images, boxes, 24)).shape == (3, 24, 24, 3)
