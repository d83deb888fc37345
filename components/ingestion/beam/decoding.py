"""The worker that reads, decodes and stages images: places of items in, places of what is known of the images out."""

import json
import warnings
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import cv2
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from components.contracts import records
from components.contracts.worker import Worker
from components.ingestion.config import NearDuplicates
from components.ingestion.decode_meter import DecodeMeter
from components.ingestion.decoding.decoder import Decoded, decode_image_bytes, decode_pixels
from components.ingestion.decoding.refusals import Reason, Refusal, RefusedImage, is_meant_as_image
from components.ingestion.decoding.stored_record import make_records
from components.ingestion.findings import COUNT, REFUSAL, finding
from components.ingestion.near_duplicates import perceptual_hashes
from components.ingestion.reading.plug_ins import open_source
from components.ingestion.reading.source import Item, SourceImage
from components.ingestion.splits import Copy, bucket_index, bucket_of_group
from components.ingestion.staging import Place, StagingReader, StagingWriter
from components.ingestion.work_order import NAMESPACE, WorkOrder, to_bytes

GROUPS = "groups"  # the output beside the main one
COPIES, FINDINGS = "copies", "findings"  # what lies at a place
_COPIES_PER_RUN = 4096
# Images go through reading, decoding and so on together, because a step's code and tables are then still in the
# processor's caches: on a busy machine 16 photographs at once took four fifths of the time of one after the other (the
# perceptual hash half, decoding and encoding nine tenths); on a quiet one 32 took a fiftieth less than 16, 64 no less.
_BATCH_IMAGES = 32
_BATCH_BYTES = 4 * 2**20  # of files, so that a batch of large ones does not fill the memory


# Beam makes typed coders from hints. They say what the main output holds; an annotation can't tell outputs apart.
@beam.typehints.with_output_types(tuple[int, tuple])
class DecodeAndStage(Worker):
    """``(key, places of portions of items)`` in; ``(bucket, (COPIES or FINDINGS, place))`` out.

    Copies are what is known of some images of one bucket; findings go to any bucket, from where they are passed on.
    Beside them comes ``(bucket of groups, place of lines [group, split])`` where a source prescribes splits of groups.
    """

    def __init__(self, order: WorkOrder):
        self._order = order
        self._seeks_near_duplicates = order.config.near_duplicates is not NearDuplicates.OFF
        self._decoded = Metrics.counter(NAMESPACE, "images_decoded")
        self._bytes = Metrics.counter(NAMESPACE, "bytes_staged")

    def setup(self) -> None:
        """Once per worker."""
        self._source = open_source(self._order.root, self._order.config)
        self._meter = DecodeMeter.of(self._order.staging_folder, self._order.images)
        self._items = StagingReader(self._order.staging_folder)
        warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters of them comes back as refusals
        cv2.setNumThreads(1)  # Beam has a worker per core, so OpenCV needs no threads of its own

    def start_bundle(self) -> None:
        """A staging file belongs to one bundle, so that a bundle that is tried again leaves no half-valid file."""
        self._writer: StagingWriter | None = None
        self._batch: list[SourceImage] = []
        self._batch_bytes = 0
        self._copies: list[Copy] = []
        self._findings: list[str] = []
        self._loaded_items = self._loaded_images = 0

    def process(self, element: tuple[int, Iterable[tuple]]) -> Iterator[Any]:
        """Decode, encode and stage every image of some items."""
        _, portions = element
        for portion in portions:
            for line in self._items.read(Place(*portion)).splitlines():
                yield from self._load(Item(*json.loads(line)))

    def finish_bundle(self) -> Iterator[Any]:
        """Write what is left and make all readable before anyone is told where it is."""
        self._stage_batch()
        if self._loaded_items:
            self._findings.append(finding(COUNT, (self._loaded_items, self._loaded_images)))
        for output in self._flush():
            if isinstance(output, TaggedOutput):
                yield TaggedOutput(output.tag, GlobalWindows.windowed_value(output.value))
            else:
                yield GlobalWindows.windowed_value(output)
        if self._writer:
            self._writer.close()

    def teardown(self) -> None:
        """Close what is open."""
        self._items.close()

    def _load(self, item: Item) -> Iterator[Any]:
        before = self._loaded_images
        for image in self._images(item):
            self._loaded_images += 1
            if isinstance(image, Refusal):
                self._findings.append(refused(image))
            else:
                self._batch.append(image)
                self._batch_bytes += len(image.content) if isinstance(image.content, bytes) else image.content.nbytes
            if len(self._batch) == _BATCH_IMAGES or self._batch_bytes >= _BATCH_BYTES:
                self._stage_batch()
            if len(self._copies) + len(self._findings) >= _COPIES_PER_RUN:
                yield from self._flush()
        self._loaded_items += 1
        loaded = self._loaded_images - before
        self._meter.add(loaded)
        if loaded != item.count and not item.is_estimate:
            raise RuntimeError(f"{item.path}: {item.count} images expected, found {loaded}")

    def _images(self, item: Item) -> Iterator[SourceImage | Refusal]:
        try:
            yield from self._source.load(item)
        except RefusedImage as refused_image:
            yield refused_image.refusal(item.path)

    def _stage_batch(self) -> None:
        images = [(decoded, image) for image in self._batch if (decoded := self._decode(image))]
        self._batch, self._batch_bytes = [], 0
        pixels = [decoded.pixels for decoded, _ in images]
        hashes = perceptual_hashes(pixels) if self._seeks_near_duplicates else [None] * len(images)
        made = make_records(images, self._order.config)
        for (decoded, image), hash_, record in zip(images, hashes, made, strict=True):
            place = self._append(record.serialized)
            self._copies.append(
                Copy(
                    record.digest,
                    image.path,
                    image.label,
                    image.split,
                    image.group,
                    decoded.source_channels,
                    *place,
                    hash_,
                )
            )

    def _decode(self, image: SourceImage) -> Decoded | None:
        decode = decode_image_bytes if isinstance(image.content, bytes) else decode_pixels
        try:
            return decode(image.content, self._order.rules)
        except RefusedImage as refused_image:
            self._findings.append(refused(_not_meant(refused_image.refusal(image.path))))
            return None

    def _flush(self) -> Iterator[Any]:
        runs: dict[int, list[Copy]] = {}
        groups: dict[int, set[tuple[str, str]]] = {}
        for copy in self._copies:
            runs.setdefault(bucket_index(copy.digest, self._order.buckets), []).append(copy)
            if copy.group is None:
                continue
            if not self._order.has_groups:
                raise RuntimeError(
                    f"{copy.path}: no group expected, because source {self._order.config.source} says that it has "
                    f"none (has_groups), found {copy.group!r}"
                )
            if copy.split in (records.TRAIN, records.TEST):
                bucket = bucket_of_group(copy.group, self._order.buckets)
                groups.setdefault(bucket, set()).add((copy.group, copy.split))
        self._decoded.inc(len(self._copies))  # not one by one: a counter costs more than it seems
        self._bytes.inc(sum(copy.size for copy in self._copies))
        for bucket, copies in runs.items():
            yield bucket, (COPIES, *self._append(to_bytes(copies)))
        if self._findings:
            lines = "".join(self._findings).encode()
            yield zlib.crc32(lines) % self._order.buckets, (FINDINGS, *self._append(lines))
        for bucket, pairs in groups.items():
            lines = "".join(json.dumps(pair) + "\n" for pair in sorted(pairs))
            yield TaggedOutput(GROUPS, (bucket, tuple(self._append(lines.encode()))))
        self._copies, self._findings = [], []

    def _append(self, content: bytes) -> Place:
        if self._writer is None:
            self._writer = StagingWriter(self._order.staging_folder)
        return self._writer.append(content)


def refused(refusal: Refusal) -> str:
    """``refusal``, counted, as a finding."""
    Metrics.counter(NAMESPACE, f"refused_{refusal.reason}").inc()
    return finding(REFUSAL, refusal)


def _not_meant(refusal: Refusal) -> Refusal:
    """What is no image and is not named like one is no loss."""
    unknown = refusal.reason in (Reason.UNKNOWN_FORMAT.value, Reason.EMPTY_FILE.value)
    if unknown and not is_meant_as_image(refusal.path):
        return refusal._replace(reason=Reason.NOT_AN_IMAGE.value)
    return refusal
