"""Augmentation policies for kinds of images, as the values that differ from ``OnlinePolicy``'s defaults.

What an encoder learns to ignore is what the augmentations change, so each preset leaves alone what tells the classes of
its kind apart. The crop, which does most of the work on photographs, is apart from these (``CropPolicy``).
"""

import enum
from typing import Any


class Preset(str, enum.Enum):
    """A kind of images."""

    NONE = "none"
    DIGITS = "digits"
    SMALL_IMAGES = "small_images"
    PHOTOGRAPHS = "photographs"
    GRAY_MEDICAL = "gray_medical"
    OVERHEAD = "overhead"


_COLOUR = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "gray_probability": 0.2}

PRESETS: dict[Preset, dict[str, Any]] = {
    Preset.NONE: {},
    # Slant, size and stroke are the writer's, not the sign's; a mirrored or turned sign is another one.
    Preset.DIGITS: {
        "rotation_degrees": 15.0,
        "zoom_min": 0.85,
        "zoom_max": 1.15,
        "translation_fraction": 0.08,
        "shear_degrees": 10.0,
        "brightness": 0.4,
        "contrast": 0.4,
        "blur_probability": 0.3,
        "blur_sigma_max": 1.5,
        "noise_probability": 0.5,
        "noise_std_max": 40.0,
    },
    # As for photographs, without blur: at 32 px there is no detail to spare (Chen et al. 2020, appendix B.9).
    Preset.SMALL_IMAGES: {"flip_horizontal_probability": 0.5, **_COLOUR},
    # Things look the same from the other side and in other light; colour must not give away which image a crop is of.
    Preset.PHOTOGRAPHS: {"flip_horizontal_probability": 0.5, **_COLOUR, "blur_probability": 0.5},
    # Exposure and detector differ between devices, posture a little; sides are kept, as organs have one, and brightness
    # is changed less, as density is what the image shows.
    Preset.GRAY_MEDICAL: {
        "rotation_degrees": 10.0,
        "zoom_min": 0.9,
        "zoom_max": 1.1,
        "translation_fraction": 0.05,
        "brightness": 0.2,
        "contrast": 0.3,
        "blur_probability": 0.3,
        "noise_probability": 0.3,
    },
    # From above there is no up: every turn and flip shows the same place; season and sensor change colour.
    Preset.OVERHEAD: {
        "quarter_turn_probability": 0.75,
        "flip_horizontal_probability": 0.5,
        "flip_vertical_probability": 0.5,
        **_COLOUR,
        "blur_probability": 0.5,
    },
}
