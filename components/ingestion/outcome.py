"""What the workers of an ingestion report to the process that started it; its size does not grow with the images.

Refusals and near-duplicates, whose number does grow, are in staging; the report says where.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import NamedTuple

from components.contracts.record_files import record
from components.ingestion.decoding.white_level import DeepImages, add_deep_images
from components.ingestion.staging import StagedBytes
from components.ingestion.summary import Contradictions, Tally, merge_contradictions, sum_tallies


class ResolvedBucket(NamedTuple):
    """The images of a bucket that are kept."""

    copies: StagedBytes  # one ``Copy`` of each image; see ``splits.dump_copies``
    tally: Tally


class Loaded(NamedTuple):
    """How much some worker loaded."""

    items: int
    images: int  # including refused ones


class Shard(NamedTuple):
    """An output file."""

    name: str  # relative to the output folder
    records: int
    sha256: str  # of the lengths and contents of its records


class PairsOfBucket(NamedTuple):
    """The near-duplicates of test images in a bucket."""

    bucket: int
    lines: StagedBytes  # a JSON object per pair


@record(version=2)
class Outcome:
    """What all workers together did, or a part of it."""

    loaded: Loaded = Loaded(0, 0)
    tally: Tally = dataclasses.field(default_factory=Tally)  # of the images that are kept
    shards: tuple[Shard, ...] = ()  # by name
    contradictions: Contradictions = Contradictions(0, ())
    refusals: tuple[StagedBytes, ...] = ()  # a JSON list per line: the fields of a ``Refusal``
    near_duplicates: tuple[PairsOfBucket, ...] = ()  # by bucket
    deep: DeepImages = DeepImages()  # of all decoded images, those that are left out included


def add_outcomes(parts: Iterable[Outcome]) -> Outcome:
    """All of them together; the same in any order."""
    parts = list(parts)
    return Outcome(
        loaded=Loaded(sum(part.loaded.items for part in parts), sum(part.loaded.images for part in parts)),
        tally=sum_tallies(part.tally for part in parts),
        shards=tuple(sorted(shard for part in parts for shard in part.shards)),
        contradictions=merge_contradictions(part.contradictions for part in parts),
        refusals=tuple(sorted(staged for part in parts for staged in part.refusals)),
        near_duplicates=tuple(sorted(pairs for part in parts for pairs in part.near_duplicates)),
        deep=functools.reduce(add_deep_images, (part.deep for part in parts), DeepImages()),
    )
