"""Size and colours of the images that all steps agree on."""

import enum

from pydantic import Field

from components.contracts.configuration import configuration


class Color(str, enum.Enum):
    """Colours of stored images, views and the encoder's input."""

    RGB = "rgb"
    GRAY = "gray"


# A smaller standard deviation of a channel counts as 1, so that a flat data set stays finite. Pixels are 0 to 255.
MIN_CHANNEL_STD = 1.0


@configuration
class ImageConfig:
    """The images that the encoder sees."""

    size_px: int = Field(default=224, ge=8, le=1024, description="side of the square that the encoder sees")
    color: Color = Field(default=Color.RGB, description="rgb or gray; images are converted")
    center_crop_fraction: float = Field(
        default=0.875, gt=0, le=1, description="part of the short side that evaluation and serving keep"
    )

    @property
    def channels(self) -> int:
        """3 for RGB, 1 for gray."""
        return 3 if self.color is Color.RGB else 1
