"""Numbers of images from a list of files, none of which is read."""

import itertools

import pytest

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading.plug_ins import open_source
from components.ingestion.reading.source import Item
from pipeline.check.counts import UNDECIDED, Counts, list_source


def files(root, numbers):
    for folder, number in numbers.items():
        (root / folder).mkdir(parents=True)
        for index in range(number):
            (root / folder / f"{index}.png").write_bytes(b"listed, not read")
    return root


def listed(root, **settings):
    return list_source(open_source(str(root), IngestionConfig(**settings)))


def test_a_labelled_folder_is_counted_by_split_and_class(tmp_path):
    root = files(tmp_path, {"train/cat": 5, "train/dog": 4, "test/cat": 2, "test/dog": 1, "unlabeled": 7})
    (root / "stray.png").touch()
    found = listed(root)
    assert found.counts == Counts(train=9, test=3, unlabeled=7, undecided=0, classes={"cat": 5, "dog": 4})
    assert found.classes == {"train": {"cat": 5, "dog": 4}, "test": {"cat": 2, "dog": 1}}
    assert [(refusal.path, refusal.reason) for refusal in found.refusals] == [("stray.png", "outside_layout")]


def test_without_a_test_split_the_content_will_decide(tmp_path):
    found = listed(files(tmp_path, {"cat": 5, "dog": 4}))
    assert found.counts == Counts(undecided=9, classes={"cat": 5, "dog": 4})
    assert found.classes == {UNDECIDED: {"cat": 5, "dog": 4}}


def test_a_heap_without_labels_is_counted(tmp_path):
    for index in range(3):
        (tmp_path / f"{index}.jpg").touch()
    assert listed(tmp_path).counts == Counts(unlabeled=3, classes={})


def test_labels_that_are_inside_the_files_are_not_known_yet():
    counts = list_source(open_source("", IngestionConfig(source="digits"))).counts
    assert counts == Counts(undecided=1797, classes=None)


def test_an_empty_folder_is_an_error_at_once(tmp_path):
    with pytest.raises(SourceError, match="no file in it"):
        listed(tmp_path)


class ManyItems:
    def items(self):
        return (Item(str(index)) for index in range(1000))


def test_the_sample_comes_from_the_whole_list():
    sample = [int(item.path) for item in list_source(ManyItems()).sample]
    assert 16 <= len(sample) <= 32
    assert sample[0] == 0 and sample[-1] > 900
    assert len({second - first for first, second in itertools.pairwise(sample)}) == 1
