"""The workers that plan and write the output files: tallies in, findings about what was written out."""

import hashlib
import posixpath
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from components.ingestion.beam_decoding import FINDINGS
from components.ingestion.findings import SHARD, TALLY, finding
from components.ingestion.splits import buckets_of_shard, shard_count, shard_index, shard_name, shuffle_key
from components.ingestion.staging import Place, StagingReader, new_path
from components.ingestion.summary import Tally
from components.ingestion.work_order import KEPT, NAMESPACE, WorkOrder, read_copies


@beam.typehints.with_output_types(tuple[int, tuple])
class PlanShards(beam.DoFn):
    """All tallies in; ``(number, (split, index, number of files of the split))`` of every output file out.

    The sum of the tallies comes as a finding beside them.
    """

    def __init__(self, order: WorkOrder):
        self._config = order.config

    def process(self, element: tuple[int, Iterable[str]]) -> Iterator[Any]:
        """The numbers are there only to send each file to a worker of its own."""
        total = Tally()
        for tally in element[1]:
            total.merge(Tally.from_json(tally))
        yield TaggedOutput(FINDINGS, finding(TALLY, total.to_json()))
        number = 0
        for split in total.splits:
            size = self._config.shard_bytes
            shards = shard_count(total.records[split], total.bytes[split], size, self._config.min_shards)
            for index in range(shards):
                yield number, (split, index, shards)
                number += 1


class WriteShard(beam.DoFn):
    """Gzipped TFRecord files to be written in; findings out.

    The file is written whole or not at all, also where it has no records.
    """

    def __init__(self, order: WorkOrder):
        self._order = order
        self._written = Metrics.counter(NAMESPACE, "records_written")

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def process(self, element: tuple[int, Iterable[tuple]]) -> Iterator[tuple[int, str]]:
        """One key, one file."""
        [shard] = element[1]
        yield finding(SHARD, self._write_shard(*shard))

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()

    def _write_shard(self, split: str, index: int, shards: int) -> tuple[str, int, str]:
        """Copy the records from staging in shuffled order."""
        kept = [
            copy
            for bucket in buckets_of_shard(index, shards, self._order.buckets)
            for copy in read_copies(self._order, KEPT, bucket)
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
        # Level 0 packs without compressing: the images are compressed already, and level 1 took as long as a second
        # JPEG encoding to save 5 % of the bytes.
        options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
        with tf.io.TFRecordWriter(path, options) as writer:
            for place in places:
                record = self._reader.read(place)
                writer.write(record)
                hasher.update(len(record).to_bytes(8, "big") + record)
        return hasher.hexdigest()
