"""Settings of ViewGen: how many crops of each image, how they are drawn and stored, what is held out."""

import enum

import pydantic
from pydantic import Field

from components.contracts.configuration import configuration
from components.simclr.augmentation.policies import CropPolicy


class ViewFormat(str, enum.Enum):
    """How crops are encoded; ``auto`` is PNG up to 64 px, where JPEG would show, and JPEG above."""

    PNG = "png"
    JPEG = "jpeg"
    AUTO = "auto"


@configuration
class ViewsConfig:
    """What ViewGen needs to know."""

    views_per_image: int = Field(
        default=4,
        ge=0,
        le=256,
        description="random crops stored of each image; 0 stores the image itself, cropped in training",
    )
    crop: CropPolicy = Field(default=CropPolicy(), description="where the stored crops lie")
    seed: int = Field(
        default=0, ge=0, lt=2**31, description="of the crops; which images are held out does not depend on it"
    )
    eval_fraction: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="part of the labelled train images, or their groups, held out for watching; at least one",
    )
    view_format: ViewFormat = Field(
        default=ViewFormat.AUTO, description="png, jpeg, or auto: png up to 64 px, else jpeg"
    )
    jpeg_quality: int = Field(default=95, ge=1, le=100, description="of crops stored as JPEG")
    shard_bytes: int = Field(
        default=128 * 2**20, ge=2**10, description="largest size of an output file, unless one record is larger"
    )
    max_view_bytes: int = Field(
        default=20 * 2**30,
        ge=1,
        description="the step refuses to write more than this, by an estimate made before writing",
    )

    @pydantic.field_validator("views_per_image")
    @classmethod
    def _check_pairs(cls, count: int) -> int:
        if count == 1:
            raise ValueError("a positive pair needs two different views: 0 or at least 2 expected, found 1")
        return count
