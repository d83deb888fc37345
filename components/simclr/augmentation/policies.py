"""What may happen to an image on its way to a view: two frozen configs, one for the crop and one for the rest.

Only numbers are here: ``crops`` and ``online_draws`` draw from them, ``uint8_crops`` and ``tensor_engine`` apply draws.
"""

import dataclasses
import enum
from typing import Any

import pydantic
from pydantic import Field
from pydantic_core import ArgsKwargs
from typing_extensions import Self

from components.contracts.configuration import configuration
from components.simclr.augmentation.presets import PRESETS, Preset


class Border(str, enum.Enum):
    """What appears at the border of an image that is rotated, zoomed or moved."""

    BLACK = "black"
    EDGE = "edge"
    REFLECT = "reflect"


@configuration
class CropPolicy:
    """Random resized crop as torchvision defines it: a uniform share of the area, a log-uniform aspect, ten tries.

    Source: torchvision 0.20, ``transforms.RandomResizedCrop``.
    """

    area_min: float = Field(
        default=0.08, gt=0, le=1, description="smallest share of the image's area that a crop keeps"
    )
    area_max: float = Field(default=1.0, gt=0, le=1, description="largest share of the image's area that a crop keeps")
    aspect_min: float = Field(default=3 / 4, gt=0, le=10, description="smallest width divided by height of a crop")
    aspect_max: float = Field(default=4 / 3, gt=0, le=10, description="largest width divided by height of a crop")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        _ordered(self, "area_min", "area_max")
        _ordered(self, "aspect_min", "aspect_max")
        return self


@configuration
class OnlinePolicy:
    """Operations that are drawn anew for each view in each epoch, in this order; the defaults switch all of them off.

    Every sample has draws of its own. Geometry comes first, so that the pixels it brings in are coloured like the rest.
    """

    preset: Preset = Field(
        default=Preset.NONE,
        description="start values of the settings below: none, digits, small_images, photographs, gray_medical or "
        "overhead; a setting that is given wins",
    )
    rotation_degrees: float = Field(default=0.0, ge=0, le=180, description="rotation by up to this angle either way")
    zoom_min: float = Field(default=1.0, gt=0.1, le=10, description="smallest magnification")
    zoom_max: float = Field(default=1.0, gt=0.1, le=10, description="largest magnification")
    translation_fraction: float = Field(default=0.0, ge=0, lt=1, description="shift by up to this part of the side")
    shear_degrees: float = Field(
        default=0.0, ge=0, lt=80, description="horizontal shear by up to this angle either way"
    )
    affine_probability: float = Field(
        default=1.0, ge=0, le=1, description="of rotation, zoom, shift and shear together"
    )
    border: Border = Field(default=Border.BLACK, description="what appears at the border: black, edge or reflect")

    quarter_turn_probability: float = Field(
        default=0.0, ge=0, le=1, description="of a rotation by 90, 180 or 270 degrees"
    )
    flip_horizontal_probability: float = Field(default=0.0, ge=0, le=1, description="of swapping left and right")
    flip_vertical_probability: float = Field(default=0.0, ge=0, le=1, description="of swapping top and bottom")

    brightness: float = Field(default=0.0, ge=0, le=1, description="factor between 1 - x and 1 + x")
    contrast: float = Field(default=0.0, ge=0, le=1, description="factor between 1 - x and 1 + x, about the gray mean")
    saturation: float = Field(default=0.0, ge=0, le=1, description="factor between 1 - x and 1 + x, blended with gray")
    hue: float = Field(
        default=0.0, ge=0, le=0.5, description="shift by up to this part of the colour circle either way"
    )
    jitter_probability: float = Field(
        default=0.8, ge=0, le=1, description="of brightness, contrast, saturation and hue"
    )
    gray_probability: float = Field(default=0.0, ge=0, le=1, description="of dropping all colour")

    blur_probability: float = Field(default=0.0, ge=0, le=1, description="of Gaussian blur")
    blur_sigma_min: float = Field(default=0.1, gt=0, le=20, description="smallest standard deviation, pixels")
    blur_sigma_max: float = Field(default=2.0, gt=0, le=20, description="largest standard deviation, pixels")
    blur_kernel_fraction: float = Field(default=0.1, gt=0, le=1, description="kernel width as a part of the side")

    solarize_probability: float = Field(default=0.0, ge=0, le=1, description="of inverting the bright values")
    solarize_threshold: int = Field(default=128, ge=0, le=255, description="values from here on are inverted")
    noise_probability: float = Field(default=0.0, ge=0, le=1, description="of Gaussian noise on every value")
    noise_std_min: float = Field(default=2.0, ge=0, le=128, description="smallest standard deviation, of 255")
    noise_std_max: float = Field(default=10.0, ge=0, le=128, description="largest standard deviation, of 255")
    sobel_probability: float = Field(default=0.0, ge=0, le=1, description="of replacing the image by its edges")
    cutout_probability: float = Field(default=0.0, ge=0, le=1, description="of covering a square")
    cutout_side_min: float = Field(
        default=0.2, gt=0, le=1, description="smallest side of the square, part of the image's"
    )
    cutout_side_max: float = Field(
        default=0.5, gt=0, le=1, description="largest side of the square, part of the image's"
    )
    cutout_fill: int = Field(default=128, ge=0, le=255, description="value of the covered square")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, given: Any) -> Any:
        values = given.kwargs if isinstance(given, ArgsKwargs) else given
        if not isinstance(values, dict):
            return given
        try:
            preset = PRESETS[Preset(values.get("preset", Preset.NONE))]
        except ValueError:  # the validation of the field refuses it
            return given
        return {**preset, **values}

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        for low, high in (
            ("zoom_min", "zoom_max"),
            ("blur_sigma_min", "blur_sigma_max"),
            ("noise_std_min", "noise_std_max"),
            ("cutout_side_min", "cutout_side_max"),
        ):
            _ordered(self, low, high)
        return self

    @property
    def has_affine(self) -> bool:
        """Whether rotation, zoom, shift or shear can happen."""
        moves = self.rotation_degrees or self.translation_fraction or self.shear_degrees
        return self.affine_probability > 0 and bool(moves or self.zoom_min != 1 or self.zoom_max != 1)

    def has_jitter(self, channels: int) -> bool:
        """Whether any colour step can happen to images with this number of channels."""
        return self.jitter_probability > 0 and bool(self.jitter_steps(channels))

    def jitter_steps(self, channels: int) -> tuple[str, ...]:
        """Names of the colour steps that can change images with this number of channels; gray images have no colour."""
        names = ("brightness", "contrast", "saturation", "hue") if channels == 3 else ("brightness", "contrast")
        return tuple(name for name in names if getattr(self, name) > 0)


# Settings of how far an operation reaches, with their limits, by the probability that switches the operation on.
_REACHES = {
    "affine_probability": {"rotation_degrees": 180.0, "translation_fraction": 0.99, "shear_degrees": 79.0},
    "jitter_probability": {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5},
    "blur_probability": {"blur_sigma_max": 20.0},
    "noise_probability": {"noise_std_max": 128.0},
    "cutout_probability": {"cutout_side_max": 1.0},
}
_LOWEST_ZOOM, _HIGHEST_ZOOM = 0.11, 10.0


def strengthened(policy: OnlinePolicy, strength: float) -> OnlinePolicy:
    """A policy whose operations reach ``strength`` times as far and happen as often as before.

    Angles, shifts, shares of colour, and the largest blur, noise and square are multiplied by ``strength``; zoom is
    raised to this power. A value that would leave its range stays at the end of the range.

    Args:
        policy: the policy of strength 1.
        strength: > 0.

    Raises:
        ValueError: ``strength`` is not positive.
    """
    if not strength > 0:
        raise ValueError(f"expected a positive strength, found {strength!r}")
    changed: dict[str, Any] = {}  # floats; Any, because mypy matches ** with fields of every type
    for probability, limits in _REACHES.items():
        if getattr(policy, probability) > 0:
            for name, limit in limits.items():
                lowest = getattr(policy, name.replace("_max", "_min")) if name.endswith("_max") else 0.0
                changed[name] = max(min(getattr(policy, name) * strength, limit), lowest)
    if policy.affine_probability > 0:
        changed["zoom_min"] = max(policy.zoom_min**strength, _LOWEST_ZOOM)
        changed["zoom_max"] = min(policy.zoom_max**strength, _HIGHEST_ZOOM)
    return dataclasses.replace(policy, **changed)


def _ordered(policy: object, low: str, high: str) -> None:
    if getattr(policy, low) > getattr(policy, high):
        raise ValueError(f"{low} ({getattr(policy, low)}) must not exceed {high} ({getattr(policy, high)})")
