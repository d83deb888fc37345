"""ViewGen's steps as Beam sees them: names of files travel between workers, image bytes never do.

A worker reads a whole input file and writes the shards it becomes; so nothing is shuffled, and memory does not grow
with the data.
"""

import dataclasses
import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import cv2

from components.augmentation import held_out, shards, survey, view_records
from components.augmentation.config import ViewsConfig
from components.augmentation.stored_image import StoredImage
from components.contracts import records
from components.contracts.files import write_json
from components.contracts.images import ImageConfig
from components.contracts.progress import report_progress
from components.contracts.spreading import spread

_BATCH_IMAGES = 32  # drawn together
_BATCH_BYTES = 2 * 2**20  # of stored images, so that a batch of large ones does not fill the memory
_REPORT_EVERY_SECONDS = 2.0  # a log has a line for each
_NAMESPACE = "ViewGen"


class ForEachFile(beam.PTransform):
    """Gives files to workers and writes what they make of them, a value for JSON each, to ``path`` as one list.

    Args:
        files: in the form that ``worker`` takes.
        worker: ``(number, [file])`` in, ``(0, value)`` out.
        path: where all values go, in any order.
    """

    def __init__(self, files: Sequence[Any], worker: beam.DoFn, path: str):
        super().__init__()
        self._files, self._worker, self._path = files, worker, path

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Applied to a pipeline."""
        return (
            spread(pipeline, list, self._files)
            | "Work" >> beam.ParDo(self._worker)
            | "Gather" >> beam.GroupByKey()
            | "Write" >> beam.ParDo(_WriteValues(self._path))
        )


@beam.typehints.with_output_types(int)
class _WriteValues(beam.DoFn):
    def __init__(self, path: str):
        super().__init__()
        self._path = path

    @beam.typehints.no_annotations
    def process(self, element: tuple[int, Iterable[Any]]) -> None:
        _, values = element
        write_json(self._path, list(values))


@beam.typehints.with_output_types(tuple[int, Any])
class SurveyFile(beam.DoFn):
    """``survey.InputFile`` in, ``survey.FileSurvey`` as a mapping out."""

    def __init__(self, config: ViewsConfig, image_config: ImageConfig, smallest_rank: float):
        super().__init__()
        self._settings = config, image_config, smallest_rank

    @beam.typehints.no_annotations
    def process(self, element: tuple[int, Iterable[survey.InputFile]]) -> Iterator[tuple[int, dict[str, Any]]]:
        """See ``survey.survey_file``."""
        _, [file] = element
        yield 0, dataclasses.asdict(survey.survey_file(file, *self._settings))


@dataclasses.dataclass
class SplitTotals:
    """What was written of a split; sums, so order and sharding leave no trace in them."""

    records: int = 0
    bytes: int = 0  # of serialized records
    digest_sum: int = 0  # of their SHA-256, modulo 2**256

    def add(self, split: str, serialized: bytes) -> None:
        """Count one record."""
        self.records += 1
        self.bytes += len(serialized)
        digest = hashlib.sha256(split.encode() + b"\0" + serialized).digest()
        self.digest_sum = (self.digest_sum + int.from_bytes(digest, "big")) % 2**256

    def merge(self, other: "SplitTotals") -> "SplitTotals":
        """Both together."""
        digest_sum = (self.digest_sum + other.digest_sum) % 2**256
        return SplitTotals(self.records + other.records, self.bytes + other.bytes, digest_sum)


@beam.typehints.with_output_types(tuple[int, Any])
class WriteFile(beam.DoFn):
    """``survey.FilePlan`` in, ``{split: SplitTotals as a mapping}`` out; the file becomes its shards of both splits."""

    def __init__(self, split_dirs: dict[str, str], scratch_dir: str, config: ViewsConfig, image_config: ImageConfig):
        super().__init__()
        self._split_dirs, self._scratch_dir = split_dirs, scratch_dir
        self._config, self._image_config = config, image_config
        self._views = beam.metrics.Metrics.counter(_NAMESPACE, "views")
        self._images = {split: beam.metrics.Metrics.counter(_NAMESPACE, f"images_{split}") for split in split_dirs}

    def setup(self) -> None:
        """Beam has a worker per core, so OpenCV needs no threads of its own."""
        cv2.setNumThreads(1)

    @beam.typehints.no_annotations
    def process(self, element: tuple[int, Iterable[survey.FilePlan]]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Read the file from front to back, a batch at a time.

        Raises:
            CorruptRecordError: the file or a record in it is damaged.
            ValueError: the file is not what was surveyed.
        """
        _, [plan] = element
        ranges = {records.TRAIN: plan.train, records.EVAL: plan.eval}
        writers = {
            split: shards.ShardWriter(self._split_dirs[split], self._scratch_dir, ranges[split]) for split in ranges
        }
        totals = {split: SplitTotals() for split in ranges}
        for split, serialized in self._make_records(plan):
            writers[split].write(serialized)
            totals[split].add(split, serialized)
        for writer in writers.values():
            writer.close()
        yield 0, {split: dataclasses.asdict(each) for split, each in totals.items()}

    def _make_records(self, plan: survey.FilePlan) -> Iterator[tuple[str, bytes]]:
        done, total, reported = 0, plan.train.records + plan.eval.records, 0.0
        for batch in _batches(shards.read_images(plan.path)):
            train, evaluation = self._divide(plan, batch)
            made = view_records.train_records(train, self._config, self._image_config)
            yield from ((records.TRAIN, serialized) for serialized in made)
            for image in evaluation:
                yield records.EVAL, view_records.eval_record(image, self._image_config)
            self._views.inc(len(train) * self._config.views_per_image)
            self._images[records.TRAIN].inc(len(train))
            self._images[records.EVAL].inc(len(evaluation))
            done += len(train) + len(evaluation)
            if done == total or time.monotonic() - reported > _REPORT_EVERY_SECONDS:
                reported = time.monotonic()
                report_progress(done, total, f"views of {plan.split} images, {plan.path.rsplit('/', 1)[-1]}")

    def _divide(self, plan: survey.FilePlan, batch: list[StoredImage]) -> tuple[list[StoredImage], list[StoredImage]]:
        train, evaluation = [], []
        for image, rank in zip(batch, held_out.held_out_ranks(batch), strict=True):
            limits = rank, self._config.eval_fraction, plan.smallest_rank
            if plan.split == records.TRAIN and image.label is not None:
                (evaluation if held_out.is_held_out(*limits) else train).append(image)
            elif not held_out.is_left_out(image, *limits):
                train.append(image)
        return train, evaluation


def _batches(images: Iterable[StoredImage]) -> Iterator[list[StoredImage]]:
    batch: list[StoredImage] = []
    size = 0
    for image in images:
        batch.append(image)
        size += len(image.encoded)
        if len(batch) == _BATCH_IMAGES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
