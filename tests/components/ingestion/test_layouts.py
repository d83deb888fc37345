"""A table: how a data root is laid out, and what is read of it or which sentence stops the run.

All cases are ingested, so that a sentence is the last line that a person sees.
"""

import collections
import csv

import apache_beam as beam
import numpy as np
import pytest
from PIL import Image

from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig, NearDuplicates, StoredFormat, ValidationPart
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.ingest import ingest
from components.ingestion.summary import IngestionError


def tree(*folders, number=4):
    """``number`` image names in each folder."""
    return [f"{folder}/{index}.png" for folder in folders for index in range(number)]


def classes(*parts, of=("cat", "dog"), number=4):
    return tree(*(f"{part}/{name}" for part in parts for name in of), number=number)


APPLE_DOUBLE = [f"__MACOSX/train/cat/._{index}.png" for index in range(4)]
THUMBNAILS = [f"cat/@eaDir/{index}.png/SYNOPHOTO_THUMB_M.jpg" for index in range(4)]

# name -> (files, settings, images by split, or the sentence, and what a warning says). A test split that is drawn
# counts as train, because the digests decide its size.
LAYOUTS = {
    "train and test": (classes("train", "test"), {}, {"train": 8, "test": 8}, ""),
    "classes": (tree("cat", "dog"), {}, {"train": 8}, ""),
    "Training and Testing": (classes("Training", "Testing"), {}, {"train": 8, "test": 8}, ""),
    "Train and Test": (classes("Train", "Test"), {}, {"train": 8, "test": 8}, ""),
    "training_set and test_set": (classes("training_set", "test_set"), {}, {"train": 8, "test": 8}, ""),
    "train_images and test_images": (classes("train_images", "test_images"), {}, {"train": 8, "test": 8}, ""),
    "val and test": (classes("val", "test"), {}, {"train": 8, "test": 8}, ""),
    "TRAIN, VAL and TEST": (classes("TRAIN", "VAL", "TEST"), {}, {"train": 16, "test": 8}, ""),
    "seg_train and seg_test, nested twice": (
        classes("seg_train/seg_train", "seg_test/seg_test"), {}, {"train": 8, "test": 8}, "",
    ),
    "train and val": (classes("train", "val"), {}, {"train": 16}, "val/ joins train, and a part of train becomes"),
    "train and val as test": (
        classes("train", "val"), {"validation_part": ValidationPart.TEST}, {"train": 8, "test": 8}, "",
    ),
    "train, docs without images": ([*classes("train"), "docs/readme.txt", "docs/LICENSE"], {}, {"train": 8}, ""),
    "train, what a Mac packs": ([*classes("train"), *APPLE_DOUBLE], {}, {"train": 8}, ""),
    "train, an empty folder": ([*classes("train"), "models/"], {}, {"train": 8}, ""),
    "train, system folders": ([*classes("train"), "lost+found/", "@eaDir/0.png"], {}, {"train": 8}, ""),
    "thumbnails of a file server": ([*tree("cat", "dog"), *THUMBNAILS, "@eaDir/0.jpg"], {}, {"train": 8}, ""),
    "train, test and masks": (
        classes("train", "test", "masks"), {}, {"train": 8, "test": 8}, "Images outside the expected folders: 8",
    ),
    "unlabelled beside classes": (
        [*tree("cat", "dog"), *tree("Unlabelled")], {}, {"train": 8, "unlabeled": 4}, "",
    ),
    "a class called train": (tree("train", "car"), {}, {"train": 8}, ""),
    "classes called after parts": (classes("train", "test"), {"train_folder": "none"}, {"train": 16}, ""),
    "train, flat test1": (
        [*classes("train"), *tree("test1")], {},
        r"4 files in test1/ are in no class folder; expected test1/<class>/.*set ingestion.unlabeled_folder to test1",
        "",
    ),
    "train, flat test, used without labels": (
        [*classes("train"), *tree("test")], {"unlabeled_folder": "test", "test_folder": "none"},
        {"train": 8, "unlabeled": 4}, "",
    ),
    "flat parts and a table": (
        [*tree("train", "test"), "train.csv"], {},
        r"4 files in test/ and 4 files in train/ are in no class folder.*train.csv lies beside them.*"
        "ingestion.source to manifest, ingestion.manifest.file to train.csv",
        "",
    ),
    "as Tiny ImageNet": (
        [*tree("train/n01/images", "train/n02/images"), *tree("val/images"), *tree("test/images")], {},
        r"4 files in test/ and 4 files in val/ are in no class folder", "",
    ),
    "train beside what may be a class": (
        [*classes("train"), *tree("bus")], {}, r"train/ is called like a part .* beside it stands bus/", "",
    ),
    "classes beside a test folder": (
        [*tree("cat", "dog"), *classes("test")], {}, r"test/ is called like a part .* beside it stands cat/", "",
    ),
    "the same images in train and test": (
        [f"{part}/{name}/same{index}.png" for part in ("train", "test") for name in ("cat", "dog")
         for index in range(4)], {},
        r"all 8 images of train are in test too", "",
    ),
    "many files of another kind": (
        [*tree("cat", "dog", number=8), *(f"cat/{index}.dcm" for index in range(8))], {}, {"train": 16},
        "Files that are no images: 8, left out. First: cat/0.dcm",
    ),
    "names in two Unicode forms": (
        [*tree("dog"), *(f"caf\u00e9/{index}.png" for index in range(4)),
         *(f"cafe\u0301/{index + 4}.png" for index in range(4))], {}, {"train": 12}, "",
    ),
    "names that differ in case": (
        tree("cat", "Cat", "dog"), {}, {"train": 12}, "Class names that differ only in case or spaces: 'Cat', 'cat'.",
    ),
    "a name with a line break": (tree("a\nb", "dog"), {}, r"folder 'a\\nb': a class name without a line break", ""),
    "a manifest that offers other files": (
        {"rows": 8, "others": [f"{index}.dcm" for index in range(8)]}, {"source": "manifest"},
        r"could not be read as images: 8 \(50.0% of all\)", "",
    ),
    "a manifest whose column is called Split": (
        {"rows": 8, "header": ("path", "label", "Split")}, {"source": "manifest"}, {"train": 4, "test": 4}, "",
    ),
    "a manifest with another column for the split": (
        {"rows": 8, "header": ("path", "label", "subset")}, {"source": "manifest"},
        r"column 'subset' names the parts of the data set; set ingestion.manifest.split", "",
    ),
}  # fmt: skip


def write_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = path.name if path.name.startswith("same") else "/".join(path.parts[-4:])
    generator = np.random.default_rng([*f"{path.parent.name if path.name.startswith('same') else ''}{seed}".encode()])
    small = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    small.resize((24, 20), Image.Resampling.BICUBIC).save(path, "PNG")


def write(root, files):
    for name in files:
        if name.endswith("/"):
            (root / name).mkdir(parents=True)
        elif name.endswith((".png", ".jpg")):
            write_image(root / name)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"no image: {name}")


def write_manifest(root, rows, header=("path", "label", "split"), others=()):
    root.mkdir()
    names = [f"{index}.png" for index in range(rows)]
    write(root, [*names, *others])
    lines = [(name, "ab"[index % 2], ("train", "test")[index // 2 % 2]) for index, name in enumerate([*names, *others])]
    with open(root / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *lines])


@pytest.fixture(scope="module")
def make_pipeline():
    return lambda: beam.Pipeline(argv=["--runner=FnApiRunner"])


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout(tmp_path, make_pipeline, name):
    files, settings, expected, warning = LAYOUTS[name]
    write_manifest(tmp_path / "data", **files) if isinstance(files, dict) else write(tmp_path / "data", files)
    config = IngestionConfig(
        stored_format=StoredFormat.PNG, near_duplicates=NearDuplicates.OFF, test_fraction=0.3, **settings
    )
    arguments = (str(tmp_path / "data"), str(tmp_path / "out"), config, ImageConfig(), make_pipeline)
    if isinstance(expected, str):
        with pytest.raises((SourceError, IngestionError), match=expected):
            ingest(*arguments)
        return
    summary = ingest(*arguments)
    found = collections.Counter(summary.records)
    if "test" not in expected:
        found["train"] += found.pop("test")
    assert found == expected
    assert warning in " ".join(summary.warnings)
    assert len(summary.classes["train"]) == len({name for part in summary.classes.values() for name in part})
