"""The parts of a data set (train, validation, test, unlabeled) as file names, folder names and tables call them.

All sources use this one set of words.
"""

import re
from collections.abc import Sequence

from components.contracts import records
from components.ingestion.config import IngestionConfig

VALIDATION = "validation"  # a part of the source, not a split: ``config.validation_part`` names its split
_WORDS = {
    **dict.fromkeys(("train", "training", "trainset"), records.TRAIN),
    **dict.fromkeys(("test", "tests", "testing", "testset", "t10k"), records.TEST),  # t10k is MNIST's name
    **dict.fromkeys(("val", "valid", "validation", "valset", "dev", "eval"), VALIDATION),
    **dict.fromkeys(("unlabeled", "unlabelled"), records.UNLABELED),
}
# Words that say nothing about the part: training_set, test_images.
_FILLERS = frozenset(("set", "sets", "data", "dataset", "image", "images", "img", "imgs", "folder", "split", "part"))


def part_of(text: str) -> str | None:
    """The part of a data set that a path or a word names: train, test, unlabeled, ``VALIDATION``, or None.

    The last known word decides: ``mnist/train/part-7.tar``, ``imagenet-val-000.tar``. Digits behind a word do not
    matter: ``train2017``.
    """
    return next((_WORDS[word] for word in reversed(_words(text)) if word in _WORDS), None)


def parts_of_folders(names: Sequence[str]) -> dict[str, str]:
    """The folders among ``names`` that are called like a part of a data set, and the part of each.

    A folder is if it has no other words: ``Training``, ``test1``, ``val_images``. If all folders name a part, they may
    share other words: ``seg_train`` and ``seg_test``, but not ``test_tube`` and ``train_station``.
    """
    found = {name: part for name in names if (part := part_of(name)) is not None}
    rests = {name: [word for word in _words(name) if word not in _WORDS] for name in found}
    if len(found) == len(names) and len({tuple(rest) for rest in rests.values()}) == 1:
        return found
    return {name: part for name, part in found.items() if _FILLERS.issuperset(rests[name])}


def is_filler(name: str) -> bool:
    """Whether a folder is called ``images`` or the like, which is neither a part nor a class."""
    words = _words(name)
    return bool(words) and _FILLERS.issuperset(words)


def without_part(path: str) -> tuple[str, ...]:
    """The words of ``path`` but those that name a part, and numbers: the same for all files of one data set."""
    return tuple(word for word in _words(path.removesuffix(".gz")) if word not in _WORDS)


def split_of(part: str | None, has_test: bool, config: IngestionConfig) -> str | None:
    """The split of a part of a source; None if digest or group decide.

    Args:
        part: as ``part_of`` returns it.
        has_test: whether the source has a test split; if it has none, part of train becomes test.
        config: names the split of validation.
    """
    if part == VALIDATION:
        part = config.validation_part.value
    return part if part != records.TRAIN or has_test else None


def has_test(parts: Sequence[str | None], config: IngestionConfig) -> bool:
    """Whether one of the parts of a source is the test split."""
    return any(split_of(part, True, config) == records.TEST for part in parts)


def _words(text: str) -> list[str]:
    """Lower-case words without the digits at their end; numbers are left out."""
    words = re.split(r"[^a-z0-9]+", text.lower())
    stripped = (word if word in _WORDS else word.rstrip("0123456789") for word in words)
    return [word for word in stripped if word]
