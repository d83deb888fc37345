"""What every worker of an ingestion must know, and the files that workers leave in staging for each other."""

import json
import posixpath
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import tensorflow as tf

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding import DecodingRules
from components.ingestion.splits import Copy, bucket_count
from components.ingestion.staging import read_whole, write_whole

NAMESPACE = "simclr.ingestion"  # of the Beam counters
RESOLVED = "resolved"  # one copy of each image, with its split
KEPT = "kept"  # what is written
_NEAR = "near"
_PRESCRIBED = "prescribed"


class WorkOrder(NamedTuple):
    """The same for all workers."""

    root: str  # data root
    output_uri: str  # of the Examples artifact
    staging_folder: str
    images: int  # how many images the items name; an estimate where only reading tells
    config: IngestionConfig
    rules: DecodingRules

    @property
    def buckets(self) -> int:
        """Into how many parts the copies are divided."""
        return bucket_count(self.images)


def write_copies(order: WorkOrder, state: str, bucket: int, copies: Iterable[Copy]) -> None:
    """Leave the copies of a bucket, RESOLVED or KEPT."""
    write_whole(order.staging_folder, _path(order, state, bucket), to_lines(copies))


def read_copies(order: WorkOrder, state: str, bucket: int) -> list[Copy]:
    """What ``write_copies`` left; nothing where no image fell into the bucket: the caller compares the sums."""
    path = _path(order, state, bucket)
    return from_lines(read_whole(path)) if tf.io.gfile.exists(path) else []


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


def to_lines(copies: Iterable[Copy]) -> bytes:
    """Inverse of ``from_lines``."""
    return "".join(json.dumps(copy) + "\n" for copy in copies).encode()


def from_lines(content: bytes) -> list[Copy]:
    """Inverse of ``to_lines``."""
    return [Copy(*json.loads(line)) for line in content.splitlines()]


def _path(order: WorkOrder, what: str, bucket: int) -> str:
    return posixpath.join(order.staging_folder, f"{what}-{bucket}.jsonl")
