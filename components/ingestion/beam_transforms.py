"""Ingestion as a Beam pipeline: units of work in, output files, counts and refusals out.

Each image is decoded exactly once. The decoding worker writes the finished record, and what is known of it, to staging;
what passes the shuffles is only where to look, so that memory does not grow with the data set even on the local runner,
which shuffles in memory. Counters are in the namespace ``simclr.ingestion``.
"""

import hashlib
import itertools
import json
import posixpath
import warnings
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow as tf
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from components.ingestion.config import IngestionConfig
from components.ingestion.decode_meter import DecodeMeter
from components.ingestion.decoding import DecodingRules, decode_image_bytes, decode_pixels
from components.ingestion.refusals import Reason, Refusal, RefusedImage, is_meant_as_image
from components.ingestion.sources.registry import open_source
from components.ingestion.sources.source import Item, SourceImage
from components.ingestion.splits import (
    Copy,
    bucket_count,
    bucket_index,
    buckets_of_shard,
    resolve,
    shard_count,
    shard_index,
    shard_name,
    shuffle_key,
)
from components.ingestion.staging import Place, StagingReader, StagingWriter, new_path, read_whole, write_whole
from components.ingestion.stored_record import make_record
from components.ingestion.summary import Tally

NAMESPACE = "simclr.ingestion"
REFUSED = "refused"
# What the pipeline tells its caller: files in the staging folder, each line a JSON list that begins with one of these.
FINDINGS_PREFIX = "findings-"
REFUSAL = "refusal"  # followed by a Refusal
TALLY = "tally"  # followed by a Tally as JSON
SHARD = "shard"  # followed by (name, records, sha256) of an output file
_FINDINGS_FILES = 8
_COPIES_PER_RUN = 4096


class WorkOrder(NamedTuple):
    """What every worker must know."""

    root: str  # data root
    output_uri: str  # of the Examples artifact
    staging_folder: str
    images: int  # how many images the items name
    config: IngestionConfig
    rules: DecodingRules

    @property
    def buckets(self) -> int:
        """Into how many parts the copies are divided."""
        return bucket_count(self.images)


class IngestImages(beam.PTransform):
    """The whole of ingestion; applied to the places of the items, in portions of a few dozen images."""

    def __init__(self, order: WorkOrder):
        super().__init__()
        self._order = order

    def expand(self, portions):
        """Takes a ``Place`` in staging per portion (one JSON list, an ``Item``, per line); returns findings files."""
        order = self._order
        decoded = (
            portions
            | "SpreadPortions" >> beam.Reshuffle()
            | "DecodeAndStage" >> beam.ParDo(DecodeAndStage(order)).with_outputs(REFUSED, main="runs")
        )
        resolved = (
            decoded["runs"]
            | "ByBucket" >> beam.GroupByKey()
            | "Resolve" >> beam.ParDo(ResolveBucket(order)).with_outputs(REFUSED, main="tallies")
        )
        tally = resolved["tallies"] | "Tally" >> beam.CombineGlobally(TallyFn()).without_defaults()
        shards = (
            tally  # exists only when all buckets are resolved
            | "Shards" >> beam.FlatMap(_shards, order.config)
            | "SpreadShards" >> beam.Reshuffle()
            | "WriteShard" >> beam.ParDo(WriteShard(order))
        )
        findings = (
            decoded[REFUSED] | "RefusedByDecoder" >> beam.Map(_finding, REFUSAL),
            resolved[REFUSED] | "RefusedByRule" >> beam.Map(_finding, REFUSAL),
            tally | "Tallied" >> beam.Map(_finding, TALLY),
            shards | "Written" >> beam.Map(_finding, SHARD),
        )
        return (
            findings
            | beam.Flatten()
            | "SpreadFindings" >> beam.GroupByKey()
            | "WriteFindings" >> beam.Map(_write_findings, order.staging_folder)
        )


# Beam makes typed coders from hints. They say what the main output holds; an annotation can't tell outputs apart.
@beam.typehints.with_output_types(tuple[int, tuple])
class DecodeAndStage(beam.DoFn):
    """A portion of items in; ``(bucket, place of a run)`` out, and refusals beside it.

    A run is what is known (``Copy``, as lines of JSON) of some images of one bucket.
    """

    def __init__(self, order: WorkOrder):
        self._order = order
        self._decoded = Metrics.counter(NAMESPACE, "images_decoded")
        self._bytes = Metrics.counter(NAMESPACE, "bytes_staged")

    def setup(self) -> None:
        """Once per worker."""
        self._source = open_source(self._order.root, self._order.config)
        self._meter = DecodeMeter.of(self._order.staging_folder, self._order.images)
        self._items = StagingReader(self._order.staging_folder)
        warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters of them comes back as refusals

    def start_bundle(self) -> None:
        """A staging file belongs to one bundle, so that a bundle that is tried again leaves no half-valid file."""
        self._writer: StagingWriter | None = None
        self._copies: list[Copy] = []

    def process(self, portion: tuple) -> Iterator[Any]:
        """Decode, encode and stage every image of some items."""
        for line in self._items.read(Place(*portion)).splitlines():
            item = Item(*json.loads(line))
            try:
                for image in self._source.load(item):
                    refusal = self._stage(image) if isinstance(image, SourceImage) else image
                    if refusal:
                        yield _refused(refusal)
            except RefusedImage as refused:
                yield _refused(refused.refusal(item.path))
            self._meter.add(item.count)
        if len(self._copies) >= _COPIES_PER_RUN:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        """Write the last runs and make all readable before anyone is told where it is."""
        for run in self._flush():
            yield GlobalWindows.windowed_value(run)
        if self._writer:
            self._writer.close()

    def teardown(self) -> None:
        """Close what is open."""
        self._items.close()

    def _stage(self, image: SourceImage) -> Refusal | None:
        try:
            decode = decode_image_bytes if isinstance(image.content, bytes) else decode_pixels
            decoded = decode(image.content, self._order.rules)
        except RefusedImage as refused:
            return _not_meant(refused.refusal(image.path))
        record = make_record(decoded, image, self._order.config)
        if self._writer is None:
            self._writer = StagingWriter(self._order.staging_folder)
        place = self._writer.append(record.serialized)
        channels = decoded.source_channels
        self._copies.append(Copy(record.digest, image.path, image.label, image.split, image.group, channels, *place))
        self._decoded.inc()
        self._bytes.inc(place.size)
        return None

    def _flush(self) -> Iterator[tuple[int, tuple]]:
        buckets: dict[int, list[Copy]] = {}
        for copy in self._copies:
            buckets.setdefault(bucket_index(copy.digest, self._order.buckets), []).append(copy)
        for bucket, copies in buckets.items():
            yield bucket, tuple(self._writer.append(_to_lines(copies)))
        self._copies = []


def _not_meant(refusal: Refusal) -> Refusal:
    """What is no image and is not named like one is no loss."""
    unknown = refusal.reason in (Reason.UNKNOWN_FORMAT.value, Reason.EMPTY_FILE.value)
    if unknown and not is_meant_as_image(refusal.path):
        return refusal._replace(reason=Reason.NOT_AN_IMAGE.value)
    return refusal


def _refused(refusal: Refusal) -> TaggedOutput:
    Metrics.counter(NAMESPACE, f"refused_{refusal.reason}").inc()
    return TaggedOutput(REFUSED, tuple(refusal))


@beam.typehints.with_output_types(str)
class ResolveBucket(beam.DoFn):
    """All runs of a bucket in; the kept copies into a file of staging, their tally (JSON) out, refusals beside it."""

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def process(self, element: tuple[int, Iterable[tuple]]) -> Iterator[Any]:
        """See ``splits.resolve``."""
        bucket, runs = element
        copies = sorted(copy for run in runs for copy in _from_lines(self._reader.read(Place(*run))))
        tally, kept = Tally(), []
        for _, same in itertools.groupby(copies, key=lambda copy: copy.digest):
            resolved = resolve(same, self._order.config.test_fraction)
            yield from map(_refused, resolved.refusals)
            if resolved.kept:
                kept.append(resolved.kept)
                tally.add(resolved.kept)
        write_whole(self._order.staging_folder, _kept_path(self._order, bucket), _to_lines(kept))
        yield tally.to_json()

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()


class TallyFn(beam.CombineFn):
    """Tallies (JSON) in, their sum (JSON) out."""

    def create_accumulator(self) -> Tally:
        """Nothing counted."""
        return Tally()

    def add_input(self, mutable_accumulator: Tally, element: str) -> Tally:
        """Add one tally."""
        mutable_accumulator.merge(Tally.from_json(element))
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        """Add all tallies."""
        merged = Tally()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: Tally) -> str:
        """The sum as JSON."""
        return accumulator.to_json()


def _shards(tally: str, config: IngestionConfig) -> Iterator[tuple[str, int, int]]:
    """(split, index, number of files of the split) of every output file."""
    counts = Tally.from_json(tally)
    for split in counts.splits:
        shards = shard_count(counts.records[split], counts.bytes[split], config.shard_bytes, config.min_shards)
        for index in range(shards):
            yield split, index, shards


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
            for copy in _read_kept(self._order, bucket)
            if copy.split == split and shard_index(copy.digest, shards) == index
        ]
        kept.sort(key=lambda copy: shuffle_key(copy.digest))
        name = posixpath.join(f"Split-{split}", shard_name(index, shards))
        final = posixpath.join(self._order.output_uri, name)
        unfinished = new_path(self._order.staging_folder)
        digest = self._write(unfinished, (Place(copy.file, copy.offset, copy.size) for copy in kept))
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


def _kept_path(order: WorkOrder, bucket: int) -> str:
    return posixpath.join(order.staging_folder, f"kept-{bucket}.jsonl")


def _read_kept(order: WorkOrder, bucket: int) -> list[Copy]:
    path = _kept_path(order, bucket)  # absent where no image fell into the bucket; the caller compares the sums
    return _from_lines(read_whole(path)) if tf.io.gfile.exists(path) else []


def _to_lines(copies: Iterable[Copy]) -> bytes:
    return "".join(json.dumps(copy) + "\n" for copy in copies).encode()


def _from_lines(content: bytes) -> list[Copy]:
    return [Copy(*json.loads(line)) for line in content.splitlines()]


def _finding(element: Any, kind: str) -> tuple[int, str]:
    line = json.dumps([kind, element])
    return zlib.crc32(line.encode()) % _FINDINGS_FILES, line


def _write_findings(element: tuple[int, Iterable[str]], folder: str) -> str:
    """One file per key, so that a second attempt replaces the first."""
    index, lines = element
    path = posixpath.join(folder, f"{FINDINGS_PREFIX}{index}.jsonl")
    write_whole(folder, path, "".join(line + "\n" for line in lines).encode())
    return path
