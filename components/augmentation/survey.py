"""Looks at the beginning of the input files before anything is written: how large the views will be, who is held out.

A data set is too large to be read twice. Only if ``eval_fraction`` holds no image out, all of train is read here too.
"""

import dataclasses
import itertools
from collections.abc import Sequence

from components.augmentation.config import ViewsConfig
from components.augmentation.held_out import held_out_ranks
from components.augmentation.shards import read_images
from components.augmentation.view_records import train_records
from components.contracts import records
from components.contracts.images import ImageConfig

_SAMPLE_IMAGES = 8  # the first of the largest file of each folder; their views are made
_BATCH_IMAGES = 32  # ranks that are computed together


@dataclasses.dataclass(frozen=True)
class InputFile:
    """A file of image records."""

    path: str
    split: str  # records.TRAIN or records.UNLABELED
    size_bytes: int


def smallest_rank(files: Sequence[InputFile], eval_fraction: float) -> float:
    """The rank whose image or group is held out in any case, so that at least one image is.

    The search ends with the first labelled image that ``eval_fraction`` holds out anyway, and returns its rank, which
    then changes nothing. If there is none, it returns the smallest rank of all labelled images.

    Args:
        files: of all splits; only train has images that may be held out.
        eval_fraction: part to hold out.

    Raises:
        ValueError: no image of train has a label.
        CorruptRecordError: a file or a record in it is damaged.
    """
    smallest = 1.0
    for file in files:
        images = read_images(file.path) if file.split == records.TRAIN else iter(())
        while smallest >= eval_fraction and (batch := list(itertools.islice(images, _BATCH_IMAGES))):
            ranks = held_out_ranks(batch)
            labelled = (float(rank) for image, rank in zip(batch, ranks, strict=True) if image.label is not None)
            smallest = min([smallest, *labelled])
    if smallest == 1:  # ranks are below 1
        raise ValueError("split train has no image with a label, so none can be held out for watching: label some")
    return smallest


def check_size(files: Sequence[InputFile], config: ViewsConfig, image_config: ImageConfig) -> int:
    """Estimate how many bytes will be written, from a sample of each folder, because splits and spans may differ.

    Args:
        files: all, those of a folder one after the other.
        config: of ViewGen.
        image_config: size and colour of the views.

    Raises:
        ValueError: more than ``max_view_bytes``.
        CorruptRecordError: a file or a record in it is damaged.
    """
    estimated = 0
    for _, group in itertools.groupby(files, lambda file: file.path.rpartition("/")[0]):
        of_folder = list(group)
        largest = max(of_folder, key=lambda file: file.size_bytes)
        images = list(itertools.islice(read_images(largest.path), _SAMPLE_IMAGES))
        if not images:
            continue
        read = sum(image.record_bytes for image in images)
        made = sum(len(record) for record in train_records(images, config, image_config))
        held_out = config.eval_fraction if largest.split == records.TRAIN else 0.0
        stored = sum(file.size_bytes for file in of_folder)
        estimated += round(stored * (held_out + (1.0 - held_out) * made / read))
    if estimated > config.max_view_bytes:
        raise ValueError(
            f"the views would take about {estimated:,} bytes, more than views.max_view_bytes allows "
            f"({config.max_view_bytes:,}): raise it, or lower views.views_per_image ({config.views_per_image})"
        )
    return estimated
