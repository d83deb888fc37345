"""The last step: what the other steps report in, one file for the process that started the ingestion out."""

from collections.abc import Iterable

from components.contracts.record_files import write_record
from components.ingestion.outcome import Loaded, Outcome, ResolvedBucket, Shard, sum_loaded
from components.ingestion.staging import StagedBytes
from components.ingestion.summary import Contradictions, merge_contradictions, sum_tallies


def write_outcome(
    path: str,
    loaded: Iterable[Loaded],
    buckets: dict[int, ResolvedBucket],
    shards: Iterable[Shard],
    contradictions: Iterable[Contradictions],
    refusals: Iterable[StagedBytes],
    near_duplicates: dict[int, StagedBytes],
) -> None:
    """Write an ``Outcome`` to ``path``; a second attempt replaces it by the same.

    Args:
        path: of the file.
        loaded: an entry per bundle.
        buckets: images that are kept, by bucket.
        shards: output files.
        contradictions: an entry per bucket of groups that has some.
        refusals: an entry per bundle and megabyte.
        near_duplicates: pairs, by bucket.
    """
    outcome = Outcome(
        loaded=sum_loaded(loaded),
        tally=sum_tallies(bucket.tally for bucket in buckets.values()),
        shards=tuple(sorted(shards)),
        contradictions=merge_contradictions(contradictions),
        refusals=tuple(sorted(refusals)),
        near_duplicates=tuple(lines for _, lines in sorted(near_duplicates.items())),
    )
    write_record(path, outcome)
