"""Settings of feature extraction; standard library and pydantic only."""

from pydantic import Field

from components.contracts.configuration import configuration


@configuration
class FeaturesConfig:
    """Which features are extracted from the labelled images."""

    batch_size: int = Field(default=256, ge=1, le=65536, description="images per encoder call")
    raw_pixels: bool = Field(
        default=True, description="raw pixels as well, which the probe then measures for comparison"
    )
    raw_pixels_max_px: int = Field(default=32, ge=4, le=128, description="raw pixels are shrunk to at most this side")
    random_encoder: bool = Field(
        default=True,
        description="the encoder as it was before training as well, which the probe then measures for comparison",
    )
