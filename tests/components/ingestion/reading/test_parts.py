import pytest

from components.ingestion.config import IngestionConfig, ValidationPart
from components.ingestion.reading import parts


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("train-00000-of-00010.tfrecord", "train"),
        ("imagenet-val-000.tar", parts.VALIDATION),
        ("emnist-letters-test-images-idx3-ubyte.gz", "test"),
        ("t10k-images-idx3-ubyte", "test"),
        ("test/part-7.tar", "test"),
        ("test_set/train-1.tar", "train"),
        ("Unlabelled", "unlabeled"),
        ("unlabeled/train.tar", "train"),
        ("constraint.tar", None),
        ("train2017", "train"),
        ("test1", "test"),
        ("training_set/1.tar", "train"),
        ("dev", parts.VALIDATION),
        ("shard-0.tar", None),
    ],
)
def test_parts_are_told_from_names(text, part):
    assert parts.part_of(text) == part


@pytest.mark.parametrize(
    ("part", "role", "has_test", "split"),
    [
        ("train", "train", True, "train"),
        ("train", "train", False, None),
        ("test", "train", True, "test"),
        (parts.VALIDATION, "train", True, "train"),
        (parts.VALIDATION, "train", False, None),
        (parts.VALIDATION, "test", True, "test"),
        ("unlabeled", "train", False, "unlabeled"),
        (None, "train", True, None),
    ],
)
def test_splits_of_parts(part, role, has_test, split):
    assert parts.split_of(part, has_test, IngestionConfig(validation_part=ValidationPart(role))) == split


def test_validation_may_be_the_test_split():
    found = ["train", parts.VALIDATION, None]
    assert not parts.has_test(found, IngestionConfig())
    assert parts.has_test(found, IngestionConfig(validation_part=ValidationPart.TEST))


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (("Training", "Testing"), {"Training": "train", "Testing": "test"}),
        (("TRAIN", "VAL", "TEST"), {"TRAIN": "train", "VAL": parts.VALIDATION, "TEST": "test"}),
        (("training_set", "test_set"), {"training_set": "train", "test_set": "test"}),
        (("seg_train", "seg_test"), {"seg_train": "train", "seg_test": "test"}),
        (("train", "test1", "docs"), {"train": "train", "test1": "test"}),
        (("seg_train", "seg_test", "cat"), {}),
        (("test_tube", "train_station"), {}),
        (("cat", "dog"), {}),
        (("train", "bus", "car"), {"train": "train"}),
        (("Unlabelled", "cat"), {"Unlabelled": "unlabeled"}),
    ],
)
def test_folders_that_name_a_part(folders, found):
    assert parts.parts_of_folders(folders) == found


def test_files_of_one_data_set_share_their_other_words():
    assert parts.without_part("a/mnist-train-images-00.idx3") == parts.without_part("a/mnist_test_images-17.idx3")
    assert parts.without_part("a/mnist-train.npz") != parts.without_part("a/fashion-train.npz")
    assert parts.is_filler("images")
    assert not any(map(parts.is_filler, ("cats", "7")))
