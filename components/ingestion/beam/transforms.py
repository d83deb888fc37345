"""Ingestion as a Beam pipeline: portions of items in, output files and a report out.

Each image is decoded once. What grows with the images is written to staging, and only ``StagedBytes``, which say where
to find it, pass the shuffles: so memory does not grow with the data set, even on the local runner, which shuffles in
memory. Side inputs hold an entry per bucket, bundle or output file. Counters are in the namespace ``simclr.ingestion``.
"""

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList, AsMultiMap, DoOutputsTuple, PCollection

from components.ingestion.beam.decoding import DecodeAndStage, StageRefusals
from components.ingestion.beam.near_duplicates import ComparePartition, FinishBucket
from components.ingestion.beam.reporting import write_outcome
from components.ingestion.beam.resolving import ResolveBucket, ResolveGroups
from components.ingestion.beam.writing import WriteShards, plan_shards
from components.ingestion.config import NearDuplicates
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
        contradictions, near_duplicates = (), {}
        if self._order.has_groups:
            groups = self._resolve_groups(decoded.groups)
            contradictions = AsList(groups.contradictions)
            resolved = self._resolve(decoded.copies, AsDict(groups.prescribed))
        else:
            resolved = self._resolve(decoded.copies)
        buckets, refused = resolved.buckets, {"Unreadable": decoded.refused, "Unresolved": resolved.refused}
        if self._order.config.near_duplicates is not NearDuplicates.OFF:
            finished = self._find_near_duplicates(resolved)
            buckets, refused["Similar"] = finished.buckets, finished.refused
            near_duplicates = AsDict(finished.near_duplicates)
        return (
            pipeline
            | "OutcomePath" >> beam.Create([self._outcome_path])
            | "WriteOutcome"
            >> beam.Map(
                write_outcome,
                loaded=AsList(decoded.loaded),
                buckets=AsDict(buckets),
                shards=AsList(self._write(pipeline, buckets)),
                contradictions=contradictions,
                refusals=AsList(self._stage_refusals(refused)),
                near_duplicates=near_duplicates,
            )
        )

    def _decode(self, pipeline: beam.Pipeline) -> DoOutputsTuple:
        worker = beam.ParDo(DecodeAndStage(self._order))
        return (
            pipeline
            | "Portions" >> beam.Create([self._portions])
            | "ReadPortions" >> beam.FlatMap(read_portions, self._order.staging_folder)
            | "SpreadPortions" >> beam.Reshuffle()
            | "DecodeAndStage" >> worker.with_outputs("groups", "refused", "loaded", main="copies")
        )

    def _resolve_groups(self, groups: PCollection[tuple[int, StagedBytes]]) -> DoOutputsTuple:
        worker = beam.ParDo(ResolveGroups(self._order.staging_folder))
        return (
            groups
            | "ByBucketOfGroups" >> beam.GroupByKey()
            | "ResolveGroups" >> worker.with_outputs("contradictions", main="prescribed")
        )

    def _resolve(self, copies: PCollection[tuple[int, StagedBytes]], *prescribed: AsDict) -> DoOutputsTuple:
        worker = beam.ParDo(ResolveBucket(self._order), *prescribed)
        return (
            copies
            | "ByBucket" >> beam.GroupByKey()
            | "Resolve" >> worker.with_outputs("bands", "refused", main="buckets")
        )

    def _find_near_duplicates(self, resolved: DoOutputsTuple) -> DoOutputsTuple:
        pairs = (
            resolved.bands
            | "ByPartition" >> beam.GroupByKey()
            | "ComparePartition" >> beam.ParDo(ComparePartition(self._order))
        )
        worker = beam.ParDo(FinishBucket(self._order), AsMultiMap(pairs))
        return resolved.buckets | "FinishBucket" >> worker.with_outputs("near_duplicates", "refused", main="buckets")

    def _write(self, pipeline: beam.Pipeline, buckets: PCollection) -> PCollection:
        return (
            pipeline
            | "Config" >> beam.Create([self._order.config])
            | "PlanShards" >> beam.FlatMap(plan_shards, AsDict(buckets))
            | "SpreadShards" >> beam.Reshuffle()
            | "WriteShards" >> beam.ParDo(WriteShards(self._order), AsDict(buckets))
        )

    def _stage_refusals(self, refused: dict[str, PCollection]) -> PCollection:
        """Stage them one by one: the local runner would keep in memory what it flattens."""
        staged = [
            refusals | f"Stage{name}" >> beam.ParDo(StageRefusals(self._order.staging_folder))
            for name, refusals in refused.items()
        ]
        return staged | "AllRefusals" >> beam.Flatten()
