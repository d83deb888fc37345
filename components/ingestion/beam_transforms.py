"""Ingestion as a Beam pipeline: units of work in, output files, counts and refusals out.

Each image is decoded exactly once. The decoding worker writes the finished record, and what is known of it, to staging;
what passes the shuffles is only where to look, so that memory does not grow with the data set even on the local runner,
which shuffles in memory. Counters are in the namespace ``simclr.ingestion``.

Every transform costs the local runner some hundredths of a second, so there are no more of them than needed: workers
make findings themselves, and grouping by a number of one's own takes the place of a Reshuffle.
"""

import apache_beam as beam

from components.ingestion.beam_decoding import FINDINGS, GROUPS, DecodeAndStage
from components.ingestion.beam_near_duplicates import FindNearDuplicates, FinishBucket
from components.ingestion.beam_resolving import ResolveBucket, ResolveGroups
from components.ingestion.beam_writing import PlanShards, WriteShard
from components.ingestion.config import NearDuplicates
from components.ingestion.findings import write_findings
from components.ingestion.planning import read_portions
from components.ingestion.work_order import WorkOrder


class IngestImages(beam.PTransform):
    """The whole of ingestion; applied to a pipeline."""

    def __init__(self, order: WorkOrder, portions_file: str):
        """``portions_file`` is that of ``planning.Plan``."""
        super().__init__()
        self._order = order
        self._portions_file = portions_file

    def expand(self, pipeline):
        """Returns the paths of files with findings."""
        order = self._order
        decoded = (
            pipeline
            | beam.Impulse()
            | "Portions" >> beam.FlatMap(lambda _, path: enumerate(read_portions(path)), self._portions_file)
            | "SpreadPortions" >> beam.GroupByKey()
            | "DecodeAndStage" >> beam.ParDo(DecodeAndStage(order)).with_outputs(FINDINGS, GROUPS, main="runs")
        )
        contradicted = (
            decoded[GROUPS]
            | "ByBucketOfGroups" >> beam.GroupByKey()
            | "ResolveGroups" >> beam.ParDo(ResolveGroups(order))
        )
        resolved = (
            decoded["runs"]
            | "ByBucket" >> beam.GroupByKey()
            | "Resolve"
            >> beam.ParDo(ResolveBucket(order), beam.pvalue.AsIter(contradicted)).with_outputs(FINDINGS, main="buckets")
        )
        buckets = resolved["buckets"]
        if order.config.near_duplicates is not NearDuplicates.OFF:
            buckets = buckets | "NearDuplicates" >> FindNearDuplicates(order)
        finished = buckets | "Finish" >> beam.ParDo(FinishBucket(order)).with_outputs(FINDINGS, main="tallies")
        planned = (
            finished["tallies"]
            | "AllTallies" >> beam.GroupByKey()
            | "PlanShards" >> beam.ParDo(PlanShards(order)).with_outputs(FINDINGS, main="shards")
        )
        written = (
            planned["shards"] | "SpreadShards" >> beam.GroupByKey() | "WriteShard" >> beam.ParDo(WriteShard(order))
        )
        findings = (decoded[FINDINGS], contradicted, resolved[FINDINGS], finished[FINDINGS], planned[FINDINGS], written)
        return (
            findings
            | "AllFindings" >> beam.Flatten()
            | "SpreadFindings" >> beam.GroupByKey()
            | "WriteFindings" >> beam.Map(write_findings, order.staging_folder)
        )
