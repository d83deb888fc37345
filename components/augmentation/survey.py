"""Counts before anything is written: input files go in, how many records, bytes and shards they will make comes out.

Knowing the counts first gives every shard its final number, an estimate to refuse by, and at least one held-out image.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence

from components.augmentation.config import ViewsConfig
from components.augmentation.held_out import held_out_ranks, is_left_out
from components.augmentation.shards import ShardRange, read_images
from components.augmentation.view_records import train_records
from components.contracts import records
from components.contracts.images import ImageConfig

SAMPLE_IMAGES = 8  # of each file, whose views are made to see how large they get
_BATCH_IMAGES = 32  # their bytes are in memory


@dataclasses.dataclass(frozen=True)
class InputFile:
    """A file of image records and the split it belongs to (``records.TRAIN`` or ``records.UNLABELED``)."""

    path: str
    split: str


@dataclasses.dataclass(frozen=True)
class FileSurvey:
    """What one input file holds."""

    path: str
    split: str
    images: int
    labelled: int  # those that may be held out
    held_out: int  # of them, with a rank below the fraction
    held_out_bytes: int  # stored bytes of those
    smallest_rank: float  # of the labelled ones; 1 where there are none
    smallest_rank_images: int  # of the labelled ones, those with that rank: one group's, or a single one
    left_out: int  # of the others, those of a held-out group
    sampled_images: int
    sampled_view_bytes: int  # view records made of the sampled images


@dataclasses.dataclass(frozen=True)
class FilePlan:
    """What becomes of one input file."""

    path: str
    split: str
    train: ShardRange
    eval: ShardRange
    smallest_rank: float  # of all labelled images


@dataclasses.dataclass(frozen=True)
class Plan:
    """What will be written."""

    files: tuple[FilePlan, ...]
    train_records: int
    eval_records: int
    left_out: int  # images of held-out groups that have no label
    estimated_bytes: int


def survey_file(file: InputFile, config: ViewsConfig, image_config: ImageConfig, smallest_rank: float) -> FileSurvey:
    """Read one file from front to back and count.

    Args:
        file: to be read.
        config: of ViewGen.
        image_config: size and colour of the views.
        smallest_rank: of the labelled images of all files, as far as it is known and matters; see ``held_out``.

    Raises:
        CorruptRecordError: the file or a record in it is damaged.
    """
    images = labelled = held_out = held_out_bytes = left_out = sampled = sampled_bytes = smallest_images = 0
    smallest = 1.0
    stream = read_images(file.path)
    while batch := list(itertools.islice(stream, _BATCH_IMAGES if images else SAMPLE_IMAGES)):
        if not images:
            sampled = len(batch)
            sampled_bytes = sum(len(record) for record in train_records(batch, config, image_config))
        images += len(batch)
        for image, rank in zip(batch, held_out_ranks(batch), strict=True):
            if image.label is None or file.split != records.TRAIN:
                left_out += is_left_out(image, rank, config.eval_fraction, smallest_rank)
                continue
            labelled += 1
            smallest_images = 1 if rank < smallest else smallest_images + (rank == smallest)
            smallest = min(smallest, rank)
            if rank < config.eval_fraction:
                held_out += 1
                held_out_bytes += len(image.encoded)
    return FileSurvey(
        file.path, file.split, images, labelled, held_out, held_out_bytes, float(smallest), int(smallest_images),
        left_out, sampled, sampled_bytes,
    )  # fmt: skip


def make_plan(surveys: Sequence[FileSurvey], config: ViewsConfig) -> Plan:
    """Number the shards of all files.

    Args:
        surveys: of all input files, in any order.
        config: size of shards and limit of bytes.

    Returns:
        The plan, with files in the order of split and path.

    Raises:
        ValueError: no labelled image to hold out, none left to train on, or more bytes than ``max_view_bytes``.
    """
    surveys = sorted(surveys, key=lambda survey: (survey.split, survey.path))
    if not any(survey.labelled for survey in surveys):
        raise ValueError("split train has no image with a label, so none can be held out for watching: label some")
    smallest_rank = smallest_rank_of(surveys)
    held_out = [_held_out(survey, config, smallest_rank) for survey in surveys]
    train = [survey.images - count - survey.left_out for survey, count in zip(surveys, held_out, strict=True)]
    if not any(train):
        raise ValueError(
            f"all {sum(held_out)} images of split train would be held out for watching: lower views.eval_fraction "
            f"({config.eval_fraction:g}) or bring more images"
        )
    train_bytes = [_train_bytes(survey, count) for survey, count in zip(surveys, train, strict=True)]
    estimated = sum(train_bytes) + sum(survey.held_out_bytes for survey in surveys)
    if estimated > config.max_view_bytes:
        raise ValueError(
            f"the views would take about {estimated:,} bytes, more than views.max_view_bytes allows "
            f"({config.max_view_bytes:,}): raise it, or lower views.views_per_image ({config.views_per_image})"
        )
    train_shards = _number_shards(train, train_bytes, config.shard_bytes)
    eval_shards = _number_shards(held_out, [survey.held_out_bytes for survey in surveys], config.shard_bytes)
    files = tuple(
        FilePlan(survey.path, survey.split, train_range, eval_range, smallest_rank)
        for survey, train_range, eval_range in zip(surveys, train_shards, eval_shards, strict=True)
    )
    return Plan(files, sum(train), sum(held_out), sum(survey.left_out for survey in surveys), estimated)


def smallest_rank_of(surveys: Sequence[FileSurvey]) -> float:
    """The smallest rank of the labelled images of all files."""
    return min(survey.smallest_rank for survey in surveys)


def _held_out(survey: FileSurvey, config: ViewsConfig, smallest_rank: float) -> int:
    """Images of a file that ``held_out.is_held_out`` chooses."""
    if smallest_rank < config.eval_fraction:
        return survey.held_out
    return survey.smallest_rank_images if survey.smallest_rank == smallest_rank else 0


def _train_bytes(survey: FileSurvey, train_images: int) -> int:
    return math.ceil(train_images * survey.sampled_view_bytes / survey.sampled_images) if survey.images else 0


def _number_shards(counts: Sequence[int], sizes: Sequence[int], shard_bytes: int) -> list[ShardRange]:
    """Consecutive shard numbers; files without records get none, and no file more shards than records."""
    shards = [min(count, max(1, round(size / shard_bytes))) for count, size in zip(counts, sizes, strict=True)]
    first = [0, *itertools.accumulate(shards)]
    return [
        ShardRange(start, number, first[-1], count)
        for start, number, count in zip(first[:-1], shards, counts, strict=True)
    ]
