"""What ImageExampleGen leaves beside its examples: the summary, the quarantine and the near-duplicates."""

import json
from collections.abc import Iterable

from components.contracts.configuration import configuration, from_mapping
from components.contracts.record_files import record


@configuration
class NearDuplicate:
    """An image of train or unlabeled that looks like one of test; a line of the file of near-duplicates."""

    path: str
    split: str  # train or unlabeled
    test_path: str
    bits: int  # of the 64 bits of the two perceptual hashes that differ


@configuration
class QuarantineEntry:
    """A file that is not among the examples; a line of the quarantine."""

    path: str  # relative to the data root, printable
    reason: str  # see ``components.ingestion.decoding.refusals.Reason``
    error: str  # class of the exception behind it; empty if a rule of this project decided
    message: str  # one sentence


@record(version=2)
class IngestionSummary:
    """Content of ``artifact_files.INGESTION_SUMMARY_FILE``."""

    root: str  # of the data
    source: str  # kind of source
    content_digest: str  # of all images as they are stored
    shards: dict[str, int]  # output files by split
    warnings: tuple[str, ...]  # sentences for people
    near_duplicate_pairs: tuple[NearDuplicate, ...]  # the first of them
    seconds: float
    records: dict[str, int]  # images by split
    record_bytes: dict[str, int]  # serialized, by split
    classes: dict[str, dict[str, int]]  # images by split and class name
    refused: dict[str, int]  # files by reason
    undecodable: int  # files that are no usable image
    undecodable_fraction: float  # of all files that were offered as images
    duplicates: int  # files left out because another file has the same pixels
    label_conflicts: int  # files left out because their pixels have several labels
    near_duplicates: int  # images of train or unlabeled that look like one of test
    gray_fraction: float  # of the images, in their source
    white_level: int | None  # value of 16 bits that became white; None if no image has 16 bits
    bits_of_deep_images: dict[str, int]  # images of 16 bits by the bits that they use (a number as text)


def parse_quarantine(lines: Iterable[str], source: str) -> tuple[QuarantineEntry, ...]:
    """The entries of a quarantine file; ``source`` is named in errors.

    Raises:
        ValueError: a line is no JSON, or no entry.
    """
    return tuple(from_mapping(QuarantineEntry, json.loads(line), source) for line in lines if line.strip())
