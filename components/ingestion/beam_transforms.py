"""Ingestion as a Beam pipeline: units of work in, output files, counts and refusals out.

Each image is decoded exactly once, and its bytes never pass a shuffle: the decoding worker writes the finished record
to staging, and only digest, path, label and place travel on. Counters are in the namespace ``simclr.ingestion``.
"""

import hashlib
import json
import posixpath
import uuid
import warnings
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow as tf
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsSingleton, TaggedOutput

from components.ingestion.config import IngestionConfig
from components.ingestion.decode_meter import DecodeMeter
from components.ingestion.decoding import DecodingRules, decode_image_bytes, decode_pixels
from components.ingestion.refusals import Reason, Refusal, RefusedImage, is_meant_as_image
from components.ingestion.sources.registry import open_source
from components.ingestion.sources.source import Item, SourceImage
from components.ingestion.splits import Copy, resolve, shard_count, shard_index, shard_name, shuffle_key
from components.ingestion.staging import Place, StagingReader, StagingWriter
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


class WorkOrder(NamedTuple):
    """What every worker must know."""

    root: str  # data root
    output_uri: str  # of the Examples artifact
    staging_folder: str
    items_file: str  # one JSON list (an Item) per line
    images: int  # how many images the items name
    config: IngestionConfig
    rules: DecodingRules


class IngestImages(beam.PTransform):
    """The whole of ingestion; applied to the pipeline itself."""

    def __init__(self, order: WorkOrder):
        super().__init__()
        self._order = order

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Returns the paths of the files with the findings."""
        order = self._order
        decoded = (
            pipeline
            | "ItemsFile" >> beam.Create([order.items_file])
            | "ReadItems" >> beam.FlatMap(_read_lines)
            | "SpreadItems" >> beam.Reshuffle()
            | "DecodeAndStage" >> beam.ParDo(DecodeAndStage(order)).with_outputs(REFUSED, main="copies")
        )
        resolved = (
            decoded["copies"]
            | "ByDigest" >> beam.GroupByKey()
            | "Resolve" >> beam.ParDo(Resolve(order.config.test_fraction)).with_outputs(REFUSED, main="kept")
        )
        tally = resolved["kept"] | "Tally" >> beam.CombineGlobally(TallyFn()).without_defaults()
        shards = (resolved["kept"], tally) | "WriteShards" >> WriteShards(order)
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
@beam.typehints.with_output_types(tuple[str, tuple])
class DecodeAndStage(beam.DoFn):
    """A unit of work in; ``(digest, rest of a Copy)`` out, and refusals beside it."""

    def __init__(self, order: WorkOrder):
        self._order = order
        self._decoded = Metrics.counter(NAMESPACE, "images_decoded")
        self._bytes = Metrics.counter(NAMESPACE, "bytes_staged")

    def setup(self) -> None:
        """Once per worker."""
        self._source = open_source(self._order.root, self._order.config)
        self._meter = DecodeMeter.of(self._order.staging_folder, self._order.images)
        warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters of them comes back as refusals

    def start_bundle(self) -> None:
        """A staging file belongs to one bundle, so that a bundle that is tried again leaves no half-valid file."""
        self._writer: StagingWriter | None = None

    def process(self, line: str) -> Iterator[Any]:
        """Decode, encode and stage every image of one item."""
        item = Item(*json.loads(line))
        try:
            for image in self._source.load(item):
                yield self._stage(image) if isinstance(image, SourceImage) else _refused(image)
        except RefusedImage as refused:
            yield _refused(refused.refusal(item.path))
        self._meter.add(item.count)

    def finish_bundle(self) -> None:
        """Make the staged records readable before anyone is told where they are."""
        if self._writer:
            self._writer.close()

    def _stage(self, image: SourceImage) -> tuple | TaggedOutput:
        try:
            decode = decode_image_bytes if isinstance(image.content, bytes) else decode_pixels
            decoded = decode(image.content, self._order.rules)
        except RefusedImage as refused:
            return _refused(_not_meant(refused.refusal(image.path)))
        record = make_record(decoded, image, self._order.config)
        if self._writer is None:
            self._writer = StagingWriter(self._order.staging_folder)
        place = self._writer.append(record.serialized)
        self._decoded.inc()
        self._bytes.inc(place.size)
        return record.digest, (image.path, image.label, image.split, image.group, decoded.source_channels, *place)


def _not_meant(refusal: Refusal) -> Refusal:
    """What is no image and is not named like one is no loss."""
    unknown = refusal.reason in (Reason.UNKNOWN_FORMAT.value, Reason.EMPTY_FILE.value)
    if unknown and not is_meant_as_image(refusal.path):
        return refusal._replace(reason=Reason.NOT_AN_IMAGE.value)
    return refusal


def _refused(refusal: Refusal) -> TaggedOutput:
    Metrics.counter(NAMESPACE, f"refused_{refusal.reason}").inc()
    return TaggedOutput(REFUSED, tuple(refusal))


@beam.typehints.with_output_types(tuple)
class Resolve(beam.DoFn):
    """All copies of one image in; the one that is kept out, and refusals of the others beside it."""

    def __init__(self, test_fraction: float):
        self._test_fraction = test_fraction

    def process(self, element: tuple[str, Iterable[tuple]]) -> Iterator[Any]:
        """See ``splits.resolve``."""
        digest, copies = element
        resolved = resolve((Copy(digest, *fields) for fields in copies), self._test_fraction)
        yield from map(_refused, resolved.refusals)
        if resolved.kept:
            yield tuple(resolved.kept)


class TallyFn(beam.CombineFn):
    """Kept copies in, one ``Tally`` as JSON out."""

    def create_accumulator(self) -> Tally:
        """Nothing counted."""
        return Tally()

    def add_input(self, mutable_accumulator: Tally, element: tuple) -> Tally:
        """Count one kept copy."""
        mutable_accumulator.add(Copy(*element))
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        """Add all counts."""
        merged = Tally()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: Tally) -> str:
        """The counts as JSON."""
        return accumulator.to_json()


class WriteShards(beam.PTransform):
    """Kept copies and their tally in, gzipped TFRecord files ``Split-<split>/data_tfrecord-...`` out."""

    def __init__(self, order: WorkOrder):
        super().__init__()
        self._order = order

    def expand(self, inputs):
        """Takes (kept, tally); returns one ``(name, records, sha256)`` per file, files without records included."""
        kept, tally = inputs
        config = self._order.config
        placed = kept | "AssignShard" >> beam.Map(_assign_shard, AsSingleton(tally), config)
        all_shards = tally | "AllShards" >> beam.FlatMap(_all_shards, config)
        return (
            (placed, all_shards)
            | beam.Flatten()
            | "ByShard" >> beam.GroupByKey()
            | "WriteShard" >> beam.ParDo(WriteShard(self._order), AsSingleton(tally))
        )


def _assign_shard(element: tuple, tally: str, config: IngestionConfig) -> tuple[tuple[str, int], Any]:
    copy = Copy(*element)
    index = shard_index(copy.digest, _shard_counts(tally, config)[copy.split])
    return (copy.split, index), (shuffle_key(copy.digest), copy.file, copy.offset, copy.size)


def _all_shards(tally: str, config: IngestionConfig) -> Iterator[tuple[tuple[str, int], Any]]:
    for split, shards in _shard_counts(tally, config).items():
        for index in range(shards):
            yield (split, index), None


def _shard_counts(tally: str, config: IngestionConfig) -> dict[str, int]:
    counts = Tally.from_json(tally)
    return {
        split: shard_count(counts.records[split], counts.bytes[split], config.shard_bytes, config.min_shards)
        for split in counts.splits
    }


class WriteShard(beam.DoFn):
    """The places of one file's records in, the file written whole or not at all."""

    def __init__(self, order: WorkOrder):
        self._order = order
        self._written = Metrics.counter(NAMESPACE, "records_written")

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def process(self, element: tuple[tuple[str, int], Iterable[tuple | None]], tally: str) -> Iterator[tuple]:
        """Copy the records from staging in shuffled order."""
        (split, index), places = element
        name = posixpath.join(f"Split-{split}", shard_name(index, _shard_counts(tally, self._order.config)[split]))
        ordered = sorted(place for place in places if place is not None)
        written_to = posixpath.join(self._order.staging_folder, uuid.uuid4().hex)
        digest = self._write(written_to, (Place(*place[1:]) for place in ordered))
        final = posixpath.join(self._order.output_uri, name)
        tf.io.gfile.makedirs(posixpath.dirname(final))
        tf.io.gfile.rename(written_to, final, overwrite=True)
        self._written.inc(len(ordered))
        yield name, len(ordered), digest

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()

    def _write(self, path: str, places: Iterable[Place]) -> str:
        hasher = hashlib.sha256()
        # The images are compressed already: level 1 takes what paths and labels give.
        options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
        with tf.io.TFRecordWriter(path, options) as writer:
            for place in places:
                record = self._reader.read(place)
                writer.write(record)
                hasher.update(len(record).to_bytes(8, "big") + record)
        return hasher.hexdigest()


def _read_lines(path: str) -> Iterator[str]:
    with tf.io.gfile.GFile(path) as file:
        for line in file:
            yield line.rstrip("\n")


def _finding(element: Any, kind: str) -> tuple[int, str]:
    line = json.dumps([kind, element])
    return zlib.crc32(line.encode()) % _FINDINGS_FILES, line


def _write_findings(element: tuple[int, Iterable[str]], folder: str) -> str:
    """One file per key, whole or not at all, so that a second attempt replaces the first."""
    index, lines = element
    path = posixpath.join(folder, f"{FINDINGS_PREFIX}{index}.jsonl")
    unfinished = posixpath.join(folder, uuid.uuid4().hex)
    with tf.io.gfile.GFile(unfinished, "w") as file:
        for line in lines:
            file.write(line + "\n")
    tf.io.gfile.rename(unfinished, path, overwrite=True)
    return path
