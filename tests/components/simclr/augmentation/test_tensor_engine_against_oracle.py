"""The tensor engine gives what the oracle gives for the same draw."""

import numpy as np
import pytest

from components.simclr.augmentation import tensor_engine
from components.simclr.augmentation.online_draws import draw_online
from components.simclr.augmentation.policies import Border, OnlinePolicy
from components.simclr.augmentation.presets import Preset
from tests.components.simclr.augmentation import uint8_oracle

SINGLE_OPERATIONS = {
    "affine": OnlinePolicy(
        rotation_degrees=20.0, zoom_min=0.8, zoom_max=1.2, translation_fraction=0.1, shear_degrees=5.0
    ),
    "affine_edge": OnlinePolicy(rotation_degrees=20.0, border=Border.EDGE),
    "affine_reflect": OnlinePolicy(rotation_degrees=20.0, border=Border.REFLECT),
    "quarter_turns": OnlinePolicy(quarter_turn_probability=0.75),
    "flips": OnlinePolicy(flip_horizontal_probability=0.5, flip_vertical_probability=0.5),
    "brightness": OnlinePolicy(brightness=0.8, jitter_probability=1.0),
    "contrast": OnlinePolicy(contrast=0.8, jitter_probability=1.0),
    "saturation": OnlinePolicy(saturation=0.8, jitter_probability=1.0),
    "hue": OnlinePolicy(hue=0.2, jitter_probability=1.0),
    "gray": OnlinePolicy(gray_probability=1.0),
    "blur": OnlinePolicy(blur_probability=1.0),
    "solarize": OnlinePolicy(solarize_probability=1.0),
    "noise": OnlinePolicy(noise_probability=1.0),
    "sobel": OnlinePolicy(sobel_probability=1.0),
    "cutout": OnlinePolicy(cutout_probability=1.0),
}
WHOLE_POLICIES = {
    "simclr": OnlinePolicy(
        flip_horizontal_probability=0.5, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, gray_probability=0.2,
        blur_probability=0.5,
    ),
    "geometry_and_colour": OnlinePolicy(
        rotation_degrees=20.0, zoom_min=0.8, zoom_max=1.2, quarter_turn_probability=0.75,
        flip_horizontal_probability=0.5, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, gray_probability=0.2,
        blur_probability=0.5, noise_probability=0.3, cutout_probability=0.5,
    ),
}  # fmt: skip


@pytest.fixture
def differences(images_of_each_kind, view_keys):
    """Function from a policy to |difference| between engine and oracle, (n, s, s, 3)."""

    images = images_of_each_kind

    def measure(policy):
        drawn = draw_online(policy, view_keys(len(images)), images.shape[1], 3)
        found = np.asarray(tensor_engine.apply_online(images, drawn, policy))
        return np.abs(found - uint8_oracle.apply_online(images, drawn, policy))

    return measure


@pytest.mark.parametrize("name", SINGLE_OPERATIONS)
def test_each_operation(differences, name):
    error = differences(SINGLE_OPERATIONS[name])
    assert (error <= 2).mean() >= 0.99
    assert (error <= 4).mean(axis=(1, 2, 3)).min() >= 0.97  # the worst image
    assert error.max() <= 16


@pytest.mark.parametrize("preset", [preset for preset in Preset if preset is not Preset.NONE])
def test_the_presets(differences, preset):
    error = differences(OnlinePolicy(preset=preset))
    assert (error <= 4).mean() >= 0.99
    assert (error <= 4).mean(axis=(1, 2, 3)).min() >= 0.95  # the worst image
    assert error.mean(axis=(1, 2, 3)).max() <= 2


@pytest.mark.parametrize("name", WHOLE_POLICIES)
def test_whole_policies(differences, name):
    error = differences(WHOLE_POLICIES[name])
    assert (error <= 4).mean() >= 0.99
    assert (error <= 4).mean(axis=(1, 2, 3)).min() >= 0.95  # the worst image
    assert error.mean(axis=(1, 2, 3)).max() <= 2
