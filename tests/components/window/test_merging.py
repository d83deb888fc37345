"""Which copy of an image is kept, on records made here."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from components.contracts import records
from components.window import merging


def digest(name):
    return hashlib.sha256(name.encode()).hexdigest()


def write(path, images):
    """A gzipped TFRecord file of ``(name of the image, label or None, group if any)``; the image bytes name file and
    position."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for position, (name, label, *group) in enumerate(images):
            values = {records.DIGEST: digest(name), records.IMAGE: f"{path.name} {position}"}
            values |= {} if label is None else {records.LABEL: label}
            values |= {records.GROUP: group[0]} if group else {}
            feature = {
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
                for key, value in values.items()
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def read(path):
    found = []
    for serialized in tf.data.TFRecordDataset(str(path), compression_type="GZIP"):
        features = tf.train.Example.FromString(serialized.numpy()).features.feature
        found.append(features[records.IMAGE].bytes_list.value[0].decode())
    return found


def choose(folder, files):
    """``(split, age, images)`` of each file in; the positions left out of each, and all that was chosen, out."""
    paths = [folder / f"{number}.gz" for number in range(len(files))]
    for path, (_, _, images) in zip(paths, files, strict=True):
        write(path, images)
    span_files = [merging.SpanFile(str(path), *file[:2]) for path, file in zip(paths, files, strict=True)]
    kept = merging.choose(span_files, [merging.index_file(str(path)) for path in paths])
    assert kept.records == [len(file[2]) - len(skipped) for file, skipped in zip(files, kept.skipped, strict=True)]
    return [positions.tolist() for positions in kept.skipped], kept


def test_an_image_in_test_of_any_span_leaves_train_of_all(tmp_path):
    files = [
        ("train", 0, [("a", "cat"), ("b", "cat"), ("c", "dog")]),
        ("test", 0, [("t", "dog")]),
        ("train", 1, [("d", "dog"), ("t", "dog"), ("e", "cat")]),
        ("test", 2, [("b", "cat")]),
        ("unlabeled", 2, [("t", None), ("f", None)]),
    ]
    skipped, kept = choose(tmp_path, files)
    assert skipped == [[1], [], [1], [], [0]]
    assert (kept.also_in_test, kept.duplicates, kept.label_conflicts) == (3, 0, 0)


def test_of_copies_on_one_side_the_labelled_and_then_the_latest_is_kept(tmp_path):
    files = [
        ("unlabeled", 0, [("a", None), ("b", None)]),
        ("train", 1, [("a", "cat"), ("c", "cat")]),
        ("train", 2, [("c", "cat"), ("a", "cat"), ("d", "dog")]),
        ("unlabeled", 2, [("b", None)]),
        ("test", 1, [("t", "dog")]),
        ("test", 2, [("t", "dog")]),
    ]
    skipped, kept = choose(tmp_path, files)
    assert skipped == [[0], [], [0, 1], [0], [], [0]]
    assert (kept.also_in_test, kept.duplicates, kept.label_conflicts) == (0, 5, 0)


def test_a_group_in_test_of_any_span_leaves_train_of_all(tmp_path):
    """Patient p moved to test in the latest span: its other images may not train, nor their copies without a group."""
    files = [
        ("test", 0, [("a", "cat", "p"), ("t", "dog")]),
        ("train", 0, [("b", "cat", "q"), ("e", "cat")]),
        ("train", 1, [("c", "dog", "p"), ("d", "dog", "q"), ("a", "cat", "p")]),
        ("unlabeled", 1, [("c", None), ("f", None, "p"), ("g", None)]),
    ]
    skipped, kept = choose(tmp_path, files)
    assert skipped == [[], [], [0, 2], [0, 1]]
    assert (kept.also_in_test, kept.group_in_test, kept.duplicates, kept.label_conflicts) == (1, 2, 1, 0)


def test_the_latest_label_counts_and_the_conflict_is_counted_once(tmp_path):
    files = [
        ("train", 0, [("a", "dog")]),
        ("train", 1, [("a", "cat"), ("b", "cat")]),
        ("train", 2, [("a", "horse")]),
        ("test", 0, [("b", "dog")]),
    ]
    skipped, kept = choose(tmp_path, files)
    assert skipped == [[], [0, 1], [0], []]
    assert (kept.also_in_test, kept.duplicates, kept.label_conflicts) == (1, 2, 2)


@pytest.mark.parametrize("seed", range(3))
def test_every_image_is_kept_exactly_once_whatever_the_files(tmp_path, seed):
    rng = np.random.default_rng(seed)
    files = []
    for age in range(3):
        for split in ("train", "test", "unlabeled"):
            names = rng.choice(60, rng.integers(0, 25), replace=False)
            files.append((split, age, [(str(name), None if split == "unlabeled" else "x") for name in names]))
    in_test = {name for split, _, images in files if split == "test" for name, _ in images}
    skipped, _ = choose(tmp_path, files)
    left = [
        (split, name)
        for (split, _, images), out in zip(files, skipped, strict=True)
        for position, (name, _) in enumerate(images)
        if position not in out
    ]
    assert len(left) == len({name for _, name in left})
    assert {name for _, name in left} == {name for _, _, images in files for name, _ in images}
    assert {name for split, name in left if split == "test"} == in_test


def test_a_file_is_written_without_what_is_left_out(tmp_path):
    source, target = tmp_path / "source.gz", tmp_path / "out" / "target.gz"
    write(source, [(str(number), "x") for number in range(5)])
    target.parent.mkdir()
    target.write_bytes(b"of a killed attempt")
    merging.write_file(str(source), str(target), np.array([0, 3]), str(tmp_path))
    assert read(target) == ["source.gz 1", "source.gz 2", "source.gz 4"]


def test_a_file_that_is_kept_whole_takes_no_room(tmp_path, monkeypatch):
    source = tmp_path / "source.gz"
    write(source, [("a", "x")])
    merging.write_file(str(source), str(tmp_path / "linked.gz"), np.array([], int), str(tmp_path))
    assert (tmp_path / "linked.gz").samefile(source)

    def refuse(*_):
        raise OSError("the file system knows no links")

    monkeypatch.setattr(merging.os, "link", refuse)
    merging.write_file(str(source), str(tmp_path / "copied.gz"), np.array([], int), str(tmp_path))
    assert not (tmp_path / "copied.gz").samefile(source)
    assert read(tmp_path / "copied.gz") == read(source)
    assert {path.name for path in tmp_path.iterdir()} == {"source.gz", "linked.gz", "copied.gz"}
