"""What the workers of an ingestion report to the process that started it; its size does not grow with the images.

Refusals and near-duplicates, whose number does grow, are in staging; the report says where.
"""

from collections.abc import Iterable
from typing import NamedTuple

from components.contracts.record_files import record
from components.ingestion.staging import StagedBytes
from components.ingestion.summary import Contradictions, Tally


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


@record(version=1)
class Outcome:
    """What all workers together did."""

    loaded: Loaded
    tally: Tally  # of the images that are kept
    shards: tuple[Shard, ...]  # by name
    contradictions: Contradictions
    refusals: tuple[StagedBytes, ...]  # a JSON list per line: the fields of a ``Refusal``
    near_duplicates: tuple[StagedBytes, ...]  # a JSON object per line, pair by pair, in the order of the buckets


def sum_loaded(parts: Iterable[Loaded]) -> Loaded:
    """All of them together."""
    items, images = 0, 0
    for part in parts:
        items, images = items + part.items, images + part.images
    return Loaded(items, images)
