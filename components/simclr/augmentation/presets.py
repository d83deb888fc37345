"""Augmentation policies for kinds of images, as the values that differ from the defaults of ``OnlinePolicy``.

An encoder learns to ignore what the augmentations change, so each preset leaves alone what tells the classes of its
kind apart. Presets say nothing about the crop (``CropPolicy``), which does most of the work on photographs.
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
    # Slant, size and stroke depend on the writer, not on the sign; a mirrored or turned sign is another sign.
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
    # As for photographs, but without blur: 32 px have no detail to spare (Chen et al. 2020, appendix B.9).
    Preset.SMALL_IMAGES: {"flip_horizontal_probability": 0.5, **_COLOUR},
    # A thing is the same when it is mirrored or in other light; colour must not give away which image a crop is of.
    Preset.PHOTOGRAPHS: {"flip_horizontal_probability": 0.5, **_COLOUR, "blur_probability": 0.5},
    # Devices differ in exposure and detector, patients a little in posture. Nothing is mirrored, because organs have a
    # side, and brightness changes little, because it shows density.
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
    # Seen from above nothing is up: every turn and flip shows the same place. Season and sensor change colours.
    Preset.OVERHEAD: {
        "quarter_turn_probability": 0.75,
        "flip_horizontal_probability": 0.5,
        "flip_vertical_probability": 0.5,
        **_COLOUR,
        "blur_probability": 0.5,
    },
}
