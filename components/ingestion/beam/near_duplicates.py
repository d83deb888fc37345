"""The workers that look for near-duplicates of test images and, if the config says so, leave them out.

Each image is compared once per band of its hash, with the images that share the band.
"""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from components.contracts import records
from components.contracts.configuration import to_mapping
from components.contracts.ingestion_record import NearDuplicate
from components.ingestion.beam.reporting import Report, report, report_refusals
from components.ingestion.config import NearDuplicates
from components.ingestion.decoding.refusals import Reason, Refusal
from components.ingestion.near_duplicates import HASH_BITS, bands_of, find_pairs
from components.ingestion.outcome import Outcome, PairsOfBucket, ResolvedBucket
from components.ingestion.splits import Copy, dump_copies, load_copies
from components.ingestion.staging import RunWriter, StagedBytes, StagingReader, StagingWriter
from components.ingestion.summary import Tally
from components.ingestion.work_order import WorkOrder

_BUCKETS_PER_PARTITION = 8  # each band has a partition for so many buckets, and each image is in one of each band
# An image that may be like one of test: its hash, and its row in the list of its bucket.
_SOUGHT = np.dtype([("hash", "<u8"), ("bucket", "<u4"), ("row", "<u4")])

BandKey = tuple[int, int, bool]  # partition, band that it belongs to, whether its images are in test


class BandPart(NamedTuple):
    """Images of one partition, all in test or none."""

    band: int  # that the partition belongs to
    is_test: bool
    images: StagedBytes  # in test: JSON lines [hash, path], for people; of the others there are more: ``_SOUGHT``


def add_bands(runs: RunWriter[BandKey], order: WorkOrder, bucket: int, copies: list[Copy]) -> None:
    """Collect the images of a bucket that have to be compared with others, band by band.

    Args:
        runs: takes them.
        order: of the ingestion.
        bucket: whose resolved copies these are.
        copies: in the order in which the bucket lists them.
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


def band_parts(runs: Iterable[tuple[BandKey, StagedBytes]]) -> Iterator[tuple[int, BandPart]]:
    """``(partition, images)`` of what ``add_bands`` collected, for ``ComparePartition``."""
    for (partition, band, is_test), staged in runs:
        yield partition, BandPart(band, is_test, staged)


class ComparePartition(beam.DoFn):
    """All images of a partition in; ``(bucket, JSON lines [row, bits, path in test])`` of some pairs out."""

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def start_bundle(self) -> None:
        """Begin a file that belongs to this bundle."""
        self._pairs: RunWriter[int] = RunWriter(self._order.staging_folder)

    def process(self, element: tuple[int, Iterable[BandPart]]) -> Iterator[tuple[int, StagedBytes]]:
        """See ``near_duplicates.find_pairs``."""
        _, parts = element
        sought: list[np.ndarray] = []
        test: list[tuple[int, str]] = []
        for band, is_test, images in parts:  # noqa: B007 - a partition belongs to one band
            content = self._reader.read(images)
            if is_test:
                test += map(json.loads, content.splitlines())
            else:
                sought.append(np.frombuffer(content, _SOUGHT))
        if not sought or not test:
            return
        candidates = np.concatenate(sought)
        test.sort(key=lambda entry: entry[1])
        hashes = np.array([hash_ for hash_, _ in test], np.uint64)
        for row, test_row, bits in find_pairs(candidates["hash"], hashes, band, self._order.config.near_duplicate_bits):
            line = json.dumps([int(candidates["row"][row]), bits, test[test_row][1]])
            self._pairs.add(int(candidates["bucket"][row]), (line + "\n").encode())
        yield from self._pairs.full()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Write the rest and make everything readable by others."""
        for pair in self._pairs.close():
            yield GlobalWindows.windowed_value(pair)

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()


class FinishBucket(beam.DoFn):
    """``(bucket, images)`` in; out again with its near-duplicates counted and, if the config says so, left out.

    The tagged output ``reports`` takes the pairs, as lines of the file of near-duplicates, and the images left out.
    """

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def start_bundle(self) -> None:
        """Begin a file that belongs to this bundle."""
        self._writer = StagingWriter(self._order.staging_folder)

    def process(
        self, element: tuple[int, ResolvedBucket], pairs: list[tuple[int, StagedBytes]]
    ) -> Iterator[tuple[int, ResolvedBucket] | Report]:
        """Look up the pairs of the bucket.

        Args:
            element: bucket and its images.
            pairs: what ``ComparePartition`` found in all buckets.
        """
        bucket, resolved = element
        nearest = self._nearest(staged for other, staged in pairs if other == bucket)
        if not nearest:
            yield element
            return
        removes = self._order.config.near_duplicates is NearDuplicates.REMOVE_FROM_TRAIN
        tally = Tally(near_duplicates=len(nearest))
        kept: list[Copy] = []
        refusals: list[Refusal] = []
        lines: list[str] = []
        for row, copy in enumerate(load_copies(self._reader.read(resolved.copies))):
            if row in nearest:
                bits, path = nearest[row]
                pair = NearDuplicate(path=copy.path, split=copy.final_split, test_path=path, bits=bits)
                lines.append(json.dumps(to_mapping(pair)) + "\n")
                if removes:
                    refusals.append(_near_duplicate(copy, path, bits))
                    continue
            kept.append(copy)
            tally.add(copy)
        staged = self._writer.append("".join(lines).encode())
        yield report(Outcome(near_duplicates=(PairsOfBucket(bucket, staged),)))
        yield from report_refusals(refusals, self._writer)
        yield bucket, ResolvedBucket(self._writer.append(dump_copies(kept)) if removes else resolved.copies, tally)

    def finish_bundle(self) -> None:
        """Make everything readable by others."""
        self._writer.close()

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()

    def _nearest(self, parts: Iterable[StagedBytes]) -> dict[int, tuple[int, str]]:
        """By row: bits and path of the most similar test image, of those that several bands found."""
        nearest: dict[int, tuple[int, str]] = {}
        for part in parts:
            for line in self._reader.read(part).splitlines():
                row, bits, path = json.loads(line)
                nearest[row] = min(nearest.get(row, (HASH_BITS, "")), (bits, path))
        return nearest


def _near_duplicate(copy: Copy, test_path: str, bits: int) -> Refusal:
    message = f"looks like the test image {test_path}: {bits} of {HASH_BITS} bits differ"
    return Refusal(copy.path, Reason.NEAR_DUPLICATE.value, "", message)
