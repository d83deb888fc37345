"""Ingestion as a Beam pipeline: units of work in, output files, counts and refusals out.

Each image is decoded exactly once. The decoding worker writes the finished record, and what is known of it, to staging;
what passes the shuffles is only where to look, so that memory does not grow with the data set even on the local runner,
which shuffles in memory. Counters are in the namespace ``simclr.ingestion``.
"""

import json
import posixpath
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from components.ingestion.beam_decoding import GROUPS, LOADED, REFUSED, DecodeAndStage
from components.ingestion.beam_near_duplicates import FindNearDuplicates, FinishBucket
from components.ingestion.beam_resolving import ResolveBucket, ResolveGroups
from components.ingestion.beam_writing import WriteShard
from components.ingestion.config import IngestionConfig, NearDuplicates
from components.ingestion.splits import shard_count
from components.ingestion.staging import write_whole
from components.ingestion.summary import Tally
from components.ingestion.work_order import WorkOrder

# What the pipeline tells its caller: files in the staging folder, each line a JSON list that begins with one of these.
FINDINGS_PREFIX = "findings-"
REFUSAL = "refusal"  # followed by a Refusal
TALLY = "tally"  # followed by a Tally as JSON
SHARD = "shard"  # followed by (name, records, sha256) of an output file
COUNT = "count"  # followed by (items, images) that some worker loaded
CONTRADICTION = "contradiction"  # followed by a group for which both train and test are prescribed
_FINDINGS_FILES = 8


class IngestImages(beam.PTransform):
    """The whole of ingestion; applied to the places of the items, in portions of a few dozen images."""

    def __init__(self, order: WorkOrder):
        super().__init__()
        self._order = order

    def expand(self, portions):
        """Takes a ``Place`` in staging per portion (one JSON list, an ``Item``, per line); returns findings files."""
        order = self._order
        decoded = (
            portions
            | "SpreadPortions" >> beam.Reshuffle()
            | "DecodeAndStage" >> beam.ParDo(DecodeAndStage(order)).with_outputs(REFUSED, GROUPS, LOADED, main="runs")
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
            >> beam.ParDo(ResolveBucket(order), beam.pvalue.AsIter(contradicted)).with_outputs(REFUSED, main="buckets")
        )
        if order.config.near_duplicates is NearDuplicates.OFF:
            paired = resolved["buckets"] | "NoPairs" >> beam.MapTuple(lambda bucket, _: (bucket, []))
        else:
            paired = resolved["buckets"] | "NearDuplicates" >> FindNearDuplicates(order)
        finished = paired | "Finish" >> beam.ParDo(FinishBucket(order)).with_outputs(REFUSED, main="tallies")
        tally = finished["tallies"] | "Tally" >> beam.CombineGlobally(TallyFn()).without_defaults()
        shards = (
            tally  # exists only when all buckets are finished
            | "Shards" >> beam.FlatMap(_shards, order.config)
            | "SpreadShards" >> beam.Reshuffle()
            | "WriteShard" >> beam.ParDo(WriteShard(order))
        )
        findings = (
            decoded[REFUSED] | "RefusedByDecoder" >> beam.Map(_finding, REFUSAL),
            decoded[LOADED] | "Loaded" >> beam.Map(_finding, COUNT),
            contradicted | "Contradicted" >> beam.Map(_finding, CONTRADICTION),
            resolved[REFUSED] | "RefusedByRule" >> beam.Map(_finding, REFUSAL),
            finished[REFUSED] | "RefusedAsNear" >> beam.Map(_finding, REFUSAL),
            tally | "Tallied" >> beam.Map(_finding, TALLY),
            shards | "Written" >> beam.Map(_finding, SHARD),
        )
        return (
            findings
            | beam.Flatten()
            | "SpreadFindings" >> beam.GroupByKey()
            | "WriteFindings" >> beam.Map(_write_findings, order.staging_folder)
        )


class TallyFn(beam.CombineFn):
    """Tallies (JSON) in, their sum (JSON) out."""

    def create_accumulator(self) -> Tally:
        """Nothing counted."""
        return Tally()

    def add_input(self, mutable_accumulator: Tally, element: str) -> Tally:
        """Add one tally."""
        mutable_accumulator.merge(Tally.from_json(element))
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        """Add all tallies."""
        merged = Tally()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: Tally) -> str:
        """The sum as JSON."""
        return accumulator.to_json()


def _shards(tally: str, config: IngestionConfig) -> Iterator[tuple[str, int, int]]:
    """(split, index, number of files of the split) of every output file."""
    counts = Tally.from_json(tally)
    for split in counts.splits:
        shards = shard_count(counts.records[split], counts.bytes[split], config.shard_bytes, config.min_shards)
        for index in range(shards):
            yield split, index, shards


def _finding(element: Any, kind: str) -> tuple[int, str]:
    line = json.dumps([kind, element])
    return zlib.crc32(line.encode()) % _FINDINGS_FILES, line


def _write_findings(element: tuple[int, Iterable[str]], folder: str) -> str:
    """One file per key, so that a second attempt replaces the first."""
    index, lines = element
    path = posixpath.join(folder, f"{FINDINGS_PREFIX}{index}.jsonl")
    write_whole(folder, path, "".join(line + "\n" for line in lines).encode())
    return path
