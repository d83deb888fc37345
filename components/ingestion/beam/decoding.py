"""The worker that reads, decodes and stages images: portions of items in, staged records and what is known of them out.

It hands several images from step to step together, because the code and tables of a step then stay in the processor's
caches. ``docs/sources.md`` has the measurements.
"""

import json
import warnings
from collections.abc import Iterator
from typing import Literal

import apache_beam as beam
import cv2
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from components.contracts import records
from components.ingestion.beam.reporting import Report, report, report_refusals
from components.ingestion.config import NearDuplicates
from components.ingestion.decode_meter import DecodeMeter
from components.ingestion.decoding.decoder import Decoded, decode_image_bytes, decode_pixels
from components.ingestion.decoding.refusals import Reason, Refusal, RefusedImage
from components.ingestion.decoding.stored_record import make_records
from components.ingestion.decoding.white_level import DeepImages
from components.ingestion.near_duplicates import perceptual_hashes
from components.ingestion.outcome import Loaded, Outcome
from components.ingestion.reading.plug_ins import open_source
from components.ingestion.reading.source import Item, SourceImage
from components.ingestion.splits import Copy, bucket_index, bucket_of_group, dump_copies
from components.ingestion.staging import StagedBytes, StagingReader, StagingWriter
from components.ingestion.work_order import NAMESPACE, WorkOrder

_COPIES_PER_RUN = 4096
_BATCH_IMAGES = 32
_BATCH_BYTES = 4 * 2**20  # of files, so that a batch of large ones does not fill the memory

_Groups = TaggedOutput[Literal["groups"], tuple[int, StagedBytes]]
_Output = tuple[int, StagedBytes] | _Groups | Report


class DecodeAndStage(beam.DoFn):
    """Portions of items in; ``(bucket, copies of images of the bucket)`` out, see ``splits.dump_copies``.

    Tagged outputs:
        groups: ``(bucket of groups, lines [group, split])``, if the source prescribes splits of groups.
        reports: how much each bundle loaded, and the images that are left out.

    Copies and lines are in staging, in a file that belongs to one bundle: a second attempt writes a new file. They can
    be read once the bundle is finished.
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
        """Begin without images and without a staging file."""
        self._writer = StagingWriter(self._order.staging_folder)
        self._batch: list[SourceImage] = []
        self._batch_bytes = 0
        self._copies: list[Copy] = []
        self._refusals: list[Refusal] = []
        self._loaded = Loaded(0, 0)
        self._deep = DeepImages()

    def process(self, portion: StagedBytes) -> Iterator[_Output]:
        """Decode, encode and stage every image of a portion's items."""
        for line in self._items.read(portion).splitlines():
            yield from self._load(Item(*json.loads(line)))

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        """Stage what is left and close the staging file, so that everything can be read."""
        self._stage_batch()
        for output in (*self._flush(), report(Outcome(loaded=self._loaded, deep=self._deep))):
            if isinstance(output, TaggedOutput):
                yield TaggedOutput(output.tag, GlobalWindows.windowed_value(output.value))
            else:
                yield GlobalWindows.windowed_value(output)
        self._writer.close()

    def teardown(self) -> None:
        """Close what is open."""
        self._items.close()

    def _load(self, item: Item) -> Iterator[_Output]:
        loaded = 0
        for image in self._images(item):
            loaded += 1
            if isinstance(image, Refusal):
                self._refusals.append(image)
            else:
                self._batch.append(image)
                self._batch_bytes += len(image.content) if isinstance(image.content, bytes) else image.content.nbytes
            if len(self._batch) == _BATCH_IMAGES or self._batch_bytes >= _BATCH_BYTES:
                self._stage_batch()
            if len(self._copies) + len(self._refusals) >= _COPIES_PER_RUN:
                yield from self._flush()
        self._loaded = Loaded(self._loaded.items + 1, self._loaded.images + loaded)
        self._meter.add(loaded)
        if loaded != item.count and not item.is_estimate:
            raise RuntimeError(f"{item.path}: expected {item.count} images, found {loaded}")

    def _images(self, item: Item) -> Iterator[SourceImage | Refusal]:
        try:
            yield from self._source.load(item)
        except RefusedImage as refused_image:
            yield refused_image.refusal(item.path)

    def _stage_batch(self) -> None:
        """Decode the batch and stage its records."""
        images: list[tuple[Decoded, SourceImage]] = []
        for image in self._batch:
            decoded = _decode(image, self._order)
            if isinstance(decoded, Refusal):
                self._refusals.append(decoded)
            else:
                images.append((decoded, image))
                if decoded.largest is not None:
                    self._deep = self._deep.with_value(decoded.largest)
        self._batch, self._batch_bytes = [], 0
        pixels = [decoded.pixels for decoded, _ in images]
        hashes = perceptual_hashes(pixels) if self._seeks_near_duplicates else [None] * len(images)
        made = make_records(images, self._order.config)
        for (decoded, image), hash_, record in zip(images, hashes, made, strict=True):
            staged = self._writer.append(record.serialized)
            known = image.path, image.label, image.split, image.group, decoded.source_channels
            self._copies.append(Copy(record.digest, *known, *staged, hash_))

    def _flush(self) -> Iterator[_Output]:
        """Stage what is known of the images so far, bucket by bucket, and the refusals."""
        runs: dict[int, list[Copy]] = {}
        for copy in self._copies:
            runs.setdefault(bucket_index(copy.digest, self._order.buckets), []).append(copy)
        groups = _prescribed_splits(self._copies, self._order)
        self._decoded.inc(len(self._copies))  # all at once, because each call of a counter is slow
        self._bytes.inc(sum(copy.size for copy in self._copies))
        self._copies = []
        for bucket, copies in runs.items():
            yield bucket, self._writer.append(dump_copies(copies))
        for bucket, pairs in groups.items():
            lines = "".join(json.dumps(pair) + "\n" for pair in sorted(pairs))
            of_bucket: _Groups = TaggedOutput("groups", (bucket, self._writer.append(lines.encode())))
            yield of_bucket
        yield from report_refusals(self._refusals, self._writer)
        self._refusals = []


def _decode(image: SourceImage, order: WorkOrder) -> Decoded | Refusal:
    try:
        if isinstance(image.content, bytes):
            return decode_image_bytes(image.content, order.rules)
        return decode_pixels(image.content, order.rules)
    except RefusedImage as refused_image:
        return _spare_other_files(refused_image.refusal(image.path), image)


def _spare_other_files(refusal: Refusal, image: SourceImage) -> Refusal:
    """A file that is no image and was not offered as one does not count as undecodable."""
    unknown = refusal.reason in (Reason.UNKNOWN_FORMAT.value, Reason.EMPTY_FILE.value)
    if unknown and not image.is_offered:
        return refusal._replace(reason=Reason.NOT_AN_IMAGE.value)
    return refusal


def _prescribed_splits(copies: list[Copy], order: WorkOrder) -> dict[int, set[tuple[str, str]]]:
    """``(group, split)`` of the copies whose source prescribes train or test, by bucket of groups."""
    found: dict[int, set[tuple[str, str]]] = {}
    for copy in copies:
        if copy.group is None:
            continue
        if not order.has_groups:
            raise RuntimeError(
                f"{copy.path}: expected no group, because source {order.config.source} says that it has none "
                f"(has_groups), found {copy.group!r}"
            )
        if copy.split in (records.TRAIN, records.TEST):
            bucket = bucket_of_group(copy.group, order.buckets)
            found.setdefault(bucket, set()).add((copy.group, copy.split))
    return found
