"""Settings of ingestion: where images come from, which are refused, how they are split and stored."""

import enum
import pkgutil
import re
from typing import Any, Literal

import pydantic
from pydantic import Field

from components.contracts.configuration import configuration
from components.ingestion.reading import sources

# Pillow itself refuses above twice its MAX_IMAGE_PIXELS; a higher limit of ours would be no limit.
_PILLOW_PIXEL_LIMIT = 178_956_970
# Settings in which spans of one series may differ: which span is read, when the step fails, how files are cut.
NOT_OF_A_SERIES = ("span", "max_undecodable_fraction", "min_images_per_class", "shard_bytes", "min_shards")
AUTO: Literal["auto"] = "auto"
_WHITE_OF_16_BITS = 65535
_SPAN_PLACEHOLDER = re.compile(r"\{(SPAN|VERSION)(:[1-9][0-9]*)?\}|\{(YYYY|MM|DD)\}")


class CifarLabel(str, enum.Enum):
    """Which label of CIFAR-100 is the class: the fine one (of 100) or the coarse one (of 20)."""

    FINE = "fine"
    COARSE = "coarse"


class ValidationPart(str, enum.Enum):
    """The split of what a source calls validation; the probe holds out a part of train for itself."""

    TRAIN = "train"
    TEST = "test"


class NearDuplicates(str, enum.Enum):
    """What to do with images of train or unlabeled that look like one of test."""

    REPORT = "report"
    REMOVE_FROM_TRAIN = "remove_from_train"
    OFF = "off"


class StoredFormat(str, enum.Enum):
    """How stored images are encoded; ``auto`` is PNG up to 64 px, where JPEG would show, and JPEG above."""

    PNG = "png"
    JPEG = "jpeg"
    AUTO = "auto"


_WHITE_OF_16_BITS = 65535


@configuration
class ManifestConfig:
    """Where a manifest is and what its columns are called."""

    file: str = Field(
        default="manifest.csv", min_length=1, description="below the data root; .csv, .tsv, .jsonl, .ndjson or .parquet"
    )
    path: str = Field(default="path", min_length=1, description="column of the image files, relative to the manifest")
    label: str = Field(default="label", min_length=1, description="column of class names or integers; may be absent")
    split: str = Field(
        default="split", min_length=1, description="column of train, val, test or unlabeled; may be absent"
    )
    group: str = Field(default="group", min_length=1, description="column of what stays on one side; may be absent")


@configuration
class TFRecordConfig:
    """Which TFRecord files are read and what the features of their tf.Examples are called."""

    files: str = Field(default="*.tfrecord*", min_length=1, description="pattern of the file names, in any folder")
    image: str = Field(default="image", min_length=1, description="bytes feature: an encoded image")
    label: str = Field(default="label", min_length=1, description="bytes or int64 feature: class name or integer")
    group: str = Field(default="group", min_length=1, description="bytes or int64 feature: what stays on one side")


@configuration
class NpzConfig:
    """Which npz files are read."""

    files: str = Field(
        default="*.npz",
        min_length=1,
        description="pattern of the file names, in any folder; needed where files of several data sets lie together",
    )


@configuration
class IdxConfig:
    """Which IDX files of images are read."""

    files: str = Field(
        default="*images*idx*",
        min_length=1,
        description="pattern of the names of the files of images, in any folder; needed where files of several data "
        "sets lie together",
    )


@configuration
class WebDatasetConfig:
    """Which tar files are read and where a sample's label and group are."""

    files: str = Field(default="*.tar", min_length=1, description="pattern of the file names, in any folder")
    image: str = Field(
        default="",
        description="extension of the member with the image; empty: the first one that is named like an image",
    )
    label: str = Field(
        default="cls",
        min_length=1,
        description="extension of the member with the label, or json.KEY for a key of the .json",
    )
    group: str = Field(
        default="group",
        min_length=1,
        description="extension of the member with the group, or json.KEY for a key of the .json",
    )


@configuration
class IngestionConfig:
    """What ImageExampleGen needs to know."""

    source: str = Field(
        default="image_folder", description="layout of the data root: a file in ingestion/reading/sources"
    )
    span_pattern: str = Field(
        default="",
        description="folder of a span below the data root, such as 'span-{SPAN}' or '{YYYY}-{MM}-{DD}/{VERSION}'; "
        "empty where there are no spans",
    )
    span: int | None = Field(
        default=None, ge=0, description="span to ingest (for dates: days since 1970-01-01); null for the latest"
    )
    train_folder: str = Field(default="train", min_length=1, description="image_folder: holds one folder per class")
    test_folder: str = Field(default="test", min_length=1, description="image_folder: likewise, for the test split")
    unlabeled_folder: str = Field(default="unlabeled", min_length=1, description="image_folder: images without labels")
    manifest: ManifestConfig = Field(default=ManifestConfig(), description="source manifest")
    npz: NpzConfig = Field(default=NpzConfig(), description="source npz")
    idx: IdxConfig = Field(default=IdxConfig(), description="source idx")
    tfrecord: TFRecordConfig = Field(default=TFRecordConfig(), description="source tfrecord")
    webdataset: WebDatasetConfig = Field(default=WebDatasetConfig(), description="source webdataset")
    cifar100_label: CifarLabel = Field(
        default=CifarLabel.FINE, description="source cifar100_binary: fine or coarse classes"
    )
    class_names_file: str = Field(
        default="",
        description="text file below the data root, a class name per line, for sources with integer labels; empty: the "
        "integers are the names",
    )
    missing_label: str = Field(
        default="",
        description="label that says that there is none, such as '-1'; an empty or absent one says so anyway",
    )
    validation_part: ValidationPart = Field(
        default=ValidationPart.TRAIN, description="split that becomes of what a source calls val: train or test"
    )
    test_fraction: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="part of the labelled images that becomes test where the source has no test split",
    )
    near_duplicates: NearDuplicates = Field(
        default=NearDuplicates.REPORT,
        description="images of train or unlabeled that look like one of test: report, remove_from_train or off",
    )
    near_duplicate_bits: int = Field(
        default=6,
        ge=0,
        le=7,
        description="images whose perceptual hashes of 64 bits differ in no more are near-duplicates",
    )
    min_images_per_class: int = Field(default=2, ge=1, description="fewer train images of a class are an error")
    max_undecodable_fraction: float = Field(
        default=0.05, ge=0, le=1, description="the step fails when a larger part of the files is refused"
    )
    max_pixels: int = Field(
        default=64_000_000,
        ge=1,
        le=_PILLOW_PIXEL_LIMIT,
        description="width x height in the header above which a file is refused",
    )
    max_file_bytes: int = Field(default=256 * 2**20, ge=1, description="larger files are refused without being read")
    min_side_px: int = Field(default=8, ge=1, description="images with a shorter side are refused")
    max_aspect_ratio: float = Field(default=20.0, ge=1, description="images more elongated than this are refused")
    white_level: Literal["auto"] | int = Field(
        default=AUTO,
        description="value, 1 to 65535, that is white in images of 16 bits; auto: the largest value of as many bits as "
        "all of them together use",
    )
    alpha_background: tuple[int, int, int] = Field(
        default=(255, 255, 255), description="RGB colour, 0 to 255 each, on which transparent images are laid"
    )
    stored_short_side_px: int = Field(
        default=256, ge=8, le=4096, description="images are shrunk to this short side, never enlarged"
    )
    stored_format: StoredFormat = Field(
        default=StoredFormat.AUTO, description="png, jpeg, or auto: png up to 64 px, else jpeg"
    )
    jpeg_quality: int = Field(
        default=95,
        ge=1,
        le=100,
        description="of images encoded as JPEG; a JPEG file that needs no change is stored as it came",
    )
    shard_bytes: int = Field(default=32 * 2**20, ge=2**10, description="aimed size of an output file")
    min_shards: int = Field(
        default=4, ge=1, description="output files per split at least, where it has 16 images for each"
    )

    @pydantic.field_validator("near_duplicates", mode="before")
    @classmethod
    def _read_off(cls, value: Any) -> Any:
        """YAML takes a bare ``off`` for false."""
        return NearDuplicates.OFF.value if value is False else value

    @pydantic.field_validator("source")
    @classmethod
    def _check_source(cls, name: str) -> str:
        known = sorted(module.name for module in pkgutil.iter_modules(sources.__path__))
        if name not in known:
            raise ValueError(f"one of {', '.join(known)} expected, found {name!r}")
        return name

    @pydantic.model_validator(mode="after")
    def _check(self) -> "IngestionConfig":
        if not all(0 <= value <= 255 for value in self.alpha_background):
            raise ValueError(f"alpha_background: three values from 0 to 255 expected, found {self.alpha_background}")
        if isinstance(self.white_level, int) and not 1 <= self.white_level <= _WHITE_OF_16_BITS:
            raise ValueError(
                f"white_level: auto or a value from 1 to {_WHITE_OF_16_BITS} expected, found {self.white_level}"
            )
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
