import hashlib
import itertools
import random

import pytest

from components.ingestion.splits import (
    Copy,
    bucket_count,
    bucket_index,
    buckets_of_shard,
    resolve,
    shard_count,
    shard_index,
    shard_name,
    shuffle_key,
)


def digest(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def copy(path="a", label="cat", split=None, number=0, group=None):
    return Copy(digest(number), path, label, split, group, 3, "file", 0, 100)


def outcome(*copies, test_fraction=0.2):
    """(path and split of the kept copy, {path: reason}), the same in every order."""
    results = set()
    for order in itertools.permutations(copies):
        resolved = resolve(order, test_fraction)
        kept = (resolved.kept.path, resolved.kept.split) if resolved.kept else None
        assert len(resolved.refusals) + (kept is not None) == len(copies)
        results.add((kept, frozenset((refusal.path, refusal.reason) for refusal in resolved.refusals)))
    [(kept, refusals)] = results
    return kept, dict(refusals)


def test_a_single_copy_is_kept():
    assert outcome(copy(split="train")) == (("a", "train"), {})
    assert outcome(copy(split="test")) == (("a", "test"), {})
    assert outcome(copy(label=None, split="unlabeled")) == (("a", "unlabeled"), {})
    assert outcome(copy(label=None, split="train")) == (("a", "unlabeled"), {})


def test_duplicates_are_kept_once():
    assert outcome(copy("b", split="train"), copy("a", split="train"), copy("c", split="train")) == (
        ("a", "train"),
        {"b": "duplicate", "c": "duplicate"},
    )


def test_an_image_in_train_and_test_stays_in_test():
    assert outcome(copy("a", split="train"), copy("z", split="test")) == (("z", "test"), {"a": "also_in_test"})
    assert outcome(copy("u", None, "unlabeled"), copy("z", split="test")) == (("z", "test"), {"u": "also_in_test"})


def test_the_labelled_copy_is_kept():
    assert outcome(copy("a", None, "unlabeled"), copy("b", split="train")) == (("b", "train"), {"a": "duplicate"})


def test_conflicting_labels_leave_all_copies_out():
    kept, refusals = outcome(copy("a", "cat"), copy("b", "dog"), copy("c", "dog", "test"))
    assert kept is None
    assert set(refusals.values()) == {"label_conflict"}
    [first, *_] = resolve([copy("a", "cat"), copy("b", "dog")], 0.2).refusals
    assert first.message == "same pixels as b, but the labels differ: cat, dog"


def test_test_images_need_a_label():
    assert outcome(copy("a", None, "test")) == (None, {"a": "test_without_label"})
    assert outcome(copy("a", None, "test"), copy("b", "cat", "train")) == (("b", "train"), {"a": "test_without_label"})


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_the_digest_decides_where_nothing_is_prescribed(fraction):
    splits = [resolve([copy(number=number)], fraction).kept.split for number in range(4000)]
    assert set(splits) == {"train", "test"}
    assert abs(splits.count("test") / 4000 - fraction) < 0.03  # 4 standard errors
    again = [resolve([copy("elsewhere", "dog", number=number)], fraction).kept.split for number in range(4000)]
    assert again == splits


def test_a_larger_test_fraction_only_adds():
    for number in range(500):
        small, large = (resolve([copy(number=number)], fraction).kept.split for fraction in (0.1, 0.3))
        assert (small, large) != ("test", "train")


def test_groups_stay_together():
    sides = {}
    for number in range(600):
        group = f"patient {number % 60}"
        sides.setdefault(group, set()).add(resolve([copy(number=number, group=group)], 0.5).kept.split)
    assert all(len(side) == 1 for side in sides.values())
    assert {side for group in sides.values() for side in group} == {"train", "test"}


@pytest.mark.parametrize(
    ("number", "size", "expected"),
    [(0, 0, 1), (1, 10**9, 1), (31, 10, 1), (32, 10, 2), (1000, 10, 4), (1000, 1000, 10), (1000, 1001, 11)],
)
def test_shard_count(number, size, expected):
    assert shard_count(number, size, shard_bytes=100, min_shards=4) == expected


def test_shards_of_one_split_fill_evenly():
    kept = [resolve([copy(number=number)], 0.2).kept for number in range(8000)]
    for split in ("train", "test"):
        indices = [shard_index(each.digest, 4) for each in kept if each.split == split]
        assert set(indices) == {0, 1, 2, 3}
        assert max(map(indices.count, range(4))) / min(map(indices.count, range(4))) < 1.3


@pytest.mark.parametrize(("images", "expected"), [(0, 1), (63, 1), (640, 10), (10**7, 256)])
def test_bucket_count(images, expected):
    assert bucket_count(images) == expected


@pytest.mark.parametrize(("shards", "buckets"), [(1, 1), (4, 10), (10, 4), (7, 256), (300, 256)])
def test_buckets_of_a_shard_hold_all_of_it(shards, buckets):
    for number in range(2000):
        index = shard_index(digest(number), shards)
        assert bucket_index(digest(number), buckets) in buckets_of_shard(index, shards, buckets)
    if shards == 7:
        assert max(len(buckets_of_shard(index, 7, 256)) for index in range(7)) <= 38  # a seventh of all, and one


def test_order_in_a_shard_is_neither_that_of_the_shards_nor_of_the_splits():
    digests = [digest(number) for number in range(1000)]
    random.Random(0).shuffle(digests)
    ordered = sorted(digests, key=shuffle_key)
    assert ordered != sorted(digests)
    first_half = [shard_index(each, 2) for each in ordered[:500]]
    assert 200 < sum(first_half) < 300


def test_shard_names_are_those_of_tfx():
    assert shard_name(0, 3) == "data_tfrecord-00000-of-00003.gz"
