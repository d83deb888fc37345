"""Chooses one copy of every image that several spans hold, and writes the files without the other copies.

An image is in the window once, and in test if any span has it in test. A group (a patient, a scene) with a test
image in any span is in test only. Only digests are compared, about 100 bytes per image. A file is read once for its
digests, and once more if some of its records are left out.
"""

import hashlib
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from components.contracts import records
from components.contracts.files import IMAGE_RECORDS, read_records

# Half of the digest, and hashes of label and group; 0 if there is none.
_INDEX = np.dtype([("digest", "<u8", 2), ("label", "<u8"), ("group", "<u8")])


class SpanFile(NamedTuple):
    """A file of image records."""

    path: str
    split: str
    age: int  # 0 for the latest span of the window, 1 for the one before, ...


class Kept(NamedTuple):
    """What is kept of the files."""

    skipped: list[np.ndarray]  # per file: positions of the records left out, ascending
    records: list[int]  # per file: records kept
    also_in_test: int  # left out of train or unlabeled, because a span has the image in test
    group_in_test: int  # left out of train or unlabeled, because a span has another image of its group in test
    duplicates: int  # left out because another span has the image too
    label_conflicts: int  # images that spans have under different labels


def index_file(path: str) -> np.ndarray:
    """Digest, label and group of each record, in order: (records,) of ``_INDEX``.

    Raises:
        tf.errors.DataLossError: the file is damaged.
    """
    found = []
    for serialized in read_records(path):
        features = tf.train.Example.FromString(serialized).features.feature
        [digest] = features[records.DIGEST].bytes_list.value
        half = int(digest[:32], 16)
        hashes = [_hash_of(features, name) for name in (records.LABEL, records.GROUP)]
        found.append(((half >> 64, half & (2**64 - 1)), *hashes))
    return np.array(found, _INDEX)


def _hash_of(features: Mapping[str, "tf.train.Feature"], name: str) -> int:
    values = features[name].bytes_list.value if name in features else ()
    return int.from_bytes(hashlib.blake2b(values[0], digest_size=8).digest(), "little") if values else 0


def choose(files: Sequence[SpanFile], indices: Sequence[np.ndarray]) -> Kept:
    """Keep one copy of every image.

    A copy in test wins over others; then a labelled copy over an unlabeled one; then the copy of the latest span, whose
    label is the newest. If groups are known, train and unlabeled keep no image of a group that has a test image in any
    span.

    Args:
        files: all files of the window.
        indices: of each file, as ``index_file`` gives it.
    """
    lengths = [len(index) for index in indices]
    merged = np.concatenate(indices)
    is_test = np.repeat([file.split == records.TEST for file in files], lengths)
    age = np.repeat([file.age for file in files], lengths)
    high, low = merged["digest"].T
    order = np.lexsort((age, merged["label"] == 0, ~is_test, low, high))
    ordered = merged["digest"][order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    keeper = order[np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))]
    left_out = np.zeros(len(order), bool)
    left_out[order[~is_first]] = True
    tested_groups = np.unique(merged["group"][is_test & (merged["group"] != 0)])
    betrays = ~is_test & ~left_out & np.isin(merged["group"], tested_groups)
    other_label = (merged["label"][order] != merged["label"][keeper]) & (merged["label"][order] != 0)
    moved = ~is_first & is_test[keeper] & ~is_test[order]
    ends = np.cumsum(lengths)[:-1]
    skipped = [np.flatnonzero(part) for part in np.split(left_out | betrays, ends)]
    return Kept(
        skipped=skipped,
        records=[length - len(positions) for length, positions in zip(lengths, skipped, strict=True)],
        also_in_test=int(moved.sum()),
        group_in_test=int(betrays.sum()),
        duplicates=int(left_out.sum() - moved.sum()),
        label_conflicts=len(np.unique(keeper[other_label])),
    )


def write_file(path: str, target: str, skipped: np.ndarray, scratch_dir: str) -> None:
    """Write ``path`` without the records at the positions ``skipped`` to ``target``, whole or not at all.

    Args:
        path: gzipped TFRecord file.
        target: likewise; replaced if it is there.
        skipped: positions, ascending.
        scratch_dir: for what is not finished, on the file system of ``target``.
    """
    unfinished = f"{scratch_dir}/{uuid.uuid4().hex}.gz"
    if len(skipped):
        positions = set(skipped.tolist())
        with tf.io.TFRecordWriter(unfinished, IMAGE_RECORDS) as writer:
            for position, serialized in enumerate(read_records(path)):
                if position not in positions:
                    writer.write(serialized)
    else:
        _duplicate(path, unfinished)
    tf.io.gfile.rename(unfinished, target, overwrite=True)


def _duplicate(path: str, target: str) -> None:
    """Link ``target`` to the same bytes, or copy them if the file system has no hard links."""
    try:
        os.link(path, target)
    except OSError:
        tf.io.gfile.copy(path, target)
