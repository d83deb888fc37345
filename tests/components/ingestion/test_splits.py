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


def outcome(*copies, prescribed=None, test_fraction=0.2):
    """(path and split of the kept copy, {path: reason}), the same in every order."""
    results = set()
    for order in itertools.permutations(copies):
        resolved = resolve(order, prescribed or {}, test_fraction)
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
    [first, *_] = resolve([copy("a", "cat"), copy("b", "dog")], {}, 0.2).refusals
    assert first.message == "same pixels as b, but the labels differ: cat, dog"


def test_test_images_need_a_label():
    assert outcome(copy("a", None, "test")) == (None, {"a": "test_without_label"})
    assert outcome(copy("a", None, "test"), copy("b", "cat", "train")) == (("b", "train"), {"a": "test_without_label"})


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_the_digest_decides_where_nothing_is_prescribed(fraction):
    splits = [resolve([copy(number=number)], {}, fraction).kept.split for number in range(4000)]
    assert set(splits) == {"train", "test"}
    assert abs(splits.count("test") / 4000 - fraction) < 0.03  # 4 standard errors
    again = [resolve([copy("elsewhere", "dog", number=number)], {}, fraction).kept.split for number in range(4000)]
    assert again == splits


def test_a_larger_test_fraction_only_adds():
    for number in range(500):
        small, large = (resolve([copy(number=number)], {}, fraction).kept.split for fraction in (0.1, 0.3))
        assert (small, large) != ("test", "train")


def test_groups_stay_together():
    sides = {}
    for number in range(600):
        group = f"patient {number % 60}"
        sides.setdefault(group, set()).add(resolve([copy(number=number, group=group)], {}, 0.5).kept.split)
    assert all(len(side) == 1 for side in sides.values())
    assert {side for group in sides.values() for side in group} == {"train", "test"}


def test_a_prescribed_split_holds_for_the_whole_group():
    for split in ("train", "test"):
        for number in range(20):
            assert outcome(copy(number=number, group="p"), prescribed={"p": split}) == (("a", split), {})
    unlabelled = copy(label=None, group="p")
    assert outcome(unlabelled, prescribed={"p": "train"}) == (("a", "unlabeled"), {})
    assert outcome(unlabelled, prescribed={"p": "test"}) == (None, {"a": "test_without_label"})
    assert outcome(unlabelled._replace(split="unlabeled"), prescribed={"p": "test"})[0] is None


SIDES = {"P": "train", "Q": "test"}


@pytest.mark.parametrize(
    ("copies", "kept", "refusals"),
    [
        ([copy("a", group="P"), copy("b", group="Q")], None, {"a": "group_conflict", "b": "group_conflict"}),
        (
            [copy("a", None, "unlabeled", group="P"), copy("b", group="Q")],
            None,
            {"a": "group_conflict", "b": "group_conflict"},
        ),
        ([copy("a", group="P"), copy("b", split="test")], None, {"a": "group_conflict", "b": "group_conflict"}),
        ([copy("a", split="train"), copy("b", group="Q")], ("b", "test"), {"a": "also_in_test"}),
        ([copy("a", None), copy("b", group="P")], ("b", "train"), {"a": "duplicate"}),
        ([copy("a"), copy("b", None, group="Q")], ("a", "test"), {"b": "test_without_label"}),
        ([copy("a"), copy("b", None, group="P")], ("a", "train"), {"b": "duplicate"}),
        (
            [copy("a", split="train"), copy("b", None, group="Q")],
            None,
            {"a": "also_in_test", "b": "test_without_label"},
        ),
        ([copy("a", None, "test"), copy("b", group="P")], ("b", "train"), {"a": "test_without_label"}),
        ([copy("a"), copy("b", split="train")], ("a", "train"), {"b": "duplicate"}),
    ],
)
def test_duplicates_in_groups(copies, kept, refusals):
    assert outcome(*copies, prescribed=SIDES, test_fraction=0.999) == (kept, refusals)


def test_the_same_path_twice_is_a_duplicate_of_itself():
    assert outcome(copy("a"), copy("a"), test_fraction=0.999) == (("a", "test"), {"a": "duplicate"})
    kept, refusals = outcome(copy("a", "cat"), copy("a", "dog"))
    assert (kept, refusals) == (None, {"a": "label_conflict"})


@pytest.mark.parametrize("seed", range(30))
def test_nothing_leaks(seed):
    """Random manifests: neither an image nor a group, not even by a copy that was left out, is on both sides."""
    generator = random.Random(seed)
    groups = [None, *(f"p{number}" for number in range(generator.randint(1, 12)))]
    prescribed = {group: generator.choice(("train", "test")) for group in groups[1:] if generator.random() < 0.4}
    by_image = {}
    for index in range(300):
        number, group = generator.randrange(60), generator.choice(groups)
        label = generator.choice((None, f"class {number % 3}", f"class {number % 3}"))
        splits = (None, "unlabeled") if group else (None, "train", "test", "unlabeled")
        split = generator.choice((prescribed.get(group), *splits))
        one = copy(f"{index}", None if split == "unlabeled" else label, split, number, group)
        by_image.setdefault(number, []).append(one)
    sides_of_groups, kept_splits = {}, []
    for copies in by_image.values():
        kept = resolve(copies, prescribed, 0.4).kept
        if kept is None:
            continue
        kept_splits.append(kept.split)
        assert (kept.label is None) == (kept.split == "unlabeled")
        for each in copies:
            if each.group is not None:
                sides_of_groups.setdefault(each.group, set()).add(kept.split == "test")
            assert not (each.group is None and each.split == "test" and each.label and kept.split != "test")
    assert all(len(sides) == 1 for sides in sides_of_groups.values())
    for group, side in prescribed.items():
        assert sides_of_groups.get(group, {side == "test"}) == {side == "test"}
    assert len(set(kept_splits)) > 1


@pytest.mark.parametrize(
    ("number", "size", "expected"),
    [(0, 0, 1), (1, 10**9, 1), (31, 10, 1), (32, 10, 2), (1000, 10, 4), (1000, 1000, 10), (1000, 1001, 11)],
)
def test_shard_count(number, size, expected):
    assert shard_count(number, size, shard_bytes=100, min_shards=4) == expected


def test_shards_of_one_split_fill_evenly():
    kept = [resolve([copy(number=number)], {}, 0.2).kept for number in range(8000)]
    for split in ("train", "test"):
        indices = [shard_index(each.digest, 4) for each in kept if each.split == split]
        assert set(indices) == {0, 1, 2, 3}
        assert max(map(indices.count, range(4))) / min(map(indices.count, range(4))) < 1.3


@pytest.mark.parametrize(("images", "expected"), [(0, 1), (255, 1), (2560, 10), (10**7, 256)])
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
