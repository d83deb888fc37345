"""What was ingested: counts, warnings that follow from them, and reasons to stop.

The functions depend on counts alone, so that every sentence a person may read can be tested.
"""

import dataclasses
import itertools
import posixpath
from collections.abc import Iterable
from typing import NamedTuple

from components.contracts import records
from components.contracts.images import Color
from components.contracts.ingestion_record import IngestionSummary, NearDuplicate
from components.ingestion.config import AUTO, IngestionConfig, NearDuplicates
from components.ingestion.decoding.refusals import UNDECODABLE, Reason, Refusal
from components.ingestion.decoding.white_level import WHITE_OF_16_BITS, DeepImages, bits_of
from components.ingestion.splits import Copy

FIRST = 10  # files or groups named in a message
_MANY_OTHER_FILES = 5  # with one suffix


class IngestionError(ValueError):
    """The data was read but cannot be used; the message says what was expected and what was found."""


@dataclasses.dataclass
class Tally:
    """Counts over the kept images; adds up in any order."""

    records: dict[str, int] = dataclasses.field(default_factory=dict)  # by split
    bytes: dict[str, int] = dataclasses.field(default_factory=dict)  # by split, of serialized records
    classes: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)  # by split and label
    gray: int = 0  # images whose source has one channel
    near_duplicates: int = 0  # images of train or unlabeled that look like one of test, even if they are left out

    def add(self, copy: Copy) -> None:
        """Count one kept image."""
        split = copy.final_split
        self.records[split] = self.records.get(split, 0) + 1
        self.bytes[split] = self.bytes.get(split, 0) + copy.size
        if copy.label is not None:
            labels = self.classes.setdefault(split, {})
            labels[copy.label] = labels.get(copy.label, 0) + 1
        self.gray += copy.channels == 1

    def merge(self, other: "Tally") -> None:
        """Add the counts of ``other``."""
        _add_counts(self.records, other.records)
        _add_counts(self.bytes, other.bytes)
        for split, labels in other.classes.items():
            _add_counts(self.classes.setdefault(split, {}), labels)
        self.gray += other.gray
        self.near_duplicates += other.near_duplicates

    @property
    def total(self) -> int:
        """Images kept."""
        return sum(self.records.values())

    @property
    def splits(self) -> list[str]:
        """The splits that hold at least one image, in the order train, test, unlabeled."""
        return [split for split in (records.TRAIN, records.TEST, records.UNLABELED) if self.records.get(split)]


def sum_tallies(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    total = Tally()
    for tally in tallies:
        total.merge(tally)
    return total


def _add_counts(into: dict[str, int], counts: dict[str, int]) -> None:
    for key, number in counts.items():
        into[key] = into.get(key, 0) + number


def count_reasons(refusals: Iterable[Refusal]) -> dict[str, int]:
    """How many files are left out for each reason, in the order of ``Reason``."""
    counts = dict.fromkeys((reason.value for reason in Reason), 0)
    for refusal in refusals:
        counts[refusal.reason] += 1
    return {reason: number for reason, number in counts.items() if number}


def undecodable(refused: dict[str, int]) -> int:
    """How many files count against ``max_undecodable_fraction``."""
    return sum(number for reason, number in refused.items() if Reason(reason) in UNDECODABLE)


def undecodable_fraction(tally: Tally, refused: dict[str, int]) -> float:
    """The share of undecodable files among all files that were offered as images; 0 if there are no files."""
    bad = undecodable(refused)
    decoded = tally.total + sum(
        refused.get(reason.value, 0)
        for reason in (
            Reason.DUPLICATE,
            Reason.ALSO_IN_TEST,
            Reason.LABEL_CONFLICT,
            Reason.GROUP_CONFLICT,
            Reason.NEAR_DUPLICATE,
            Reason.TEST_WITHOUT_LABEL,
        )
    )
    return bad / (bad + decoded) if bad else 0.0


def check(
    tally: Tally, refusals: list[Refusal], known_classes: Iterable[str], config: IngestionConfig, root: str
) -> None:
    """Stop if pretraining and linear evaluation cannot work with this data.

    Args:
        tally: counts over the kept images.
        refusals: all refusals, sorted.
        known_classes: every class that the source has files for, even if none of them is kept.
        config: holds the limits.
        root: the data root, for messages.

    Raises:
        IngestionError: too many files undecodable, no image at all, no labels in train, too few images of a class, a
            single class, or no test images.
    """
    refused = count_reasons(refusals)
    fraction = undecodable_fraction(tally, refused)
    if fraction > config.max_undecodable_fraction:
        bad = [refusal for refusal in refusals if Reason(refusal.reason) in UNDECODABLE]
        raise IngestionError(
            f"{root}: files that could not be read as images: {len(bad)} ({fraction:.1%} of all), more than "
            f"ingestion.max_undecodable_fraction = {config.max_undecodable_fraction} allows. {_first_of(bad)}"
        )
    if not tally.total:
        raise IngestionError(f"{root}: no image in it. {_first_of(refusals)}")
    train = tally.classes.get(records.TRAIN, {})
    if not train:
        raise IngestionError(
            f"{root}: no image with a label for the train split, but linear evaluation needs some; "
            f"{_no_labels(refusals, config)}. Found: {_counts(tally.records)}"
        )
    names = sorted({*known_classes, *train, *tally.classes.get(records.TEST, {})})
    _check_classes(tally, refusals, names, config, root)


def _no_labels(refusals: list[Refusal], config: IngestionConfig) -> str:
    """Why there are no labels in train, or what to do about it."""
    in_test = [refusal for refusal in refusals if refusal.reason == Reason.ALSO_IN_TEST.value]
    if in_test:
        return f"all {len(in_test)} images of train are in test too, and are kept there only. {_first_of(in_test, 1)}"
    without = [refusal for refusal in refusals if refusal.reason == Reason.LABELS_NOT_FOUND.value]
    if without:
        return _first_of(without, 1).rstrip(".")
    return where_labels_are(config)


def where_labels_are(config: IngestionConfig) -> str:
    """A clause that says where the source of the config looks for labels."""
    return _WHERE_LABELS_ARE.get(config.source, "the source gives none").format(config=config)


_WHERE_LABELS_ARE = {
    "image_folder": "put labelled images into one folder per class",
    "manifest": "ingestion.manifest.label = {config.manifest.label!r} names the column of the labels",
    "tfrecord": "ingestion.tfrecord.label = {config.tfrecord.label!r} names the feature of the labels",
    "webdataset": "ingestion.webdataset.label = {config.webdataset.label!r} names the member of the labels",
    "npz": "labels are expected in arrays called like those of the images, as train_labels beside train_images",
    "idx": "labels are expected in a file beside that of the images, as train-labels-idx1-ubyte",
}


def _check_classes(
    tally: Tally, refusals: list[Refusal], classes: list[str], config: IngestionConfig, root: str
) -> None:
    train = tally.classes.get(records.TRAIN, {})
    few = {name: train.get(name, 0) for name in classes if train.get(name, 0) < config.min_images_per_class}
    if few:
        raise IngestionError(
            f"{root}: classes with fewer train images than ingestion.min_images_per_class = "
            f"{config.min_images_per_class}: {_counts(few)}"
        )
    if len(classes) < 2:
        raise IngestionError(f"{root}: at least two classes expected, found only {classes[0]!r}")
    if not tally.records.get(records.TEST):
        without = [refusal for refusal in refusals if refusal.reason == Reason.TEST_WITHOUT_LABEL.value]
        if without:
            raise IngestionError(
                f"{root}: no test image has a label, so nothing could be measured; test images without a label: "
                f"{len(without)}. {_first_of(without, 1)} If they shall be used without labels, put them where the "
                "source has its unlabeled images"
            )
        raise IngestionError(
            f"{root}: no test images, so nothing could be measured; found {_counts(tally.records)}. "
            f"Add images to the test split, or raise ingestion.test_fraction = {config.test_fraction}"
        )


class Contradictions(NamedTuple):
    """Groups for which the source prescribes both train and test."""

    number: int
    first: tuple[str, ...]  # by name, at most ``FIRST``


def merge_contradictions(parts: Iterable[Contradictions]) -> Contradictions:
    """All of them together; no group is in two of them."""
    number = 0
    names: list[str] = []
    for part in parts:
        number += part.number
        names += part.first
    return Contradictions(number, tuple(sorted(names)[:FIRST]))


def check_groups(contradictions: Contradictions, root: str) -> None:
    """Stop if the source puts one group on both sides of the split.

    Args:
        contradictions: of all groups.
        root: the data root, for the message.

    Raises:
        IngestionError: there is such a group.
    """
    if contradictions.number:
        raise IngestionError(
            f"{root}: groups with images in both train and test, though a group belongs on one side: "
            f"{contradictions.number}. First: {', '.join(contradictions.first)}. Correct the splits, or leave them "
            "empty for these groups"
        )


def warnings(tally: Tally, refusals: list[Refusal], config: IngestionConfig, color: Color) -> list[str]:
    """One sentence for each thing that a person should know, although the run goes on."""
    by_reason: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        by_reason.setdefault(refusal.reason, []).append(refusal)
    found = []
    if color is Color.RGB and tally.gray == tally.total:
        found.append(
            f"All {tally.total} images are gray, but image.color is rgb: the encoder gets three equal channels. "
            "Set image.color to gray to spare the work."
        )
    bad = [refusal for refusal in refusals if Reason(refusal.reason) in UNDECODABLE]
    if bad:
        found.append(f"Files that could not be read as images: {len(bad)}, left out. {_first_of(bad, 3)}")
    for reason, text in _SENTENCES.items():
        if refused := by_reason.get(reason.value):
            found.append(f"{text.format(number=len(refused))} {_first_of(refused, 3)}")
    if tally.near_duplicates and config.near_duplicates is NearDuplicates.REPORT:
        found.append(
            f"Images of train or unlabeled that look like one of test: {tally.near_duplicates}, kept. Set "
            "ingestion.near_duplicates to remove_from_train to leave them out."
        )
    if other := _other_files(refusals, tally, config):
        found.append(f"Files that are no images: {len(other)}, left out. {_first_of(other, 3)}")
    if alike := _names_alike(tally):
        found.append(f"Class names that differ only in case or spaces: {'; '.join(alike[:FIRST])}.")
    unseen = sorted(set(tally.classes.get(records.TRAIN, {})) - set(tally.classes.get(records.TEST, {})))
    if unseen:
        found.append(f"Classes without test images: {len(unseen)}. First: {', '.join(unseen[:FIRST])}.")
    return found


def _other_files(refusals: list[Refusal], tally: Tally, config: IngestionConfig) -> list[Refusal]:
    """The files that are no images, if those of one suffix are so many that images may be among them."""
    kinds: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        if refusal.reason == Reason.NOT_AN_IMAGE.value:
            kinds.setdefault(posixpath.splitext(refusal.path)[1].lower(), []).append(refusal)
    many = [
        kind
        for kind in kinds.values()
        if len(kind) >= _MANY_OTHER_FILES and len(kind) > config.max_undecodable_fraction * (tally.total + len(kind))
    ]
    return sorted(itertools.chain.from_iterable(many))


def _names_alike(tally: Tally) -> list[str]:
    """Class names that a person would take for the same, several together in one text."""
    alike: dict[str, set[str]] = {}
    for name in itertools.chain.from_iterable(tally.classes.values()):
        alike.setdefault("".join(name.casefold().split()), set()).add(name)
    return [", ".join(map(repr, sorted(names))) for _, names in sorted(alike.items()) if len(names) > 1]


def warnings_of_white(deep: DeepImages, setting: str | int, white: int) -> list[str]:
    """Sentences about images of 16 bits that use fewer, or more than ``ingestion.white_level`` says.

    Args:
        deep: all of them.
        setting: ``ingestion.white_level``.
        white: the value that became white.
    """
    if setting == AUTO and white != WHITE_OF_16_BITS:
        return [
            f"All {deep.number} images of 16 bits use at most {bits_of(white)} bits: {white} became white. "
            "ingestion.white_level sets another value."
        ]
    if deep.largest > white:
        return [f"Values of images of 16 bits up to {deep.largest} became white, as ingestion.white_level is {white}."]
    dark = {bits: number for bits, number in deep.by_bits.items() if int(bits) < bits_of(white)}
    if sum(dark.values()) * 2 > deep.number:
        depth = max(map(int, dark))
        return [
            f"{sum(dark.values())} of {deep.number} images of 16 bits use at most {depth} bits and are dark, as "
            f"{white} became white. ingestion.white_level sets another value, such as {2**depth - 1}."
        ]
    return []


_SENTENCES = {
    Reason.LABEL_CONFLICT: "Images with the same pixels under different labels: {number}, all left out.",
    Reason.GROUP_CONFLICT: "Images with the same pixels in groups on both sides of the split: {number}, all left out.",
    Reason.ALSO_IN_TEST: "Images of train or unlabeled that are in test too: {number}, kept in test only.",
    Reason.DUPLICATE: "Exact duplicates: {number}, left out, each image is kept once.",
    Reason.NEAR_DUPLICATE: "Images of train or unlabeled that look like one of test: {number}, left out.",
    Reason.TEST_WITHOUT_LABEL: "Test images without a label: {number}, left out.",
    Reason.OUTSIDE_LAYOUT: "Images outside the expected folders: {number}, left out.",
    Reason.EMPTY_CLASS_FOLDER: "Class folders without files: {number}; the model will not know these classes.",
    Reason.SEVERAL_IMAGES: "Further images in a sample that has one: {number}, left out.",
    Reason.LABELS_NOT_FOUND: "Files without any label where the configuration expects labels: {number}.",
    Reason.LINK_LOOP: "Links to folders that are listed under their own name: {number}, not followed.",
}


def _first_of(refusals: list[Refusal], number: int = FIRST) -> str:
    if not refusals:
        return ""
    named = "; ".join(f"{refusal.path} ({refusal.reason}: {refusal.message})" for refusal in refusals[:number])
    return f"First: {named}."


def _counts(counts: dict[str, int]) -> str:
    named = [f"{name} {number}" for name, number in list(counts.items())[:FIRST]]
    rest = [f"and {len(counts) - FIRST} more"] if len(counts) > FIRST else []
    return ", ".join(named + rest) or "nothing"


def summarize(
    tally: Tally,
    refused: dict[str, int],
    *,
    root: str,
    source: str,
    content_digest: str,
    shards: dict[str, int],
    warnings: tuple[str, ...],
    white_level: int | None,
    bits_of_deep_images: dict[str, int],
    near_duplicate_pairs: tuple[NearDuplicate, ...],
    seconds: float,
) -> IngestionSummary:
    """Add what was counted to the other facts of an ingestion; see ``IngestionSummary`` for each of them."""
    return IngestionSummary(
        root=root,
        source=source,
        content_digest=content_digest,
        shards=shards,
        warnings=warnings,
        white_level=white_level,
        bits_of_deep_images=bits_of_deep_images,
        near_duplicate_pairs=near_duplicate_pairs,
        seconds=seconds,
        records={split: tally.records[split] for split in tally.splits},
        record_bytes={split: tally.bytes[split] for split in tally.splits},
        classes={split: dict(sorted(tally.classes[split].items())) for split in tally.splits if split in tally.classes},
        refused=refused,
        undecodable=undecodable(refused),
        undecodable_fraction=undecodable_fraction(tally, refused),
        duplicates=refused.get(Reason.DUPLICATE.value, 0) + refused.get(Reason.ALSO_IN_TEST.value, 0),
        label_conflicts=refused.get(Reason.LABEL_CONFLICT.value, 0),
        near_duplicates=tally.near_duplicates,
        gray_fraction=tally.gray / tally.total if tally.total else 0.0,
    )
