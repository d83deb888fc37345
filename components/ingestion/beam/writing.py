"""The workers that write the output files, each a part of them that follows from the tallies of all buckets."""

import hashlib
import posixpath
from collections.abc import Iterable
from typing import NamedTuple

import apache_beam as beam
import tensorflow as tf
from apache_beam.metrics import Metrics

from components.contracts.files import IMAGE_RECORDS
from components.contracts.worker import Worker
from components.ingestion.config import IngestionConfig
from components.ingestion.findings import SHARD, TALLY, finding, write_findings
from components.ingestion.splits import buckets_of_shard, shard_count, shard_index, shard_name, shuffle_key
from components.ingestion.staging import Place, StagingReader, new_path
from components.ingestion.summary import Tally
from components.ingestion.work_order import NAMESPACE, WorkOrder, read_kept


class _Plan(NamedTuple):
    buckets: list[int]  # in order; each writes some of the files
    shards: list[tuple[str, int, int]]  # split, index, number of files of the split
    tally: Tally  # of all


@beam.typehints.with_output_types(int)  # nothing comes out; but without a hint Beam derives one, which is slow
class WriteShards(Worker):
    """A bucket in; its part of the output files, gzipped TFRecord, into the output folder; nothing out.

    Beside it come the tallies of all buckets, from which every worker knows which files there are, and which are those
    of its bucket. A file is written whole or not at all; what was written is told as findings.
    """

    def __init__(self, order: WorkOrder):
        self._order = order
        self._written = Metrics.counter(NAMESPACE, "records_written")

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def start_bundle(self) -> None:
        """The plan is made once, not once for each bucket."""
        self._plan: _Plan | None = None

    def process(self, element: tuple[int, str], tallies: Iterable[tuple[int, str]]) -> None:
        """``tallies`` are ``(bucket, tally as JSON)``."""
        if self._plan is None:
            self._plan = _make_plan(tallies, self._order.config)
        position = self._plan.buckets.index(element[0])
        lines = [finding(TALLY, self._plan.tally.to_json())] if position == 0 else []
        for shard in self._plan.shards[position :: len(self._plan.buckets)]:
            lines.append(finding(SHARD, self._write_shard(*shard)))
        write_findings(self._order.staging_folder, f"written-{element[0]}", lines)

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()

    def _write_shard(self, split: str, index: int, shards: int) -> tuple[str, int, str]:
        """Copy the records from staging in shuffled order."""
        kept = [
            copy
            for bucket in buckets_of_shard(index, shards, self._order.buckets)
            for copy in read_kept(self._order, bucket)
            if copy.split == split and shard_index(copy.digest, shards) == index
        ]
        kept.sort(key=lambda copy: shuffle_key(copy.digest))
        name = posixpath.join(f"Split-{split}", shard_name(index, shards))
        final = posixpath.join(self._order.output_uri, name)
        unfinished = new_path(self._order.staging_folder)
        digest = self._write(unfinished, (Place(*copy.place) for copy in kept))
        tf.io.gfile.makedirs(posixpath.dirname(final))
        tf.io.gfile.rename(unfinished, final, overwrite=True)
        self._written.inc(len(kept))
        return name, len(kept), digest

    def _write(self, path: str, places: Iterable[Place]) -> str:
        hasher = hashlib.sha256()
        with tf.io.TFRecordWriter(path, IMAGE_RECORDS) as writer:
            for place in places:
                record = self._reader.read(place)
                writer.write(record)
                hasher.update(len(record).to_bytes(8, "big"))
                hasher.update(record)
        return hasher.hexdigest()


def _make_plan(tallies: Iterable[tuple[int, str]], config: IngestionConfig) -> _Plan:
    total, buckets, shards = Tally(), [], []
    for bucket, tally in tallies:
        buckets.append(bucket)
        total.merge(Tally.from_json(tally))
    for split in total.splits:
        count = shard_count(total.records[split], total.bytes[split], config.shard_bytes, config.min_shards)
        shards += [(split, index, count) for index in range(count)]
    return _Plan(sorted(buckets), shards, total)
