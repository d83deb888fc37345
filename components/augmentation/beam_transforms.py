"""ViewGen's steps as Beam sees them: names of files travel between workers, image bytes never do.

A worker reads a whole input file and writes the shards it becomes; so nothing is shuffled, and memory does not grow
with the data.
"""

import dataclasses
import functools
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

_BATCH_IMAGES = 32  # drawn together
_BATCH_BYTES = 2 * 2**20  # of stored images, so that a batch of large ones does not fill the memory
_REPORT_EVERY_SECONDS = 2.0  # a log has a line for each
_NAMESPACE = "ViewGen"


class WriteViews(beam.PTransform):
    """Gives files to workers, and writes to ``path`` the ``FileTotals`` of all files together, as JSON.

    Args:
        files: numbered in this order; a shard has the number of its file.
        worker: writes the shards.
        path: of the totals.
    """

    def __init__(self, files: Sequence[survey.InputFile], worker: "WriteFile", path: str):
        super().__init__()
        self._files, self._worker, self._path = files, worker, path

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Applied to a pipeline."""
        totals = pipeline | "Files" >> beam.Create(list(enumerate(self._files))) | "Write" >> beam.ParDo(self._worker)
        path = self._path
        write = beam.Map(lambda _, parts: _write_totals(path, parts), beam.pvalue.AsIter(totals))
        return pipeline | beam.Impulse() | "WriteTotals" >> write.with_output_types(type(None))


@dataclasses.dataclass
class SplitTotals:
    """What was written of a split; sums, so order and sharding leave no trace in them."""

    records: int = 0
    size_bytes: int = 0  # of serialized records
    digest_sum: int = 0  # of their SHA-256, modulo 2**256

    def add(self, split: str, serialized: bytes) -> None:
        """Count one record."""
        self.records += 1
        self.size_bytes += len(serialized)
        digest = hashlib.sha256(split.encode() + b"\0" + serialized).digest()
        self.digest_sum = (self.digest_sum + int.from_bytes(digest, "big")) % 2**256

    def merge(self, other: "SplitTotals") -> "SplitTotals":
        """Both together."""
        digest_sum = (self.digest_sum + other.digest_sum) % 2**256
        return SplitTotals(self.records + other.records, self.size_bytes + other.size_bytes, digest_sum)


@dataclasses.dataclass
class FileTotals:
    """What was written of an input file."""

    splits: dict[str, SplitTotals]
    left_out: int = 0  # images of held-out groups that have no label

    def merge(self, other: "FileTotals") -> "FileTotals":
        """Both together."""
        splits = {split: of_split.merge(other.splits[split]) for split, of_split in self.splits.items()}
        return FileTotals(splits, self.left_out + other.left_out)

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> "FileTotals":
        """The inverse of ``dataclasses.asdict``."""
        return cls({split: SplitTotals(**of_split) for split, of_split in values["splits"].items()}, values["left_out"])


def _write_totals(path: str, totals: Iterable[FileTotals]) -> None:
    write_json(path, dataclasses.asdict(functools.reduce(FileTotals.merge, totals)))


class WriteFile(beam.DoFn):
    """``(number, file)`` in, its totals out.

    The file becomes its shards of both splits.

    Args:
        split_dirs: where the shards of each split end up.
        scratch_dir: on the same file system.
        config: of ViewGen.
        image_config: size and colour of the views.
        smallest_rank: of the labelled images, as ``survey.smallest_rank`` found it.
    """

    def __init__(
        self,
        split_dirs: dict[str, str],
        scratch_dir: str,
        config: ViewsConfig,
        image_config: ImageConfig,
        smallest_rank: float,
    ):
        super().__init__()
        self._split_dirs, self._scratch_dir = split_dirs, scratch_dir
        self._config, self._image_config, self._smallest_rank = config, image_config, smallest_rank
        self._views = beam.metrics.Metrics.counter(_NAMESPACE, "views")
        self._images = {split: beam.metrics.Metrics.counter(_NAMESPACE, f"images_{split}") for split in split_dirs}

    def setup(self) -> None:
        """Beam has a worker per core, so OpenCV needs no threads of its own."""
        cv2.setNumThreads(1)

    def process(self, element: tuple[int, survey.InputFile]) -> Iterator[FileTotals]:
        """Read the file from front to back, a batch at a time.

        Raises:
            CorruptRecordError: the file or a record in it is damaged.
        """
        number, file = element
        writers = {
            split: shards.ShardWriter(folder, self._scratch_dir, number, self._config.shard_bytes)
            for split, folder in self._split_dirs.items()
        }
        totals = FileTotals({split: SplitTotals() for split in writers})
        for batch in _in_batches(_with_progress(shards.read_images(file.path), file)):
            made = self._make_records(file.split, batch)
            for split, of_split in made.items():
                for serialized in of_split:
                    writers[split].write(serialized)
                    totals.splits[split].add(split, serialized)
                self._images[split].inc(len(of_split))
            self._views.inc(len(made[records.TRAIN]) * self._config.views_per_image)
            totals.left_out += len(batch) - sum(len(of_split) for of_split in made.values())
        for writer in writers.values():
            writer.close()
        report_progress(100, 100, _progress_label(file))
        yield totals

    def _make_records(self, split: str, batch: list[StoredImage]) -> dict[str, list[bytes]]:
        train, evaluation = self._divide(split, batch)
        return {
            records.TRAIN: view_records.train_records(train, self._config, self._image_config),
            records.EVAL: [view_records.eval_record(image) for image in evaluation],
        }

    def _divide(self, split: str, batch: list[StoredImage]) -> tuple[list[StoredImage], list[StoredImage]]:
        train: list[StoredImage] = []
        evaluation: list[StoredImage] = []
        for image, rank in zip(batch, held_out.held_out_ranks(batch), strict=True):
            limits = rank, self._config.eval_fraction, self._smallest_rank
            if split == records.TRAIN and image.label is not None:
                (evaluation if held_out.is_held_out(*limits) else train).append(image)
            elif not held_out.is_left_out(image, *limits):
                train.append(image)
        return train, evaluation


def _with_progress(images: Iterable[StoredImage], file: survey.InputFile) -> Iterator[StoredImage]:
    """The images; reports progress in percent of the file's bytes, because nobody has counted its records."""
    done, reported = 0, 0.0
    for image in images:
        yield image
        done += image.record_bytes
        if time.monotonic() - reported > _REPORT_EVERY_SECONDS:
            reported = time.monotonic()
            percent = min(99, 100 * done // max(file.size_bytes, 1))
            report_progress(percent, 100, _progress_label(file))


def _progress_label(file: survey.InputFile) -> str:
    return f"views of {file.split} images, {file.path.rsplit('/', 1)[-1]}"


def _in_batches(images: Iterable[StoredImage]) -> Iterator[list[StoredImage]]:
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
