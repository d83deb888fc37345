import math

import numpy as np
import pytest

from components.simclr.augmentation import draws
from components.simclr.augmentation.online_draws import JITTER_STEPS, blur_radius, draw_online
from components.simclr.augmentation.policies import OnlinePolicy

COUNT = 40_000
EVERYTHING = OnlinePolicy(
    rotation_degrees=20.0, zoom_min=0.8, zoom_max=1.25, translation_fraction=0.1, shear_degrees=10.0,
    affine_probability=0.7, quarter_turn_probability=0.6, flip_horizontal_probability=0.5,
    flip_vertical_probability=0.1, brightness=0.8, contrast=0.6, saturation=0.4, hue=0.2, jitter_probability=0.8,
    gray_probability=0.2, blur_probability=0.5, solarize_probability=0.3, noise_probability=0.4,
    sobel_probability=0.15, cutout_probability=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def keys():
    return draws.view_keys(3, np.arange(COUNT, dtype=np.uint64), 0, 0)


@pytest.fixture(scope="module")
def drawn(keys):
    return draw_online(EVERYTHING, keys, size_px=32, channels=3)


def _is_near(share, probability):
    return abs(share - probability) < 5 * np.sqrt(probability * (1 - probability) / COUNT)


def _is_uniform(values, low, high):
    deciles = low + (high - low) * np.linspace(0.1, 0.9, 9)
    inside = low - 1e-6 <= values.min() and values.max() <= high + 1e-6
    return inside and np.abs(np.quantile(values, np.linspace(0.1, 0.9, 9)) - deciles).max() < 0.015 * (high - low)


def test_defaults_do_nothing(keys):
    assert draw_online(OnlinePolicy(), keys[:5], 32, 3) == {}


def test_shapes_and_types(drawn):
    found = {name: (values.shape[1:], values.dtype.name) for name, values in drawn.items()}
    assert found == {
        "affine": ((6,), "float32"), "quarter_turns": ((), "int32"), "flip_horizontal": ((), "bool"),
        "flip_vertical": ((), "bool"), "jitter_order": ((4,), "int32"), "brightness": ((), "float32"),
        "contrast": ((), "float32"), "saturation": ((), "float32"), "hue": ((), "float32"), "gray": ((), "bool"),
        "blur_taps": ((2,), "float32"), "solarize": ((), "bool"), "noise_std": ((), "float32"),
        "noise_key": ((2,), "uint32"), "sobel": ((), "bool"), "cutout": ((4,), "int32"),
    }  # fmt: skip
    assert all(len(values) == COUNT for values in drawn.values())


def test_gray_views_draw_nothing_of_colour(keys):
    names = set(draw_online(EVERYTHING, keys[:5], 32, 1))
    assert names.isdisjoint({"saturation", "hue", "gray"}) and {"brightness", "contrast", "jitter_order"} <= names
    assert "jitter_order" not in draw_online(OnlinePolicy(hue=0.5), keys[:5], 32, 1)


def test_other_numbers_of_channels_are_refused(keys):
    with pytest.raises(ValueError, match="1 or 3 channels, found 4"):
        draw_online(EVERYTHING, keys[:5], 32, 4)


@pytest.mark.parametrize(
    "name, probability",
    [("flip_horizontal", 0.5), ("flip_vertical", 0.1), ("gray", 0.2), ("solarize", 0.3), ("sobel", 0.15)],
)
def test_switches_follow_their_probability(drawn, name, probability):
    assert _is_near(drawn[name].mean(), probability)


def test_quarter_turns_are_equally_frequent(drawn):
    shares = np.bincount(drawn["quarter_turns"], minlength=4) / COUNT
    assert len(shares) == 4 and all(_is_near(shares[turn], 0.4 if turn == 0 else 0.2) for turn in range(4))


@pytest.mark.parametrize(
    "name, nothing, low, high",
    [("brightness", 1, 0.2, 1.8), ("contrast", 1, 0.4, 1.6), ("saturation", 1, 0.6, 1.4), ("hue", 0, -0.2, 0.2)],
)
def test_jitter_factors_follow_their_ranges(drawn, name, nothing, low, high):
    jittered = drawn[name] != nothing
    assert _is_near(jittered.mean(), 0.8)
    assert _is_uniform(drawn[name][jittered], low, high)


def test_jitter_comes_or_stays_away_as_a_whole(drawn):
    jittered = [drawn[name] != (0 if name == "hue" else 1) for name in JITTER_STEPS]
    assert all((other == jittered[0]).all() for other in jittered[1:])


def test_every_order_of_the_colour_steps_is_equally_frequent(drawn):
    orders, counts = np.unique(drawn["jitter_order"], axis=0, return_counts=True)
    assert len(orders) == 24 and all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert all(_is_near(count / COUNT, 1 / 24) for count in counts)


def test_orders_hold_only_the_steps_that_are_on(keys):
    order = draw_online(OnlinePolicy(brightness=0.4, hue=0.1), keys[:100], 32, 3)["jitter_order"]
    assert {tuple(row) for row in order} == {(0, 3), (3, 0)}


def test_affine_maps_are_the_inverse_of_zoom_rotation_shear_and_shift(keys):
    """The shift of the middle, the angle and the zoom, recovered from the matrices, fill their ranges."""
    policy = OnlinePolicy(rotation_degrees=20.0, zoom_min=0.8, zoom_max=1.25, translation_fraction=0.1)
    a, b, c, d, e, f = draw_online(policy, keys, 33, 1)["affine"].astype(float).T
    forward = np.linalg.inv(np.stack([np.stack([a, b], -1), np.stack([d, e], -1)], 1))  # (n, 2, 2)
    zoom = np.sqrt(np.linalg.det(forward))
    angle = np.degrees(np.arctan2(forward[:, 1, 0], forward[:, 0, 0]))
    middle = (
        np.einsum("nij,nj->ni", forward, 16 - np.stack([c, f], -1)) - 16
    )  # by how far the middle of the input moved
    assert _is_uniform(zoom, 0.8, 1.25) and _is_uniform(angle, -20, 20)
    assert _is_uniform(middle[:, 0], -3.3, 3.3) and _is_uniform(middle[:, 1], -3.3, 3.3)
    assert abs(np.corrcoef(zoom, angle)[0, 1]) < 5 / math.sqrt(COUNT)


def test_shear_slants_what_was_upright(keys):
    """Shear alone gives the map [[1, -tan(slant)], [0, 1]] about the middle, because the map is the inverse."""
    a, b, _, d, e, f = draw_online(OnlinePolicy(shear_degrees=15.0), keys, 33, 1)["affine"].astype(float).T
    assert (a == 1).all() and (e == 1).all() and (d == 0).all() and (f == 0).all()
    assert _is_uniform(np.degrees(np.arctan(-b)), -15, 15)


def test_affine_maps_shear_before_they_turn(keys):
    policy = OnlinePolicy(rotation_degrees=20.0, shear_degrees=15.0, zoom_min=0.8, zoom_max=1.25)
    a, b, _, d, e, _ = draw_online(policy, keys, 33, 1)["affine"].astype(float).T
    forward = np.linalg.inv(np.stack([np.stack([a, b], -1), np.stack([d, e], -1)], 1))
    angle = np.arctan2(forward[:, 1, 0], forward[:, 0, 0])  # the first axis is turned, but not slanted
    zoom = np.hypot(forward[:, 1, 0], forward[:, 0, 0])
    turn = np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], 1)
    slanted = np.einsum("nji,njk->nik", turn, forward) / zoom[:, None, None]  # turned back
    assert np.allclose(slanted[:, 1], [0, 1], atol=1e-5) and np.allclose(slanted[:, 0, 0], 1, atol=1e-5)
    assert _is_uniform(np.degrees(np.arctan(slanted[:, 0, 1])), -15, 15)


def test_affine_stays_away_with_its_probability(drawn):
    still = (np.abs(drawn["affine"] - [1, 0, 0, 0, 1, 0]) < 1e-5).all(axis=1)
    assert _is_near(still.mean(), 0.3)


def test_blur_taps_are_a_gaussian_that_adds_up_to_one(keys):
    policy = OnlinePolicy(blur_probability=0.5, blur_sigma_min=0.5, blur_sigma_max=2.0, blur_kernel_fraction=0.25)
    taps = draw_online(policy, keys, 56, 3)["blur_taps"].astype(float)
    assert taps.shape == (COUNT, 7)  # three standard deviations of 2, although the kernel could be 15 wide
    assert np.abs(2 * taps.sum(axis=1) - taps[:, 0] - 1).max() < 1e-6
    blurred = taps[:, 0] < 1
    assert _is_near(blurred.mean(), 0.5) and (taps[~blurred, 1:] == 0).all()
    sigma = np.sqrt(-0.5 / np.log(taps[blurred, 1] / taps[blurred, 0]))
    assert _is_uniform(sigma, 0.5, 2.0)
    ratio = taps[blurred, 3] / taps[blurred, 0]
    assert np.abs(ratio - np.exp(-4.5 / sigma**2)).max() < 1e-5


@pytest.mark.parametrize(
    "size_px, sigma, radius", [(8, 2.0, 1), (24, 2.0, 1), (32, 2.0, 1), (64, 2.0, 3), (224, 2.0, 6), (224, 9.0, 11)]
)
def test_blur_radius_follows_kernel_and_sigma(size_px, sigma, radius):
    assert blur_radius(OnlinePolicy(blur_probability=1.0, blur_sigma_max=sigma), size_px) == radius


def test_noise(drawn):
    noisy = drawn["noise_std"] > 0
    assert _is_near(noisy.mean(), 0.4) and _is_uniform(drawn["noise_std"][noisy], 2.0, 10.0)
    assert len(np.unique(drawn["noise_key"], axis=0)) == COUNT


def test_cutout_squares_have_their_middle_in_the_view(drawn):
    top, left, bottom, right = drawn["cutout"].T
    covered = (bottom > top) & (right > left)
    assert _is_near(covered.mean(), 0.5)
    inner = covered & (top > 0) & (left > 0) & (bottom < 32) & (right < 32)
    sides = (bottom - top)[inner]
    assert (sides == (right - left)[inner]).all() and sides.min() == 6 and sides.max() == 16
    assert drawn["cutout"].min() == 0 and drawn["cutout"].max() == 32


def test_same_seed_same_draw_whatever_the_company(keys, drawn):
    alone = draw_online(EVERYTHING, keys[17:18], 32, 3)
    assert all(np.array_equal(values[17:18], alone[name]) for name, values in drawn.items())
