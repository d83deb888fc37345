import subprocess
import sys

import pytest

from components.contracts import configuration
from components.simclr.augmentation.policies import CropPolicy, OnlinePolicy, strengthened
from components.simclr.augmentation.presets import PRESETS, Preset


@pytest.mark.parametrize(
    "cls, mapping, message",
    [
        (CropPolicy, {"area_min": 0.0}, "area_min"),
        (CropPolicy, {"area_min": 0.5, "area_max": 0.4}, r"area_min \(0.5\) must not exceed area_max \(0.4\)"),
        (CropPolicy, {"aspect_min": 2.0, "aspect_max": 1.0}, "aspect_min"),
        (OnlinePolicy, {"hue": 0.6}, "hue"),
        (OnlinePolicy, {"brightness": "0.4"}, "brightness"),
        (OnlinePolicy, {"zoom_min": 1.2}, r"zoom_min \(1.2\) must not exceed zoom_max \(1.0\)"),
        (OnlinePolicy, {"blur_sigma_min": 3.0}, "blur_sigma_min"),
        (OnlinePolicy, {"noise_std_min": 11.0}, "noise_std_min"),
        (OnlinePolicy, {"cutout_side_min": 0.9}, "cutout_side_min"),
        (OnlinePolicy, {"gray": 0.2}, "gray: unknown key"),
        (OnlinePolicy, {"border": "mirror"}, "border"),
    ],
)
def test_contradictions_are_refused_by_their_key(cls, mapping, message):
    with pytest.raises(configuration.ConfigError, match=message):
        configuration.from_mapping(cls, mapping, "file.yaml")


@pytest.mark.parametrize("preset", Preset)
def test_a_preset_is_where_the_settings_start(preset):
    read = configuration.from_mapping(OnlinePolicy, {"preset": preset.value}, "file.yaml")
    assert read == OnlinePolicy(preset=preset) == configuration.from_json(OnlinePolicy, configuration.to_json(read), "")
    values = configuration.to_mapping(read)
    assert PRESETS[preset].items() <= values.items()
    untouched = configuration.to_mapping(OnlinePolicy())
    differing = {name for name in values if values[name] != untouched[name]} - {"preset"}
    assert differing == set(PRESETS[preset])  # nothing else moves, and nothing repeats a default


def test_what_is_given_wins_over_the_preset():
    read = configuration.from_mapping(OnlinePolicy, {"preset": "photographs", "blur_probability": 0.0}, "file.yaml")
    assert (read.blur_probability, read.hue) == (0.0, 0.1)
    assert OnlinePolicy(preset=Preset.PHOTOGRAPHS, hue=0.0).hue == 0.0
    with pytest.raises(configuration.ConfigError, match="preset: Input should be 'none', 'digits'"):
        configuration.from_mapping(OnlinePolicy, {"preset": "xray"}, "file.yaml")


def test_presets_leave_alone_what_tells_their_classes_apart():
    flips = ("flip_horizontal_probability", "flip_vertical_probability", "quarter_turn_probability")
    for preset in (Preset.DIGITS, Preset.GRAY_MEDICAL):
        assert not any(getattr(OnlinePolicy(preset=preset), name) for name in flips)
    assert all(getattr(OnlinePolicy(preset=Preset.OVERHEAD), name) > 0 for name in flips)
    assert OnlinePolicy(preset=Preset.SMALL_IMAGES).blur_probability == 0


def test_jitter_knows_what_gray_images_cannot_show():
    policy = OnlinePolicy(brightness=0.4, hue=0.1)
    assert policy.jitter_steps(3) == ("brightness", "hue")
    assert policy.jitter_steps(1) == ("brightness",)
    assert policy.has_jitter(3) and not OnlinePolicy(hue=0.1).has_jitter(1)
    assert not OnlinePolicy(brightness=0.4, jitter_probability=0.0).has_jitter(3)


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, False),
        ({"rotation_degrees": 5.0}, True),
        ({"zoom_min": 0.9}, True),
        ({"translation_fraction": 0.1}, True),
        ({"shear_degrees": 5.0}, True),
        ({"rotation_degrees": 5.0, "affine_probability": 0.0}, False),
    ],
)
def test_affine_is_on_only_where_something_can_move(changes, expected):
    assert OnlinePolicy(**changes).has_affine is expected


def test_policies_and_draws_import_no_framework():
    code = (
        "import sys; from components.simclr.augmentation import augmentations, policies; "
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'cv2', 'tfx', 'apache_beam')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_strength_is_how_far_operations_reach_not_how_often():
    policy = OnlinePolicy(preset=Preset.DIGITS)
    stronger = strengthened(policy, 1.5)
    assert (stronger.rotation_degrees, stronger.noise_std_max, stronger.blur_sigma_max) == (22.5, 60.0, 2.25)
    assert stronger.brightness == pytest.approx(0.6)
    assert (stronger.zoom_min, stronger.zoom_max) == pytest.approx((0.85**1.5, 1.15**1.5))
    probabilities = [name for name in configuration.to_mapping(policy) if name.endswith("probability")]
    assert all(getattr(stronger, name) == getattr(policy, name) for name in probabilities)
    assert strengthened(policy, 1.0) == policy
    photographs = OnlinePolicy(preset=Preset.PHOTOGRAPHS)
    assert strengthened(photographs, 2.0).hue == 0.2
    assert strengthened(photographs, 2.0).noise_std_max == photographs.noise_std_max  # noise never happens


def test_strength_stays_within_what_an_operation_can_do():
    policy = OnlinePolicy(
        rotation_degrees=90,
        translation_fraction=0.5,
        zoom_min=0.5,
        hue=0.4,
        cutout_probability=0.5,
        blur_probability=0.5,
    )
    strong, weak = strengthened(policy, 50.0), strengthened(policy, 0.001)
    assert (strong.rotation_degrees, strong.hue, strong.cutout_side_max, strong.blur_sigma_max) == (180, 0.5, 1.0, 20)
    assert strong.translation_fraction < 1 and strong.zoom_min > 0.1
    assert (weak.cutout_side_max, weak.blur_sigma_max) == (weak.cutout_side_min, weak.blur_sigma_min)
    assert weak.zoom_min == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan")])
def test_a_strength_that_is_none_is_refused(strength):
    with pytest.raises(ValueError, match="expected a positive strength"):
        strengthened(OnlinePolicy(), strength)
