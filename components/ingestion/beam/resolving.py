"""The workers that decide what is kept: places of what is known of images in, lists of kept images in staging out."""

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from components.contracts import records
from components.contracts.worker import Worker
from components.ingestion.beam.decoding import FINDINGS, refused
from components.ingestion.beam.near_duplicates import add_bands, told_bands
from components.ingestion.config import NearDuplicates
from components.ingestion.findings import CONTRADICTION, finding, write_findings
from components.ingestion.splits import Copy, bucket_of_group, resolve
from components.ingestion.staging import Place, RunWriter, StagingReader
from components.ingestion.summary import Tally
from components.ingestion.work_order import WorkOrder, from_bytes, read_prescribed, write_prescribed, write_resolved

BANDS = "bands"  # the output beside the main one


@beam.typehints.with_output_types(int)  # nothing comes out; but without a hint Beam derives one, which is slow
class ResolveGroups(Worker):
    """All ``[group, split]`` of a bucket of groups in; their prescribed splits into a file of staging; nothing out.

    Groups for which the source prescribes both train and test are findings.
    """

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def process(self, element: tuple[int, Iterable[tuple]]) -> None:
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
        lines = [finding(CONTRADICTION, group) for group in sorted(contradicted)]
        write_findings(self._order.staging_folder, f"groups-{bucket}", lines)

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()


@beam.typehints.with_output_types(tuple[int, str])
class ResolveBucket(Worker):
    """All copies of a bucket in; one of each image, and findings, into staging; ``(bucket, tally as JSON)`` out.

    Beside it come the bands by which near-duplicates are found, where they are sought; see ``add_bands``.
    """

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def start_bundle(self) -> None:
        """A staging file belongs to one bundle."""
        self._bands = RunWriter(self._order.staging_folder)

    def process(self, element: tuple[int, Iterable[tuple]], groups: Any = None) -> Iterator[Any]:
        """See ``splits.resolve``; ``groups`` is empty, and there only so that all groups are resolved before."""
        del groups
        bucket, places = element
        copies, findings = self._read(places)
        prescribed = self._prescribed(copies)
        kept, tally = [], Tally()
        for _, same in itertools.groupby(copies, key=lambda copy: copy.digest):
            resolved = resolve(same, prescribed, self._order.config.test_fraction)
            findings += map(refused, resolved.refusals)
            if resolved.kept:
                kept.append(resolved.kept)
                tally.add(resolved.kept)
        write_resolved(self._order, bucket, kept)
        write_findings(self._order.staging_folder, f"resolved-{bucket}", findings)
        if self._order.config.near_duplicates is not NearDuplicates.OFF:
            add_bands(self._bands, self._order, bucket, kept)
        yield from (TaggedOutput(BANDS, band) for band in told_bands(self._bands.full()))
        yield bucket, tally.to_json()

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        """Tell where the rest of the bands lies."""
        for band in told_bands(self._bands.close()):
            yield TaggedOutput(BANDS, GlobalWindows.windowed_value(band))

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()

    def _read(self, places: Iterable[tuple]) -> tuple[list[Copy], list[str]]:
        """All copies, in a total order, and the findings that are only passed on."""
        copies: list[Copy] = []
        findings = []
        for what, *place in places:
            content = self._reader.read(Place(*place))
            if what == FINDINGS:
                findings.append(content.decode())
            else:
                copies += from_bytes(content)
        return sorted(copies, key=_order), findings

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
