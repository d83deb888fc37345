"""Settings of the segmentation head and of its measurement."""

from pydantic import Field

from components.contracts.configuration import configuration


@configuration
class SegmentationConfig:
    """A small head on a frozen feature map; the same for the encoder and for random weights."""

    size_px: int | None = Field(
        default=None,
        ge=8,
        le=2048,
        description="side of the square that is segmented; null: the side that the encoder was trained at",
    )
    classes: int | None = Field(
        default=None,
        ge=2,
        le=255,
        description="class ids are 0 to classes - 1; null: up to the largest in the train masks",
    )
    ignored_id: int | None = Field(
        default=255,
        ge=0,
        le=255,
        description="pixels with this id are neither trained on nor counted; null: no such id",
    )
    test_fraction: float = Field(
        default=0.25, gt=0, lt=1, description="part of the images that is held out if there is no test folder"
    )
    hidden_width: int = Field(
        default=64,
        ge=0,
        le=1024,
        description="channels of a 3x3 convolution before the last one, which is 1x1; 0: only the last one",
    )
    epochs: int = Field(default=40, ge=1, le=10_000, description="passes over the train images")
    batch_size: int = Field(default=16, ge=1, le=4096, description="images per step, and per call of the encoder")
    learning_rate: float = Field(
        default=0.003, gt=0, le=1, description="of Adam at the first step; falls to 0 as a cosine"
    )
    bootstrap_resamples: int = Field(
        default=2000, ge=100, le=100_000, description="resamples of the test images per interval"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="level of the intervals")
    seed: int = Field(default=0, ge=0, lt=2**31, description="of held-out images, head, order, and random encoder")
