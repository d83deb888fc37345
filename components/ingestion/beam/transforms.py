"""Ingestion as a Beam pipeline: units of work in, output files out, counts and refusals in files of staging.

Each image is decoded exactly once. The decoding worker writes the finished record, and what is known of it, to staging;
what passes the shuffles is only where to look, so that memory does not grow with the data set even on the local runner,
which shuffles in memory. Counters are in the namespace ``simclr.ingestion``.

Every transform costs the local runner some hundredths of a second, so there are no more of them than needed: workers
leave findings in files named for the bucket they are of, grouping by a number of one's own takes the place of a
Reshuffle, and what all have to wait for comes as a side input.
"""

import apache_beam as beam

from components.contracts.spreading import spread
from components.ingestion.beam.decoding import GROUPS, DecodeAndStage
from components.ingestion.beam.near_duplicates import ComparePartition, FinishBucket
from components.ingestion.beam.resolving import BANDS, ResolveBucket, ResolveGroups
from components.ingestion.beam.writing import WriteShards
from components.ingestion.config import NearDuplicates
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
        """Returns nothing that anyone reads: what came of it lies in staging and below the output folder."""
        order = self._order
        decoded = spread(pipeline, read_portions, self._portions_file) | "DecodeAndStage" >> beam.ParDo(
            DecodeAndStage(order)
        ).with_outputs(GROUPS, main="copies")
        resolve = beam.ParDo(ResolveBucket(order))
        if order.has_groups:
            groups = (
                decoded[GROUPS]
                | "ByBucketOfGroups" >> beam.GroupByKey()
                | "ResolveGroups" >> beam.ParDo(ResolveGroups(order))
            )
            resolve = beam.ParDo(ResolveBucket(order), beam.pvalue.AsIter(groups))
        resolved = (
            decoded["copies"]
            | "ByBucket" >> beam.GroupByKey()
            | "Resolve" >> resolve.with_outputs(BANDS, main="tallies")
        )
        tallies = resolved["tallies"]
        if order.config.near_duplicates is not NearDuplicates.OFF:
            pairs = resolved[BANDS] | "ByBand" >> beam.GroupByKey() | "Compare" >> beam.ParDo(ComparePartition(order))
            tallies = tallies | "Finish" >> beam.ParDo(FinishBucket(order), beam.pvalue.AsIter(pairs))
        return tallies | "WriteShards" >> beam.ParDo(WriteShards(order), beam.pvalue.AsIter(tallies))
