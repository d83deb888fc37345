"""Settings of ingestion: where images come from, which are refused, how they are split and stored."""

import enum
import re

import pydantic
from pydantic import Field

from components.contracts.configuration import configuration

# Pillow itself refuses above twice its MAX_IMAGE_PIXELS; a higher limit of ours would be no limit.
_PILLOW_PIXEL_LIMIT = 178_956_970
_SPAN_PLACEHOLDER = re.compile(r"\{(SPAN|VERSION)(:[1-9][0-9]*)?\}|\{(YYYY|MM|DD)\}")


class SourceKind(str, enum.Enum):
    """How the files under the data root are laid out."""

    IMAGE_FOLDER = "image_folder"
    CIFAR_BINARY = "cifar_binary"


class StoredFormat(str, enum.Enum):
    """How stored images are encoded; ``auto`` is PNG up to 64 px, where JPEG would show, and JPEG above."""

    PNG = "png"
    JPEG = "jpeg"
    AUTO = "auto"


@configuration
class IngestionConfig:
    """What ImageExampleGen needs to know."""

    source: SourceKind = Field(SourceKind.IMAGE_FOLDER, description="layout of the data root")
    span_pattern: str = Field(
        "",
        description="folder of a span below the data root, such as 'span-{SPAN}' or '{YYYY}-{MM}-{DD}/{VERSION}'; "
        "empty where there are no spans",
    )
    span: int | None = Field(
        None, ge=0, description="span to ingest (for dates: days since 1970-01-01); null for the latest"
    )
    train_folder: str = Field("train", min_length=1, description="image_folder: holds one folder per class")
    test_folder: str = Field("test", min_length=1, description="image_folder: likewise, for the test split")
    unlabeled_folder: str = Field("unlabeled", min_length=1, description="image_folder: images without labels")
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="part of the labelled images that becomes test where the source has no test split"
    )
    min_images_per_class: int = Field(2, ge=1, description="fewer train images of a class are an error")
    max_undecodable_fraction: float = Field(
        0.05, ge=0, le=1, description="the step fails when a larger part of the files is refused"
    )
    max_pixels: int = Field(
        64_000_000,
        ge=1,
        le=_PILLOW_PIXEL_LIMIT,
        description="width x height in the header above which a file is refused",
    )
    max_file_bytes: int = Field(256 * 2**20, ge=1, description="larger files are refused without being read")
    min_side_px: int = Field(8, ge=1, description="images with a shorter side are refused")
    max_aspect_ratio: float = Field(20.0, ge=1, description="images more elongated than this are refused")
    alpha_background: tuple[int, int, int] = Field(
        (255, 255, 255), description="RGB colour, 0 to 255 each, on which transparent images are laid"
    )
    stored_short_side_px: int = Field(
        256, ge=8, le=4096, description="images are shrunk to this short side, never enlarged"
    )
    stored_format: StoredFormat = Field(StoredFormat.AUTO, description="png, jpeg, or auto: png up to 64 px, else jpeg")
    jpeg_quality: int = Field(95, ge=1, le=100, description="of images stored as JPEG")
    shard_bytes: int = Field(32 * 2**20, ge=2**10, description="aimed size of an output file")
    min_shards: int = Field(4, ge=1, description="output files per split at least, where it has 16 images for each")

    @pydantic.model_validator(mode="after")
    def _check(self) -> "IngestionConfig":
        if not all(0 <= value <= 255 for value in self.alpha_background):
            raise ValueError(f"alpha_background: three values from 0 to 255 expected, found {self.alpha_background}")
        folders = (self.train_folder, self.test_folder, self.unlabeled_folder)
        if len(set(folders)) < len(folders) or any("/" in name or name.startswith(".") for name in folders):
            raise ValueError(
                "train_folder, test_folder and unlabeled_folder: three different visible folder names expected, "
                f"found {', '.join(folders)}"
            )
        _check_span_pattern(self.span_pattern, self.span)
        return self


def _check_span_pattern(pattern: str, span: int | None) -> None:
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise ValueError(f"span_pattern: a folder below the data root expected, found {pattern!r}")
    rest = _SPAN_PLACEHOLDER.sub("", pattern)
    if re.search(r"[{}*?\[\]]", rest):
        raise ValueError(
            f"span_pattern: only {{SPAN}}, {{VERSION}}, {{YYYY}}, {{MM}} and {{DD}} are placeholders, found {pattern!r}"
        )
    if span is not None and rest == pattern:
        raise ValueError(f"span: {span} can't be chosen, because span_pattern {pattern!r} has no span or date in it")
