"""The workers that write the output files: the files to write follow from the tallies of all buckets."""

import hashlib
import itertools
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import apache_beam as beam
import tensorflow as tf
from apache_beam.metrics import Metrics

from components.contracts.files import IMAGE_RECORDS
from components.ingestion.config import IngestionConfig
from components.ingestion.outcome import Outcome, ResolvedBucket, Shard
from components.ingestion.splits import (
    buckets_of_shard,
    load_copies,
    shard_count,
    shard_index,
    shard_name,
    shuffle_key,
)
from components.ingestion.staging import StagedBytes, StagingReader, new_path
from components.ingestion.summary import sum_tallies
from components.ingestion.work_order import NAMESPACE, WorkOrder


class PlannedShard(NamedTuple):
    """An output file to write."""

    split: str
    position: int  # among the files of the split
    number: int  # of files of the split


def plan_shards(buckets: Mapping[int, ResolvedBucket], config: IngestionConfig) -> dict[int, list[PlannedShard]]:
    """The output files of all splits, by the bucket whose worker writes them.

    Args:
        buckets: all of them.
        config: holds the size of the files.
    """
    planned: dict[int, list[PlannedShard]] = {bucket: [] for bucket in buckets}
    writers = itertools.cycle(sorted(buckets))
    tally = sum_tallies(bucket.tally for bucket in buckets.values())
    for split in tally.splits:
        number = shard_count(tally.records[split], tally.bytes[split], config.shard_bytes, config.min_shards)
        for index in range(number):
            planned[next(writers)].append(PlannedShard(split, index, number))
    return planned


class WriteShards(beam.DoFn):
    """Buckets in; gzipped TFRecord files in the output folder, each whole or not at all, and a report per bucket out.

    Each worker writes the files that ``plan_shards`` gives to its buckets. A file also holds records of other buckets.
    """

    def __init__(self, order: WorkOrder):
        self._order = order
        self._written = Metrics.counter(NAMESPACE, "records_written")

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def start_bundle(self) -> None:
        """The plan is made once for all buckets of the bundle."""
        self._plan: dict[int, list[PlannedShard]] | None = None

    def process(self, element: tuple[int, ResolvedBucket], buckets: dict[int, ResolvedBucket]) -> Iterator[Outcome]:
        """Write the files of a bucket and report them and its tally.

        Args:
            element: the bucket and its images.
            buckets: all of them.
        """
        bucket, resolved = element
        if self._plan is None:
            self._plan = plan_shards(buckets, self._order.config)
        shards = tuple(self._write_shard(planned, buckets) for planned in self._plan[bucket])
        yield Outcome(tally=resolved.tally, shards=shards)

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()

    def _write_shard(self, planned: PlannedShard, buckets: dict[int, ResolvedBucket]) -> Shard:
        """Copy the records from staging in shuffled order."""
        numbers = buckets_of_shard(planned.position, planned.number, self._order.buckets)
        copies = [
            copy
            for number in numbers
            if number in buckets
            for copy in load_copies(self._reader.read(buckets[number].copies))
            if copy.split == planned.split and shard_index(copy.digest, planned.number) == planned.position
        ]
        copies.sort(key=lambda copy: shuffle_key(copy.digest))
        name = posixpath.join(f"Split-{planned.split}", shard_name(planned.position, planned.number))
        final = posixpath.join(self._order.output_uri, name)
        unfinished = new_path(self._order.staging_folder)
        digest = self._write_records(unfinished, (copy.staged for copy in copies))
        tf.io.gfile.makedirs(posixpath.dirname(final))
        tf.io.gfile.rename(unfinished, final, overwrite=True)
        self._written.inc(len(copies))
        return Shard(name, len(copies), digest)

    def _write_records(self, path: str, records: Iterable[StagedBytes]) -> str:
        hasher = hashlib.sha256()
        with tf.io.TFRecordWriter(path, IMAGE_RECORDS) as writer:
            for staged in records:
                record = self._reader.read(staged)
                writer.write(record)
                hasher.update(len(record).to_bytes(8, "big"))
                hasher.update(record)
        return hasher.hexdigest()
