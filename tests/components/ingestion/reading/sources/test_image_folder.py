import os

import pytest

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import RefusedImage, SourceError
from components.ingestion.reading.source import Item
from components.ingestion.reading.sources.image_folder import ImageFolder


def write(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def read(root, **settings):
    """({path: (label, split)}, {path: reason})"""
    entries = list(ImageFolder(str(root), IngestionConfig(**settings)).items())
    items = {entry.path: (entry.label, entry.split) for entry in entries if isinstance(entry, Item)}
    refusals = {entry.path: entry.reason for entry in entries if not isinstance(entry, Item)}
    assert len(items) + len(refusals) == len(entries)
    return items, refusals


def test_train_and_test_folders(tmp_path):
    write(
        tmp_path, "train/cat/1.jpg", "train/dog/deep/er/2.jpg", "test/cat/3.jpg", "unlabeled/4.jpg", "unlabeled/x/5.jpg"
    )
    assert read(tmp_path) == (
        {
            "train/cat/1.jpg": ("cat", "train"),
            "train/dog/deep/er/2.jpg": ("dog", "train"),
            "test/cat/3.jpg": ("cat", "test"),
            "unlabeled/4.jpg": (None, "unlabeled"),
            "unlabeled/x/5.jpg": (None, "unlabeled"),
        },
        {},
    )


def test_class_folders_only(tmp_path):
    write(tmp_path, "cat/1.jpg", "dog/deep/er/2.jpg", "unlabeled/4.jpg")
    assert read(tmp_path)[0] == {
        "cat/1.jpg": ("cat", None),
        "dog/deep/er/2.jpg": ("dog", None),
        "unlabeled/4.jpg": (None, "unlabeled"),
    }


def test_train_without_test_is_split_by_digest(tmp_path):
    write(tmp_path, "train/cat/1.jpg", "unlabeled/2.jpg")
    assert read(tmp_path)[0] == {"train/cat/1.jpg": ("cat", None), "unlabeled/2.jpg": (None, "unlabeled")}


def test_a_heap_of_files_has_no_labels(tmp_path):
    write(tmp_path, "1.jpg", "2.jpg")
    assert read(tmp_path)[0] == {"1.jpg": (None, "unlabeled"), "2.jpg": (None, "unlabeled")}


@pytest.mark.parametrize("train", ["train/2.jpg", "train/old/2.jpg"])
def test_a_class_may_be_called_train(tmp_path, train):
    """Where it has folders of its own, somebody must say so."""
    write(tmp_path, "car/1.jpg", train, "bus/night/3.jpg")
    if "old" in train:
        with pytest.raises(SourceError, match=r"beside it stands bus/.*set ingestion.train_folder to a name"):
            read(tmp_path)
    assert read(tmp_path, **({"train_folder": "none"} if "old" in train else {}))[0] == {
        "car/1.jpg": ("car", None),
        train: ("train", None),
        "bus/night/3.jpg": ("bus", None),
    }


def test_other_names_of_folders(tmp_path):
    write(tmp_path, "train/cat/1.jpg", "val/cat/2.jpg", "extra/3.jpg")
    with pytest.raises(SourceError, match=r"train/ is called like a part .* beside it stands extra/"):
        read(tmp_path, unlabeled_folder="val")
    items, _ = read(tmp_path, test_folder="val", unlabeled_folder="extra")
    assert items == {
        "train/cat/1.jpg": ("cat", "train"),
        "val/cat/2.jpg": ("cat", "test"),
        "extra/3.jpg": (None, "unlabeled"),
    }


def test_what_lies_outside_is_told(tmp_path):
    write(tmp_path, "train/cat/1.jpg", "test/cat/2.jpg", "masks/cat/3.jpg", "train/4.jpg", "montage.png", "README.md")
    assert read(tmp_path) == (
        {"train/cat/1.jpg": ("cat", "train"), "test/cat/2.jpg": ("cat", "test")},
        {
            "masks/cat/3.jpg": "outside_layout",
            "train/4.jpg": "outside_layout",
            "montage.png": "outside_layout",
            "README.md": "not_an_image",
        },
    )


def test_empty_class_folders_are_told(tmp_path):
    write(tmp_path, "train/cat/1.jpg", "test/cat/2.jpg")
    (tmp_path / "train/dog").mkdir()
    (tmp_path / "test/elephant").mkdir()
    (tmp_path / "unlabeled/sub").mkdir(parents=True)
    assert read(tmp_path)[1] == {"train/dog/": "empty_class_folder", "test/elephant/": "empty_class_folder"}


def test_a_class_folder_of_refused_files_is_not_empty(tmp_path):
    write(tmp_path, "cat/1.jpg")
    os.makedirs(tmp_path / "dog")
    os.mkfifo(tmp_path / "dog/pipe.jpg")
    os.mkfifo(tmp_path / "dog/notes.txt")
    assert read(tmp_path)[1] == {"dog/pipe.jpg": "not_a_regular_file", "dog/notes.txt": "not_an_image"}


def test_a_link_to_a_class_folder_is_no_empty_class(tmp_path):
    write(tmp_path, "cat/1.jpg", "dog/2.jpg")
    (tmp_path / "again").symlink_to("cat")
    assert read(tmp_path)[1] == {"again/": "link_loop"}


@pytest.mark.parametrize("folders", [(), ("cat", "dog"), ("train/cat",)])
def test_no_file_at_all(tmp_path, folders):
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    source = ImageFolder(str(tmp_path), IngestionConfig())
    for use in (lambda: list(source.items()), source.fingerprint):
        with pytest.raises(SourceError, match=rf"data root {tmp_path}: no file in it; expected train/<class>/"):
            use()


def test_a_name_that_is_not_utf8_has_a_printable_path(tmp_path):
    name = os.fsdecode(b"cat/\xff.jpg")
    write(tmp_path / "x", "y.jpg")
    os.makedirs(tmp_path / "cat")
    with open(os.path.join(tmp_path, name), "wb") as file:
        file.write(b"content")
    source = ImageFolder(str(tmp_path), IngestionConfig())
    [item] = [entry for entry in source.items() if entry.label == "cat"]
    [image] = source.load(item)
    assert image.content == b"content"
    assert image.path == "cat/\\udcff.jpg"


def test_loading_refuses_large_files(tmp_path):
    write(tmp_path, "cat/1.jpg")
    source = ImageFolder(str(tmp_path), IngestionConfig(max_file_bytes=3))
    [item] = source.items()
    with pytest.raises(RefusedImage, match="9 bytes, at most 3 expected"):
        list(source.load(item))
