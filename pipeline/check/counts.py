"""How many images a run has for what: from a list of the files before ingestion, or from what ingestion found."""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

from components.contracts import records
from components.contracts.ingestion_record import IngestionSummary
from components.ingestion.decoding.refusals import Refusal
from components.ingestion.reading.source import Item, Note, Source

_SAMPLE = 32  # items that are kept for timing, at most; at least half as many of a longer list


@dataclasses.dataclass(frozen=True)
class Counts:
    """Images that are there, at most if they were only listed.

    Attributes:
        train: with a label, in split train.
        test: with a label, in split test.
        unlabeled: without a label; they take part in pretraining.
        undecided: of train or test, which content or group will decide.
        classes: labelled images of train and undecided ones, by class; None if only reading the files can tell.
        is_exact: whether the images were decoded; else some of them may still be refused.
    """

    train: int = 0
    test: int = 0
    unlabeled: int = 0
    undecided: int = 0
    classes: dict[str, int] | None = None
    is_exact: bool = False

    @property
    def labelled(self) -> int:
        """All images of train and test."""
        return self.train + self.test + self.undecided


class Listing(NamedTuple):
    """What a list of the files tells."""

    counts: Counts
    classes: dict[str, dict[str, int]]  # images by split ("train or test" if undecided) and class, as far as known
    refusals: list[Refusal]  # files that are left out without being read
    sample: list[Item]  # some units of work, from the whole list
    is_estimate: bool  # whether only reading the files can tell their number
    notes: list[str]  # what a person should know about the layout


UNDECIDED = "train or test"


def list_source(source: Source) -> Listing:
    """Count without reading any image; memory grows with the classes and the refusals only.

    Raises:
        SourceError: the data root is missing, empty, or not laid out as expected.
    """
    by_split = {records.TRAIN: 0, records.TEST: 0, records.UNLABELED: 0, UNDECIDED: 0}
    classes: dict[str, dict[str, int]] = {}
    refusals: list[Refusal] = []
    notes: list[str] = []
    sample, are_classes_known, is_estimate = _Sample(), True, False
    for entry in source.items():
        if isinstance(entry, Refusal):
            refusals.append(entry)
            continue
        if isinstance(entry, Note):
            notes.append(entry.sentence)
            continue
        split = entry.split or UNDECIDED
        by_split[split] += entry.count
        is_estimate |= entry.is_estimate
        sample.add(entry)
        if entry.label is not None:
            of_split = classes.setdefault(split, {})
            of_split[entry.label] = of_split.get(entry.label, 0) + entry.count
        elif split != records.UNLABELED:
            are_classes_known = False
    counts = Counts(
        train=by_split[records.TRAIN],
        test=by_split[records.TEST],
        unlabeled=by_split[records.UNLABELED],
        undecided=by_split[UNDECIDED],
        classes=_sum(classes.get(split, {}) for split in (records.TRAIN, UNDECIDED)) if are_classes_known else None,
    )
    return Listing(counts, classes, refusals, sample.items, is_estimate, notes)


def of_summary(summary: IngestionSummary) -> Counts:
    """What ingestion found."""
    found = summary.records
    return Counts(
        train=found.get(records.TRAIN, 0),
        test=found.get(records.TEST, 0),
        unlabeled=found.get(records.UNLABELED, 0),
        classes=summary.classes.get(records.TRAIN, {}),
        is_exact=True,
    )


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, number in part.items():
            total[name] = total.get(name, 0) + number
    return total


class _Sample:
    """Evenly spread items of a list whose length is not known: when there are too many, every second one stays."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._stride, self._seen = 1, 0

    def add(self, item: Item) -> None:
        if self._seen % self._stride == 0:
            self.items.append(item)
            if len(self.items) > _SAMPLE:
                self.items, self._stride = self.items[::2], 2 * self._stride
        self._seen += 1
