"""What every worker of an ingestion must know, and the files that workers leave in staging for each other."""

import json
import posixpath
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.decoder import DecodingRules
from components.ingestion.splits import Copy, bucket_count
from components.ingestion.staging import read_whole, write_whole

NAMESPACE = "simclr.ingestion"  # of the Beam counters
_RESOLVED = "resolved"  # one copy of each image, with its split
_KEPT = "kept"  # what is left of them where near-duplicates were removed
_NEAR = "near"
_PRESCRIBED = "prescribed"


class WorkOrder(NamedTuple):
    """The same for all workers."""

    root: str  # data root
    output_uri: str  # of the Examples artifact
    staging_folder: str
    images: int  # how many images the items name; an estimate where only reading tells
    has_groups: bool  # whether an image may belong to a group
    config: IngestionConfig
    rules: DecodingRules

    @property
    def buckets(self) -> int:
        """Into how many parts the copies are divided."""
        return bucket_count(self.images)


def write_resolved(order: WorkOrder, bucket: int, copies: list[Copy]) -> None:
    """Leave one copy of each image of a bucket."""
    write_whole(order.staging_folder, _path(order, _RESOLVED, bucket), to_bytes(copies))


def read_resolved(order: WorkOrder, bucket: int) -> list[Copy]:
    """What ``write_resolved`` left."""
    return from_bytes(read_whole(_path(order, _RESOLVED, bucket)))


def write_kept(order: WorkOrder, bucket: int, copies: list[Copy]) -> None:
    """Leave what of a bucket is to be written, where that is not all."""
    write_whole(order.staging_folder, _path(order, _KEPT, bucket), to_bytes(copies))


def read_kept(order: WorkOrder, bucket: int) -> list[Copy]:
    """What of a bucket is to be written; nothing where no image fell into it: the caller compares the sums."""
    for path in (_path(order, _KEPT, bucket), _path(order, _RESOLVED, bucket)):
        if tf.io.gfile.exists(path):
            return from_bytes(read_whole(path))
    return []


def write_prescribed(order: WorkOrder, bucket: int, prescribed: dict[str, str]) -> None:
    """Leave the prescribed splits of the groups of a bucket."""
    write_whole(order.staging_folder, _path(order, _PRESCRIBED, bucket), json.dumps(prescribed).encode())


def read_prescribed(order: WorkOrder, bucket: int) -> dict[str, str]:
    """What ``write_prescribed`` left."""
    path = _path(order, _PRESCRIBED, bucket)
    return json.loads(read_whole(path)) if tf.io.gfile.exists(path) else {}


def write_near(order: WorkOrder, bucket: int, lines: str) -> None:
    """Leave the pairs of near-duplicates of a bucket, a JSON object per line."""
    write_whole(order.staging_folder, _path(order, _NEAR, bucket), lines.encode())


def read_near(order: WorkOrder) -> Iterator[bytes]:
    """What ``write_near`` left, bucket by bucket."""
    for bucket in range(order.buckets):
        path = _path(order, _NEAR, bucket)
        if tf.io.gfile.exists(path):
            yield read_whole(path)


def to_bytes(copies: list[Copy]) -> bytes:
    """Inverse of ``from_bytes``."""
    return json.dumps(copies).encode()


def from_bytes(content: bytes) -> list[Copy]:
    """Inverse of ``to_bytes``."""
    return [Copy(*values) for values in json.loads(content)]


def _path(order: WorkOrder, what: str, bucket: int) -> str:
    return posixpath.join(order.staging_folder, f"{what}-{bucket}.jsonl")
