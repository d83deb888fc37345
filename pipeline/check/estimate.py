"""How long a run takes and how much space it needs, from some images and steps that are timed here."""

import dataclasses
import itertools
import time
import warnings
from collections.abc import Iterable, Iterator

import numpy as np

from components.augmentation import stored_image, view_records
from components.ingestion.decoding.decoder import Decoded, decode_image_bytes, decode_pixels, decoding_rules
from components.ingestion.decoding.refusals import Refusal, RefusedImage
from components.ingestion.decoding.stored_record import make_records
from components.ingestion.reading.source import Item, Source, SourceImage
from components.pretraining import devices
from components.pretraining.dataset import Batch
from components.pretraining.training_step import ImageShape, TrainingStep
from components.simclr.augmentation import augmentations, draws
from pipeline.check.counts import Counts
from pipeline.config import PipelineConfig

_IMAGES = 16
_MOST_SECONDS = 10.0  # that steps are timed for, after the first one
_MOST_STEPS = 5
_WORK_COPIES = 2  # of the stored images and of the views: while a step sorts and packs them, they are there twice


@dataclasses.dataclass(frozen=True)
class TimedImages:
    """What a few images took; seconds and bytes are means over the decoded ones."""

    decoded: int
    refusals: tuple[Refusal, ...]
    seconds: float  # to read, decode and encode an image
    stored_bytes: float
    view_seconds: float  # to cut and encode the views of an image
    view_bytes: float


@dataclasses.dataclass(frozen=True)
class TimedSteps:
    """What the steps of training took."""

    first_seconds: float  # of building the network and the first step, which compiles
    seconds: float  # of a later one
    steps: int


def time_images(source: Source, sample: list[Item], config: PipelineConfig) -> TimedImages:
    """Ingest a few images and cut their views, as the steps do."""
    rules = decoding_rules(config.ingestion, config.image)
    refusals: list[Refusal] = []
    kept: list[tuple[Decoded, SourceImage]] = []
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for image in itertools.islice(_load(source, sample), _IMAGES):
            try:
                if isinstance(image, Refusal):
                    refusals.append(image)
                elif isinstance(image.content, bytes):
                    kept.append((decode_image_bytes(image.content, rules), image))
                else:
                    kept.append((decode_pixels(image.content, rules), image))
            except RefusedImage as refused:
                refusals.append(refused.refusal(image.path))
    made = [record.serialized for record in make_records(kept, config.ingestion)] if kept else []
    seconds = time.perf_counter() - started
    stored = [stored_image.parse_record(serialized, "the sample") for serialized in made]
    started = time.perf_counter()
    views = view_records.train_records(stored, config.views, config.image) if stored else []
    view_seconds, number = time.perf_counter() - started, max(len(kept), 1)
    return TimedImages(
        decoded=len(kept),
        refusals=tuple(refusals),
        seconds=seconds / number,
        stored_bytes=sum(map(len, made)) / number,
        view_seconds=view_seconds / number,
        view_bytes=sum(map(len, views)) / number,
    )


def _load(source: Source, sample: list[Item]) -> Iterator[SourceImage | Refusal]:
    """Images of items from the whole list: the first ones of each, equally many."""
    chosen = [sample[row] for row in np.unique(np.linspace(0, len(sample) - 1, _IMAGES).astype(int))] if sample else []
    of_each = -(-_IMAGES // max(len(chosen), 1))
    for item in chosen:
        try:
            yield from itertools.islice(source.load(item), of_each)
        except RefusedImage as refused:
            yield refused.refusal(item.path)


def pretraining_images(counts: Counts, config: PipelineConfig) -> int:
    """About how many images pretraining sees, once test and the images for watching are set apart."""
    labelled = counts.train + counts.undecided * (1 - config.ingestion.test_fraction)
    return int(labelled * (1 - config.views.eval_fraction)) + counts.unlabeled


def needed_bytes(timed: TimedImages, counts: Counts, config: PipelineConfig) -> int:
    """Space that the stored images and the views take while they are written."""
    images = counts.labelled + counts.unlabeled
    stored, views = images * timed.stored_bytes, pretraining_images(counts, config) * timed.view_bytes
    return round(_WORK_COPIES * (stored + views))


def time_steps(config: PipelineConfig) -> TimedSteps:
    """Train for some steps on random pixels, on the devices of the config.

    Raises:
        MissingGpu: the config asks for more GPUs than there are.
    """
    pretraining, size, channels = config.pretraining, config.image.size_px, config.image.channels
    devices.check_gpus(pretraining.num_gpus)
    started = time.perf_counter()
    with devices.op_determinism(pretraining.deterministic):
        image = ImageShape(size, channels, np.full(channels, 128, np.float32), np.full(channels, 64, np.float32))
        step = TrainingStep(pretraining, image, 0, 1000, devices.replica_devices(pretraining.num_gpus))
        batch = _random_batch(config)
        np.asarray(step.run(batch).metrics)
        first = time.perf_counter() - started
        taken: list[float] = []
        while len(taken) < _MOST_STEPS and sum(taken) < _MOST_SECONDS:
            started = time.perf_counter()
            np.asarray(step.run(batch).metrics)
            taken.append(time.perf_counter() - started)
    return TimedSteps(first, _median(taken), len(taken))


def _random_batch(config: PipelineConfig) -> Batch:
    size, channels = config.image.size_px, config.image.channels
    views = 2 * config.pretraining.global_batch_size
    pixels = np.random.default_rng(0).integers(0, 256, (views, size, size, channels), np.uint8)
    keys = draws.view_keys(0, np.arange(views, dtype=np.uint64), 0, 0)
    return Batch(pixels, augmentations.draw_online(config.pretraining.augmentation, keys, size, channels))


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))
