"""The workers that decide which images are kept: all copies of a bucket in, one copy of each image out."""

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Literal

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from components.contracts import records
from components.ingestion.beam.near_duplicates import BandKey, BandPart, add_bands, band_parts
from components.ingestion.beam.reporting import Report, report, report_refusals
from components.ingestion.config import NearDuplicates
from components.ingestion.decoding.refusals import Refusal
from components.ingestion.outcome import Outcome, ResolvedBucket
from components.ingestion.splits import Copy, bucket_of_group, dump_copies, load_copies, resolve
from components.ingestion.staging import RunWriter, StagedBytes, StagingReader, StagingWriter
from components.ingestion.summary import FIRST, Contradictions, Tally
from components.ingestion.work_order import WorkOrder

_Bands = TaggedOutput[Literal["bands"], tuple[int, BandPart]]
_Resolved = tuple[int, ResolvedBucket] | _Bands | Report


class ResolveGroups(beam.DoFn):
    """All ``[group, split]`` of a bucket of groups in; ``(bucket, their prescribed splits)`` out, as a JSON object.

    The tagged output ``reports`` counts the groups for which the source prescribes both train and test.
    """

    def __init__(self, staging_folder: str):
        self._folder = staging_folder

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._folder)

    def start_bundle(self) -> None:
        """Begin a file that belongs to this bundle."""
        self._writer = StagingWriter(self._folder)

    def process(self, element: tuple[int, Iterable[StagedBytes]]) -> Iterator[tuple[int, StagedBytes] | Report]:
        """A contradicted group counts as test; the run stops later, when all contradictions are known."""
        bucket, parts = element
        prescribed: dict[str, str] = {}
        contradicted = set()
        for part in parts:
            for line in self._reader.read(part).splitlines():
                group, split = json.loads(line)
                if prescribed.setdefault(group, split) != split:
                    contradicted.add(group)
        splits = prescribed | dict.fromkeys(contradicted, records.TEST)
        yield bucket, self._writer.append(json.dumps(splits).encode())
        if contradicted:
            first = tuple(sorted(contradicted)[:FIRST])
            yield report(Outcome(contradictions=Contradictions(len(contradicted), first)))

    def finish_bundle(self) -> None:
        """Make everything readable by others."""
        self._writer.close()

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()


class ResolveBucket(beam.DoFn):
    """All copies of a bucket in; ``(bucket, those that are kept)`` out.

    Tagged outputs:
        bands: where near-duplicates are sought, the images by band; see ``add_bands``.
        reports: the copies that are left out.
    """

    def __init__(self, order: WorkOrder):
        self._order = order

    def setup(self) -> None:
        """Once per worker."""
        self._reader = StagingReader(self._order.staging_folder)

    def start_bundle(self) -> None:
        """Begin files that belong to this bundle."""
        self._writer = StagingWriter(self._order.staging_folder)
        self._bands: RunWriter[BandKey] = RunWriter(self._order.staging_folder)

    def process(
        self, element: tuple[int, Iterable[StagedBytes]], prescribed: dict[int, StagedBytes] | None = None
    ) -> Iterator[_Resolved]:
        """Keep one copy of each image; see ``splits.resolve``.

        Args:
            element: bucket and lists of copies.
            prescribed: what ``ResolveGroups`` found, by bucket of groups; None if no image belongs to a group.
        """
        bucket, parts = element
        copies = sorted((copy for part in parts for copy in load_copies(self._reader.read(part))), key=_order)
        splits = self._splits_of_groups(copies, prescribed or {})
        kept: list[Copy] = []
        refusals: list[Refusal] = []
        tally = Tally()
        for _, same in itertools.groupby(copies, key=lambda copy: copy.digest):
            resolved = resolve(same, splits, self._order.config.test_fraction)
            refusals += resolved.refusals
            if resolved.kept:
                kept.append(resolved.kept)
                tally.add(resolved.kept)
        if self._order.config.near_duplicates is not NearDuplicates.OFF:
            add_bands(self._bands, self._order, bucket, kept)
        for part in band_parts(self._bands.full()):
            band: _Bands = TaggedOutput("bands", part)
            yield band
        yield from report_refusals(refusals, self._writer)
        yield bucket, ResolvedBucket(self._writer.append(dump_copies(kept)), tally)

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        """Write the rest of the bands and make everything readable by others."""
        for band in band_parts(self._bands.close()):
            yield TaggedOutput("bands", GlobalWindows.windowed_value(band))
        self._writer.close()

    def teardown(self) -> None:
        """Close what is open."""
        self._reader.close()

    def _splits_of_groups(self, copies: list[Copy], prescribed: dict[int, StagedBytes]) -> dict[str, str]:
        """The prescribed splits of the groups of ``copies``; no more than one bucket of groups is in memory at once."""
        groups: dict[int, set[str]] = {}
        for copy in copies:
            if copy.group is not None:
                groups.setdefault(bucket_of_group(copy.group, self._order.buckets), set()).add(copy.group)
        found: dict[str, str] = {}
        for bucket in groups.keys() & prescribed.keys():
            known = json.loads(self._reader.read(prescribed[bucket]))
            found.update((name, known[name]) for name in groups[bucket] if name in known)
        return found


def _order(copy: Copy) -> tuple:
    """A total order, even if a manifest names a path twice, once with a label and once without."""
    return copy.digest, copy.path, copy.label or "", copy.split or "", copy.group or "", copy.staged
