"""The workers that look for near-duplicates of test images, and the one that takes the last decision on a bucket.

Buckets of resolved images in; each image is looked at once per band of its hash, together with those that may be like
it; tallies of what is kept out.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np

from components.contracts import records
from components.ingestion.beam_decoding import refused
from components.ingestion.config import NearDuplicates
from components.ingestion.near_duplicates import HASH_BITS, bands_of, find_pairs
from components.ingestion.refusals import Reason, Refusal
from components.ingestion.staging import Place, StagingReader, StagingWriter
from components.ingestion.summary import Tally
from components.ingestion.work_order import KEPT, RESOLVED, WorkOrder, read_copies, write_copies, write_near

_BUCKETS_PER_PARTITION = 8  # each band has a partition for so many buckets, and each image is in one of each band
# An image that may be like one of test: its hash, and its row in the file of its bucket.
_SOUGHT = np.dtype([("hash", "<u8"), ("bucket", "<u4"), ("row", "<u4")])


class FindNearDuplicates(beam.PTransform):
    """``(bucket, ())`` of resolved buckets in; ``(bucket, places of lines [row, bits, path in test], and ())`` out."""

    def __init__(self, order: WorkOrder):
        super().__init__()
        self._order = order

    def expand(self, buckets):
        """A bucket comes out also where it has no pair."""
        pairs = (
            buckets
            | "Bands" >> beam.ParDo(SpreadBands(self._order))
            | "ByBand" >> beam.GroupByKey()
            | "Compare" >> beam.ParDo(ComparePartition(self._order))
        )
        return (buckets, pairs) | beam.Flatten() | "ByBucketAgain" >> beam.GroupByKey()


@beam.typehints.with_output_types(tuple[int, tuple])
class SpreadBands(beam.DoFn):
    """A bucket in; ``(partition, (band, is_test, place))`` of those of its images that share a partition out."""

    def __init__(self, order: WorkOrder):
        self._order = order
        self._partitions = max(order.buckets // _BUCKETS_PER_PARTITION, 1)  # of each band

    def process(self, element: tuple[int, tuple]) -> Iterator[tuple[int, tuple]]:
        """Test images go with their paths, for people; of the others there are more, so they go as numbers."""
        bucket, _ = element
        parts: dict[tuple[int, int, bool], list[tuple]] = {}
        max_bits = self._order.config.near_duplicate_bits
        for row, copy in enumerate(read_copies(self._order, RESOLVED, bucket)):
            if copy.perceptual_hash is None:
                continue
            is_test = copy.split == records.TEST
            entry = (copy.perceptual_hash, copy.path) if is_test else (copy.perceptual_hash, bucket, row)
            for band, value in enumerate(bands_of(copy.perceptual_hash, max_bits)):
                parts.setdefault((band, value % self._partitions, is_test), []).append(entry)
        if not parts:
            return
        writer = StagingWriter(self._order.staging_folder)
        places = {part: writer.append(_pack(entries, part[2])) for part, entries in parts.items()}
        writer.close()
        for (band, number, is_test), place in places.items():
            yield band * self._partitions + number, (band, is_test, tuple(place))


@beam.typehints.with_output_types(tuple[int, tuple])
class ComparePartition(beam.DoFn):
    """All images of a partition in; for each bucket the place of its pairs out."""

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def process(self, element: tuple[int, Iterable[tuple]]) -> Iterator[tuple[int, tuple]]:
        """See ``near_duplicates.find_pairs``."""
        _, parts = element
        sought, test = [], []
        for band, is_test, place in parts:  # noqa: B007 - a partition belongs to one band
            content = self._reader.read(Place(*place))
            if is_test:
                test += map(json.loads, content.splitlines())
            else:
                sought.append(np.frombuffer(content, _SOUGHT))
        if not sought or not test:
            return
        images = np.concatenate(sought)
        test.sort(key=lambda entry: entry[1])
        hashes = np.array([hash_ for hash_, _ in test], np.uint64)
        lines: dict[int, list[str]] = {}
        for row, test_row, bits in find_pairs(images["hash"], hashes, band, self._order.config.near_duplicate_bits):
            line = json.dumps([int(images["row"][row]), bits, test[test_row][1]])
            lines.setdefault(int(images["bucket"][row]), []).append(line + "\n")
        if lines:
            writer = StagingWriter(self._order.staging_folder)
            places = [(bucket, writer.append("".join(found).encode())) for bucket, found in lines.items()]
            writer.close()
            for bucket, place in places:
                yield bucket, tuple(place)

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()


@beam.typehints.with_output_types(tuple[int, str])
class FinishBucket(beam.DoFn):
    """A bucket and its pairs in; what is kept, and the pairs, into staging; ``(0, tally as JSON)`` and findings out."""

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def process(self, element: tuple[int, Iterable[tuple]]) -> Iterator[Any]:
        """Of several test images that one is like, found by several bands, the most alike is named."""
        bucket, places = element
        nearest: dict[int, tuple[int, str]] = {}
        for place in filter(None, places):
            for line in self._reader.read(Place(*place)).splitlines():
                row, bits, path = json.loads(line)
                nearest[row] = min(nearest.get(row, (HASH_BITS, "")), (bits, path))
        removes = self._order.config.near_duplicates is NearDuplicates.REMOVE_FROM_TRAIN
        tally, kept, lines = Tally(near_duplicates=len(nearest)), [], []
        for row, copy in enumerate(read_copies(self._order, RESOLVED, bucket)):
            if row in nearest:
                bits, path = nearest[row]
                lines.append(
                    json.dumps({"path": copy.path, "split": copy.split, "test_path": path, "bits": bits}) + "\n"
                )
                if removes:
                    message = f"looks like the test image {path}: {bits} of {HASH_BITS} bits differ"
                    yield refused(Refusal(copy.path, Reason.NEAR_DUPLICATE.value, "", message))
                    continue
            kept.append(copy)
            tally.add(copy)
        write_copies(self._order, KEPT, bucket, kept)
        if lines:
            write_near(self._order, bucket, "".join(lines))
        yield 0, tally.to_json()

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()


def _pack(entries: list[tuple], is_test: bool) -> bytes:
    if is_test:
        return "".join(json.dumps(entry) + "\n" for entry in entries).encode()
    return np.array(entries, _SOUGHT).tobytes()
