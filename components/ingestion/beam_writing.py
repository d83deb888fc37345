"""The worker that writes output files: which one in, what was written out."""

import hashlib
import posixpath
from collections.abc import Iterable, Iterator

import apache_beam as beam
import tensorflow as tf
from apache_beam.metrics import Metrics

from components.ingestion.splits import buckets_of_shard, shard_index, shard_name, shuffle_key
from components.ingestion.staging import Place, StagingReader, new_path
from components.ingestion.work_order import KEPT, NAMESPACE, WorkOrder, read_copies


class WriteShard(beam.DoFn):
    """A gzipped TFRecord file to be written in; ``(name, records, sha256)`` out.

    The file is written whole or not at all, also where it has no records.
    """

    def __init__(self, order: WorkOrder):
        self._order = order
        self._written = Metrics.counter(NAMESPACE, "records_written")

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def process(self, shard: tuple[str, int, int]) -> Iterator[tuple[str, int, str]]:
        """Copy the records from staging in shuffled order."""
        split, index, shards = shard
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
        yield name, len(kept), digest

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()

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
