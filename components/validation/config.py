"""Settings of validation: how far a span may drift from the one before it."""

from pydantic import Field

from components.contracts.configuration import configuration


@configuration
class ValidationConfig:
    """What the steps between ingestion and everything that learns need to know."""

    max_label_drift: float | None = Field(
        default=0.2,
        ge=0,
        le=1,
        description="a class's share of a split may change by this from span to span; null: no limit",
    )
    max_image_drift: float | None = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Jensen-Shannon divergence, 0 to 1, that size, brightness, contrast and bytes of the images may "
        "have from those of the span before; null: no limit",
    )
    min_drift_images: int = Field(
        default=200,
        ge=1,
        description="splits with fewer images in either span are not compared: chance alone moves them",
    )
