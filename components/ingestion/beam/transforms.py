"""Ingestion as a Beam pipeline: portions of items in, output files and a report out.

Each image is decoded once. What grows with the images is written to staging, and only ``StagedBytes``, which say where
to find it, pass the shuffles: so memory does not grow with the data set, even on the local runner, which shuffles in
memory. Side inputs hold an entry per bucket, bundle or output file. Counters are in the namespace ``simclr.ingestion``.

Beam spends some hundredths of a second on each transform of a pipeline, however few its elements. Hence there are no
more transforms than the work needs.
"""

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList, DoOutputsTuple, PCollection

from components.ingestion.beam.decoding import DecodeAndStage
from components.ingestion.beam.near_duplicates import ComparePartition, FinishBucket
from components.ingestion.beam.reporting import write_outcome
from components.ingestion.beam.resolving import ResolveBucket, ResolveGroups
from components.ingestion.beam.writing import WriteShards
from components.ingestion.config import NearDuplicates
from components.ingestion.outcome import Outcome, ResolvedBucket
from components.ingestion.planning import read_portions
from components.ingestion.staging import StagedBytes
from components.ingestion.work_order import WorkOrder


class IngestImages(beam.PTransform):
    """The whole of ingestion; applied to a pipeline."""

    def __init__(self, order: WorkOrder, portions: StagedBytes, outcome_path: str):
        """Say what to read and where to report.

        Args:
            order: the same for all workers.
            portions: of ``planning.Plan``.
            outcome_path: takes an ``outcome.Outcome``.
        """
        super().__init__()
        self._order, self._portions, self._outcome_path = order, portions, outcome_path

    def expand(self, pipeline: beam.Pipeline) -> PCollection[None]:
        """Decode, resolve, look for near-duplicates, write, report."""
        decoded = self._decode(pipeline)
        reports, prescribed = [decoded.reports], []
        if self._order.has_groups:
            groups = self._resolve_groups(decoded.groups)
            reports.append(groups.reports)
            prescribed.append(AsDict(groups.prescribed))
        resolved = self._resolve(decoded.copies, *prescribed)
        reports.append(resolved.reports)
        if self._order.config.near_duplicates is not NearDuplicates.OFF:
            resolved = self._find_near_duplicates(resolved)
            reports.append(resolved.reports)
        reports.append(self._write(resolved.buckets))
        return self._report(pipeline, reports)

    def _decode(self, pipeline: beam.Pipeline) -> DoOutputsTuple:
        portions, folder = self._portions, self._order.staging_folder
        read = beam.FlatMap(lambda _: read_portions(portions, folder)).with_output_types(StagedBytes)
        worker = beam.ParDo(DecodeAndStage(self._order))
        return (
            pipeline
            | beam.Impulse()
            | "ReadPortions" >> read
            | "SpreadPortions" >> beam.Reshuffle()
            | "DecodeAndStage" >> worker.with_outputs("groups", "reports", main="copies")
        )

    def _resolve_groups(self, groups: PCollection[tuple[int, StagedBytes]]) -> DoOutputsTuple:
        worker = beam.ParDo(ResolveGroups(self._order.staging_folder))
        return (
            groups
            | "ByBucketOfGroups" >> beam.GroupByKey()
            | "ResolveGroups" >> worker.with_outputs("reports", main="prescribed")
        )

    def _resolve(self, copies: PCollection[tuple[int, StagedBytes]], *prescribed: AsDict) -> DoOutputsTuple:
        worker = beam.ParDo(ResolveBucket(self._order), *prescribed)
        return (
            copies
            | "ByBucket" >> beam.GroupByKey()
            | "Resolve" >> worker.with_outputs("bands", "reports", main="buckets")
        )

    def _find_near_duplicates(self, resolved: DoOutputsTuple) -> DoOutputsTuple:
        pairs = (
            resolved.bands
            | "ByPartition" >> beam.GroupByKey()
            | "ComparePartition" >> beam.ParDo(ComparePartition(self._order))
        )
        worker = beam.ParDo(FinishBucket(self._order), AsList(pairs))
        return resolved.buckets | "FinishBucket" >> worker.with_outputs("reports", main="buckets")

    def _write(self, buckets: PCollection[tuple[int, ResolvedBucket]]) -> PCollection[Outcome]:
        return buckets | "WriteShards" >> beam.ParDo(WriteShards(self._order), AsDict(buckets))

    def _report(self, pipeline: beam.Pipeline, reports: list[PCollection[Outcome]]) -> PCollection[None]:
        path = self._outcome_path
        write = beam.Map(lambda _, parts: write_outcome(parts, path), AsList(reports | "AllReports" >> beam.Flatten()))
        return pipeline | "Report" >> beam.Impulse() | "WriteOutcome" >> write.with_output_types(type(None))
