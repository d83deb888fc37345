"""Which copy of an image is kept, in which split and output file: decided by digests alone.

So the answer is the same in any order and on any number of workers, and no image sits on both sides of a split.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from components.contracts import records
from components.ingestion.refusals import Reason, Refusal

_DIGEST_SPACE = 2**64
_RECORDS_PER_SHARD = 16  # no output file is made for fewer
_COPIES_PER_BUCKET = 64  # on average, until there are _MAX_BUCKETS; ten million images make 40,000 (some 10 MB)
_MAX_BUCKETS = 256


class Copy(NamedTuple):
    """What is known of one decoded image without reading it again."""

    digest: str  # 64 hex characters
    path: str
    label: str | None
    split: str | None  # what the source prescribes; None: decided here
    group: str | None
    channels: int  # of the source image
    file: str  # place in staging
    offset: int
    size: int


class Resolved(NamedTuple):
    """What became of all copies of one image."""

    kept: Copy | None  # with its final split
    refusals: list[Refusal]


def resolve(copies: Iterable[Copy], test_fraction: float) -> Resolved:
    """Keep one of the copies of an image, or none.

    - Copies with different labels are all left out: which label is right can't be known.
    - A copy in a prescribed test split is kept before others, so test stays as it was given and train gives way.
    - A labelled copy is kept before an unlabelled one; then the path decides.
    - An image of the test split without a label is left out.

    Args:
        copies: all copies with one digest, in any order.
        test_fraction: part of the labelled images that goes to test where the source prescribes nothing.
    """
    ordered = sorted(copies, key=lambda copy: (copy.split != records.TEST, copy.label is None, copy.path))
    labels = sorted({copy.label for copy in ordered if copy.label is not None})
    if len(labels) > 1:
        return Resolved(None, [_conflict(copy, ordered, labels) for copy in ordered])
    usable = [copy for copy in ordered if copy.split != records.TEST or copy.label is not None]
    refusals = [_without_label(copy) for copy in ordered if copy not in usable]
    if not usable:
        return Resolved(None, refusals)
    first, others = usable[0], usable[1:]
    split = _split(first, test_fraction)
    return Resolved(first._replace(split=split), refusals + [_duplicate(copy, first, split) for copy in others])


def _split(copy: Copy, test_fraction: float) -> str:
    if copy.label is None:
        return records.UNLABELED
    if copy.split is not None:
        return copy.split
    key = copy.digest if copy.group is None else hashlib.sha256(copy.group.encode()).hexdigest()
    return records.TEST if int(key[:16], 16) < test_fraction * _DIGEST_SPACE else records.TRAIN


def _without_label(copy: Copy) -> Refusal:
    return Refusal(copy.path, Reason.TEST_WITHOUT_LABEL.value, "", "an image of the test split needs a label")


def _duplicate(copy: Copy, kept: Copy, split: str) -> Refusal:
    if split == records.TEST and copy.split in (records.TRAIN, records.UNLABELED):
        return Refusal(copy.path, Reason.ALSO_IN_TEST.value, "", f"same pixels as the test image {kept.path}")
    return Refusal(copy.path, Reason.DUPLICATE.value, "", f"same pixels as {kept.path}, which is kept")


def _conflict(copy: Copy, copies: list[Copy], labels: list[str]) -> Refusal:
    other = next(each for each in copies if each.path != copy.path)
    message = f"same pixels as {other.path}, but the labels differ: {', '.join(labels)}"
    return Refusal(copy.path, Reason.LABEL_CONFLICT.value, "", message)


def shard_count(number: int, size: int, shard_bytes: int, min_shards: int) -> int:
    """How many files a split of ``number`` records and ``size`` bytes becomes: at least 1."""
    by_size = -(-size // shard_bytes)
    return max(1, min(max(by_size, min_shards), number // _RECORDS_PER_SHARD))


def shard_index(digest: str, shards: int) -> int:
    """The file, 0 to ``shards`` - 1, of the record: by other bits than the split, so that all fill evenly."""
    return int(digest[16:32], 16) * shards // _DIGEST_SPACE


def bucket_count(images: int) -> int:
    """Into how many parts the copies are divided to be resolved."""
    return min(max(images // _COPIES_PER_BUCKET, 1), _MAX_BUCKETS)


def bucket_index(digest: str, buckets: int) -> int:
    """The bucket, 0 to ``buckets`` - 1: in the order of ``shard_index``, so that a shard is a range of buckets."""
    return shard_index(digest, buckets)


def buckets_of_shard(index: int, shards: int, buckets: int) -> range:
    """The buckets that may hold records of a shard."""
    return range(index * buckets // shards, -(-(index + 1) * buckets // shards))


def shuffle_key(digest: str) -> str:
    """Sorting a file's records by this shuffles them, the same way each time."""
    return digest[32:] + digest[:32]


def shard_name(index: int, shards: int) -> str:
    """The file name TFX gives to output files."""
    return f"data_tfrecord-{index:05d}-of-{shards:05d}.gz"
