"""What the workers tell their caller: lines in small files of the staging folder, written whole, read at the end."""

import json
import posixpath
from collections.abc import Iterable
from typing import Any, NamedTuple

import tensorflow as tf

from components.ingestion.decoding.refusals import Refusal
from components.ingestion.staging import read_whole, write_whole
from components.ingestion.summary import Tally

REFUSAL = "refusal"  # followed by a Refusal
TALLY = "tally"  # followed by a Tally as JSON
SHARD = "shard"  # followed by (name, records, sha256) of an output file
COUNT = "count"  # followed by (items, images) that some worker loaded
CONTRADICTION = "contradiction"  # followed by a group for which both train and test are prescribed
_PREFIX = "findings-"


class Findings(NamedTuple):
    """All of them."""

    shards: list[tuple[str, int, str]]  # output files (name, records, sha256) in order of their names
    tally: Tally
    refusals: list[Refusal]
    contradicted: list[str]  # groups for which both train and test are prescribed
    items: int  # that were loaded
    images: int


def finding(kind: str, value: Any) -> str:
    """``value`` as a line."""
    return json.dumps([kind, value]) + "\n"


def write_findings(folder: str, name: str, lines: Iterable[str]) -> None:
    """Write the lines, if there are any, to the file of ``name``, so that a second attempt replaces the first."""
    if content := "".join(lines).encode():
        write_whole(folder, posixpath.join(folder, f"{_PREFIX}{name}.jsonl"), content)


def read_findings(folder: str) -> Findings:
    """What ``write_findings`` left in ``folder``."""
    found: dict[str, list[Any]] = {}
    for path in tf.io.gfile.glob(posixpath.join(folder, _PREFIX + "*")):
        for kind, value in map(json.loads, read_whole(path).splitlines()):
            found.setdefault(kind, []).append(value)
    counts = found.get(COUNT, [])
    [tally] = found.get(TALLY, [Tally().to_json()])
    return Findings(
        shards=sorted(tuple(value) for value in found.get(SHARD, [])),
        tally=Tally.from_json(tally),
        refusals=[Refusal(*value) for value in found.get(REFUSAL, [])],
        contradicted=sorted(found.get(CONTRADICTION, [])),
        items=sum(items for items, _ in counts),
        images=sum(images for _, images in counts),
    )
