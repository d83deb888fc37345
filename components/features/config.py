"""Settings of feature extraction; standard library and pydantic only."""

from pydantic import Field

from components.contracts.configuration import configuration


@configuration
class FeaturesConfig:
    """The features to extract from the labelled images."""

    batch_size: int = Field(default=256, ge=1, le=65536, description="images per encoder call")
    raw_pixels: bool = Field(default=True, description="also keep raw pixels, which the probe measures for comparison")
    raw_pixels_max_px: int = Field(default=32, ge=4, le=128, description="longest side to which raw pixels are shrunk")
    random_encoder: bool = Field(
        default=True,
        description="also use the encoder before training, which the probe measures for comparison",
    )
