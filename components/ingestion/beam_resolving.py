"""The workers that decide what is kept: places of what is known of images in, lists of kept images in staging out."""

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from components.contracts import records
from components.ingestion.beam_decoding import refused
from components.ingestion.findings import CONTRADICTION, finding
from components.ingestion.splits import Copy, bucket_of_group, resolve
from components.ingestion.staging import Place, StagingReader
from components.ingestion.work_order import (
    RESOLVED,
    WorkOrder,
    from_lines,
    read_prescribed,
    write_copies,
    write_prescribed,
)


class ResolveGroups(beam.DoFn):
    """All ``[group, split]`` of a bucket of groups in; their prescribed splits into a file of staging.

    Out come findings: the groups for which the source prescribes both train and test.
    """

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def process(self, element: tuple[int, Iterable[tuple]]) -> Iterator[tuple[int, str]]:
        """Test wins, but the caller stops at the first contradiction anyway."""
        bucket, places = element
        prescribed: dict[str, str] = {}
        contradicted = set()
        for place in places:
            for line in self._reader.read(Place(*place)).splitlines():
                group, split = json.loads(line)
                if prescribed.setdefault(group, split) != split:
                    contradicted.add(group)
        write_prescribed(self._order, bucket, prescribed | dict.fromkeys(contradicted, records.TEST))
        for group in sorted(contradicted):
            yield finding(CONTRADICTION, group)

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()


@beam.typehints.with_output_types(tuple[int, tuple])
class ResolveBucket(beam.DoFn):
    """All runs of a bucket in; one copy of each image into a file of staging; ``(bucket, ())`` and findings out."""

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def process(self, element: tuple[int, Iterable[tuple]], contradicted: Any) -> Iterator[Any]:
        """See ``splits.resolve``; ``contradicted`` is there only so that all groups are resolved before."""
        del contradicted
        bucket, runs = element
        copies = sorted((copy for run in runs for copy in from_lines(self._reader.read(Place(*run)))), key=_order)
        prescribed = self._prescribed(copies)
        kept = []
        for _, same in itertools.groupby(copies, key=lambda copy: copy.digest):
            resolved = resolve(same, prescribed, self._order.config.test_fraction)
            yield from map(refused, resolved.refusals)
            if resolved.kept:
                kept.append(resolved.kept)
        write_copies(self._order, RESOLVED, bucket, kept)
        yield bucket, ()

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()

    def _prescribed(self, copies: list[Copy]) -> dict[str, str]:
        """The prescribed splits of the groups of ``copies``; of the others, never more than one bucket is held."""
        groups: dict[int, set[str]] = {}
        for copy in copies:
            if copy.group is not None:
                groups.setdefault(bucket_of_group(copy.group, self._order.buckets), set()).add(copy.group)
        found = {}
        for bucket, names in groups.items():
            known = read_prescribed(self._order, bucket)
            found.update((name, known[name]) for name in names if name in known)
        return found


def _order(copy: Copy) -> tuple:
    """A total order, also where the same path is named twice, once with a label and once without."""
    return copy.digest, copy.path, copy.label or "", copy.split or "", copy.group or "", copy.place
