"""The workers that look for near-duplicates of test images, and the one that takes the last decision on a bucket.

Each image is looked at once per band of its hash, together with those that may be like it.
"""

import json
from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from components.contracts import records
from components.contracts.worker import Worker
from components.ingestion.beam.decoding import refused
from components.ingestion.config import NearDuplicates
from components.ingestion.decoding.refusals import Reason, Refusal
from components.ingestion.findings import write_findings
from components.ingestion.near_duplicates import HASH_BITS, bands_of, find_pairs
from components.ingestion.splits import Copy
from components.ingestion.staging import Place, RunWriter, StagingReader
from components.ingestion.summary import Tally
from components.ingestion.work_order import WorkOrder, read_resolved, write_kept, write_near

_BUCKETS_PER_PARTITION = 8  # each band has a partition for so many buckets, and each image is in one of each band
# An image that may be like one of test: its hash, and its row in the file of its bucket.
_SOUGHT = np.dtype([("hash", "<u8"), ("bucket", "<u4"), ("row", "<u4")])


def add_bands(runs: RunWriter, order: WorkOrder, bucket: int, copies: list[Copy]) -> None:
    """Gather those images of a bucket that have to be compared with others, band by band.

    Args:
        runs: takes them under the keys ``(partition, band, is_test)``; a partition belongs to one band.
        order: of the ingestion.
        bucket: whose resolved copies these are.
        copies: in the order of ``read_resolved``; test images go with their paths, for people; of the others there are
            more, so they go as numbers.
    """
    partitions = max(order.buckets // _BUCKETS_PER_PARTITION, 1)  # of each band
    rows = np.array([row for row, copy in enumerate(copies) if copy.perceptual_hash is not None], np.intp)
    hashes = np.array([copies[row].perceptual_hash for row in rows], np.uint64)
    is_test = np.array([copies[row].split == records.TEST for row in rows], bool)
    sought = np.empty(len(rows), _SOUGHT)
    sought["hash"], sought["bucket"], sought["row"] = hashes, bucket, rows
    lines = {row: json.dumps([copies[row].perceptual_hash, copies[row].path]) + "\n" for row in rows[is_test]}
    for band, values in enumerate(bands_of(hashes, order.config.near_duplicate_bits)):
        numbers = values % np.uint64(partitions)
        for number in np.unique(numbers).tolist():
            at, key = numbers == number, band * partitions + number
            if (test := rows[at & is_test]).size:
                runs.add((key, band, True), "".join(lines[row] for row in test).encode())
            if (others := sought[at & ~is_test]).size:
                runs.add((key, band, False), others.tobytes())


def told_bands(places: Iterable[tuple[tuple, Place]]) -> Iterator[tuple[int, tuple]]:
    """``(partition, (band, is_test, place))`` of what ``add_bands`` gathered, for ``ComparePartition``."""
    for (partition, band, is_test), place in places:
        yield partition, (band, is_test, tuple(place))


@beam.typehints.with_output_types(tuple[int, tuple])
class ComparePartition(Worker):
    """All images of a partition in; ``(bucket, place of lines [row, bits, path in test])`` of some pairs out."""

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def start_bundle(self) -> None:
        """A staging file belongs to one bundle."""
        self._pairs = RunWriter(self._order.staging_folder)

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
        for row, test_row, bits in find_pairs(images["hash"], hashes, band, self._order.config.near_duplicate_bits):
            line = json.dumps([int(images["row"][row]), bits, test[test_row][1]])
            self._pairs.add(int(images["bucket"][row]), (line + "\n").encode())
        for bucket, place in self._pairs.full():
            yield bucket, tuple(place)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Tell where the rest lies."""
        for bucket, place in self._pairs.close():
            yield GlobalWindows.windowed_value((bucket, tuple(place)))

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()


@beam.typehints.with_output_types(tuple[int, str])
class FinishBucket(Worker):
    """``(bucket, tally as JSON)`` in, and out again when its near-duplicates are counted and, by config, removed.

    Beside it come all pairs; those of the bucket go into a file of staging.
    """

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def start_bundle(self) -> None:
        """What comes beside the buckets is looked through once, not once for each of them."""
        self._places: dict[int, list[tuple]] | None = None

    def process(self, element: tuple[int, str], pairs: Iterable[tuple[int, tuple]]) -> Iterator[tuple[int, str]]:
        """``pairs`` are ``(bucket, place of lines [row, bits, path in test])``."""
        if self._places is None:
            self._places = {}
            for bucket, place in pairs:
                self._places.setdefault(bucket, []).append(place)
        bucket, tally = element
        if bucket in self._places:
            tally = self._finish(bucket, self._places[bucket]).to_json()
        yield bucket, tally

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()

    def _finish(self, bucket: int, places: list[tuple]) -> Tally:
        nearest = self._nearest(places)
        removes = self._order.config.near_duplicates is NearDuplicates.REMOVE_FROM_TRAIN
        tally, kept, lines, findings = Tally(near_duplicates=len(nearest)), [], [], []
        for row, copy in enumerate(read_resolved(self._order, bucket)):
            if row in nearest:
                bits, path = nearest[row]
                pair = {"path": copy.path, "split": copy.split, "test_path": path, "bits": bits}
                lines.append(json.dumps(pair) + "\n")
                if removes:
                    message = f"looks like the test image {path}: {bits} of {HASH_BITS} bits differ"
                    findings.append(refused(Refusal(copy.path, Reason.NEAR_DUPLICATE.value, "", message)))
                    continue
            kept.append(copy)
            tally.add(copy)
        write_kept(self._order, bucket, kept)
        write_near(self._order, bucket, "".join(lines))
        write_findings(self._order.staging_folder, f"near-{bucket}", findings)
        return tally

    def _nearest(self, places: list[tuple]) -> dict[int, tuple[int, str]]:
        """By row, bits and path of the test image most alike, of those that several bands found."""
        nearest: dict[int, tuple[int, str]] = {}
        for place in places:
            for line in self._reader.read(Place(*place)).splitlines():
                row, bits, path = json.loads(line)
                nearest[row] = min(nearest.get(row, (HASH_BITS, "")), (bits, path))
        return nearest
