"""Which copy of an image is kept, and in which split and output file. Digests and groups alone decide.

So the order of the images and the number of workers change nothing, and no image or group is on both sides of a split.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from components.contracts import records
from components.ingestion.decoding.refusals import Reason, Refusal
from components.ingestion.staging import StagedBytes

_DIGEST_SPACE = 2**64
_RECORDS_PER_SHARD = 16  # no output file is made for fewer
# On average, until there are _MAX_BUCKETS; with ten million images a bucket has 40,000 copies (some 10 MB).
_COPIES_PER_BUCKET = 256
_MAX_BUCKETS = 256


class Copy(NamedTuple):
    """What is known of one decoded image without reading it again."""

    digest: str  # 64 hex characters
    path: str
    label: str | None
    split: str | None  # that the source prescribes; None: digest or group decide
    group: str | None
    channels: int  # of the source image
    file: str  # where its record lies in staging, see ``staged``
    offset: int
    size: int
    perceptual_hash: int | None = None  # None if near-duplicates are not sought, or the image is flat

    @property
    def staged(self) -> StagedBytes:
        """Its serialized record."""
        return StagedBytes(self.file, self.offset, self.size)

    @property
    def final_split(self) -> str:
        """The split of a copy that ``resolve`` kept.

        Raises:
            ValueError: the copy has no split yet.
        """
        if self.split is None:
            raise ValueError(f"{self.path}: expected an image that was given a split, found one without")
        return self.split


def dump_copies(copies: Iterable[Copy]) -> bytes:
    """Inverse of ``load_copies``."""
    return json.dumps(list(copies)).encode()


def load_copies(content: bytes) -> list[Copy]:
    """Inverse of ``dump_copies``."""
    return [Copy(*values) for values in json.loads(content)]


class Resolved(NamedTuple):
    """The decision about all copies of one image."""

    kept: Copy | None  # with its final split
    refusals: list[Refusal]


def resolve(copies: Iterable[Copy], prescribed: Mapping[str, str], test_fraction: float) -> Resolved:
    """Keep one of the copies of an image, or none.

    - If copies have different labels, all are left out: nobody knows which label is right.
    - If copies belong to groups on both sides of the split, all are left out: one group would be on the wrong side.
    - A copy in test comes before others, so test stays as it was given and train gives way.
    - A labelled copy comes before an unlabelled one; then the path decides.
    - An image of the test side without a label is left out.

    Args:
        copies: all copies with one digest, in any order.
        prescribed: groups to the split, train or test, that the source prescribes for an image of theirs.
        test_fraction: part of the labelled images, or of the groups, that goes to test if nothing is prescribed.
    """
    sided = [(copy, _side(copy, prescribed, test_fraction)) for copy in copies]
    sided.sort(key=lambda pair: (pair[1] != records.TEST, pair[0].label is None, pair[0].path, pair[0].staged))
    ordered = [copy for copy, _ in sided]
    labels = sorted({copy.label for copy in ordered if copy.label is not None})
    if len(labels) > 1:
        return _all_out(ordered, Reason.LABEL_CONFLICT, f"but the labels differ: {', '.join(labels)}")
    binding = {side for copy, side in sided if _is_binding(copy, side)}
    if len(binding) > 1:
        return _all_out(ordered, Reason.GROUP_CONFLICT, "but one belongs in test, and the group of one in train")
    if records.TEST in binding:
        return _keep_in_test(sided)
    usable = [pair for pair in sided if pair[1] != records.TEST or pair[0].label is not None]
    refusals = [_without_label(copy) for copy, side in sided if (copy, side) not in usable]
    if not usable:
        return Resolved(None, refusals)
    kept = usable[0][0]._replace(split=_split(usable, test_fraction))
    return Resolved(kept, refusals + [_duplicate(copy, kept) for copy, _ in usable[1:]])


def side_of_group(group: str, prescribed: Mapping[str, str], test_fraction: float) -> str:
    """Train or test: the side of all images of a group. On the train side, images without a label go to unlabeled."""
    if group in prescribed:
        return prescribed[group]
    return _side_of_digest(hashlib.sha256(group.encode()).hexdigest(), test_fraction)


def _side(copy: Copy, prescribed: Mapping[str, str], test_fraction: float) -> str | None:
    if copy.group is not None:
        return side_of_group(copy.group, prescribed, test_fraction)
    return copy.split if copy.split in (records.TRAIN, records.TEST) else None


def _side_of_digest(digest: str, test_fraction: float) -> str:
    return records.TEST if int(digest[:16], 16) < test_fraction * _DIGEST_SPACE else records.TRAIN


def _is_binding(copy: Copy, side: str | None) -> bool:
    """Whether the image must be on this side; a test image without a label is left out, so it may not decide."""
    return copy.group is not None or (side == records.TEST and copy.label is not None)


def _keep_in_test(sided: list[tuple[Copy, str | None]]) -> Resolved:
    candidates = [copy for copy, side in sided if copy.label is not None and side != records.TRAIN]
    kept = candidates[0]._replace(split=records.TEST) if candidates else None
    refusals = []
    for copy, side in sided:
        if side == records.TEST and copy.label is None:
            refusals.append(_without_label(copy))
        elif kept is None:
            message = f"same pixels as {sided[0][0].path}, whose group is in test"
            refusals.append(Refusal(copy.path, Reason.ALSO_IN_TEST.value, "", message))
        elif copy is not candidates[0]:
            refusals.append(_duplicate(copy, kept))
    return Resolved(kept, refusals)


def _split(usable: list[tuple[Copy, str | None]], test_fraction: float) -> str:
    first = usable[0][0]
    if first.label is None:
        return records.UNLABELED
    if any(side == records.TRAIN for _, side in usable):
        return records.TRAIN
    return _side_of_digest(first.digest, test_fraction)


def _without_label(copy: Copy) -> Refusal:
    return Refusal(copy.path, Reason.TEST_WITHOUT_LABEL.value, "", "an image of the test split needs a label")


def _duplicate(copy: Copy, kept: Copy) -> Refusal:
    if kept.split == records.TEST and copy.split in (records.TRAIN, records.UNLABELED):
        return Refusal(copy.path, Reason.ALSO_IN_TEST.value, "", f"same pixels as the test image {kept.path}")
    return Refusal(copy.path, Reason.DUPLICATE.value, "", f"same pixels as {kept.path}, which is kept")


def _all_out(copies: list[Copy], reason: Reason, why: str) -> Resolved:
    refusals = []
    for index, copy in enumerate(copies):
        other = copies[0] if index else copies[1]  # a manifest may name the same path twice
        refusals.append(Refusal(copy.path, reason.value, "", f"same pixels as {other.path}, {why}"))
    return Resolved(None, refusals)


def shard_count(number: int, size: int, shard_bytes: int, min_shards: int) -> int:
    """How many files hold a split of ``number`` records and ``size`` bytes: at least 1."""
    by_size = -(-size // shard_bytes)
    return max(1, min(max(by_size, min_shards), number // _RECORDS_PER_SHARD))


def shard_index(digest: str, shards: int) -> int:
    """The file, 0 to ``shards`` - 1, of a record; not decided by the bits of the split, so that all fill evenly."""
    return int(digest[16:32], 16) * shards // _DIGEST_SPACE


def bucket_count(images: int) -> int:
    """How many buckets the copies of ``images`` images are divided into."""
    return min(max(images // _COPIES_PER_BUCKET, 1), _MAX_BUCKETS)


def bucket_of_group(group: str, buckets: int) -> int:
    """The bucket, 0 to ``buckets`` - 1, of a group."""
    return bucket_index(hashlib.sha256(group.encode()).hexdigest(), buckets)


def bucket_index(digest: str, buckets: int) -> int:
    """The bucket, 0 to ``buckets`` - 1, of an image; ordered like ``shard_index``, so a shard is a range of buckets."""
    return shard_index(digest, buckets)


def buckets_of_shard(index: int, shards: int, buckets: int) -> range:
    """The buckets that may hold records of a shard."""
    return range(index * buckets // shards, -(-(index + 1) * buckets // shards))


def shuffle_key(digest: str) -> str:
    """Records sorted by this are shuffled, in the same order every time."""
    return digest[32:] + digest[:32]


def shard_name(index: int, shards: int) -> str:
    """The name of an output file, as TFX writes it."""
    return f"data_tfrecord-{index:05d}-of-{shards:05d}.gz"
