"""What every worker of an ingestion must know, and the files that workers leave in staging for each other."""

import json
import posixpath
from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding import DecodingRules
from components.ingestion.splits import Copy, bucket_count
from components.ingestion.staging import read_whole, write_whole

NAMESPACE = "simclr.ingestion"  # of the Beam counters


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


def write_kept(order: WorkOrder, bucket: int, copies: Iterable[Copy]) -> None:
    """Leave the kept copies of a bucket."""
    write_whole(order.staging_folder, _kept_path(order, bucket), to_lines(copies))


def read_kept(order: WorkOrder, bucket: int) -> list[Copy]:
    """What ``write_kept`` left; nothing where no image fell into the bucket: the caller compares the sums."""
    path = _kept_path(order, bucket)
    return from_lines(read_whole(path)) if tf.io.gfile.exists(path) else []


def write_prescribed(order: WorkOrder, bucket: int, prescribed: dict[str, str]) -> None:
    """Leave the prescribed splits of the groups of a bucket."""
    write_whole(order.staging_folder, _prescribed_path(order, bucket), json.dumps(prescribed).encode())


def read_prescribed(order: WorkOrder, bucket: int) -> dict[str, str]:
    """What ``write_prescribed`` left."""
    path = _prescribed_path(order, bucket)
    return json.loads(read_whole(path)) if tf.io.gfile.exists(path) else {}


def to_lines(copies: Iterable[Copy]) -> bytes:
    """Inverse of ``from_lines``."""
    return "".join(json.dumps(copy) + "\n" for copy in copies).encode()


def from_lines(content: bytes) -> list[Copy]:
    """Inverse of ``to_lines``."""
    return [Copy(*json.loads(line)) for line in content.splitlines()]


def _kept_path(order: WorkOrder, bucket: int) -> str:
    return posixpath.join(order.staging_folder, f"kept-{bucket}.jsonl")


def _prescribed_path(order: WorkOrder, bucket: int) -> str:
    return posixpath.join(order.staging_folder, f"prescribed-{bucket}.json")
