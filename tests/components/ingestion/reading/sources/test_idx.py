import gzip
import struct

import numpy as np
import pytest

from components.ingestion.config import IdxConfig, IngestionConfig, ValidationPart
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading.plug_ins import open_source


def idx(values, kind=0x08, shape=None):
    shape = values.shape if shape is None else shape
    return bytes((0, 0, kind, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + values.tobytes()


def pixels(number, seed=0, shape=(28, 28)):
    return np.random.default_rng(seed).integers(0, 256, (number, *shape), dtype=np.uint8)


def write(root, name, content, packed):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    path = root / (name + ".gz" if packed else name)
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def read(root, **settings):
    source = open_source(str(root), IngestionConfig(source="idx", **settings))
    images = [image for item in source.items() for image in source.load(item)]
    return {image.path: image for image in images}


@pytest.mark.parametrize("packed", [False, True])
def test_reads_pixels_labels_and_splits(tmp_path, monkeypatch, packed):
    monkeypatch.setattr("components.ingestion.reading.sources.idx._BYTES_PER_ITEM", 100 * 28 * 28)
    train, test = pixels(950), pixels(3, 1)
    write(tmp_path, "train-images-idx3-ubyte", idx(train), packed)
    write(tmp_path, "train-labels-idx1-ubyte", idx((np.arange(950) % 10).astype(np.uint8)), packed)
    write(tmp_path, "t10k-images-idx3-ubyte", idx(test), packed)
    write(tmp_path, "t10k-labels-idx1-ubyte", idx(np.array([7, 8, 9], np.uint8)), packed)
    (tmp_path / "readme.txt").write_text("images and labels")
    found = read(tmp_path)
    suffix = ".gz" if packed else ""
    assert len(found) == 953
    for index in (0, 99, 100, 949):
        image = found[f"train-images-idx3-ubyte{suffix}#{index}"]
        np.testing.assert_array_equal(image.content, train[index])
        assert (image.label, image.split) == (str(index % 10), "train")
    image = found[f"t10k-images-idx3-ubyte{suffix}#2"]
    np.testing.assert_array_equal(image.content, test[2])
    assert (image.label, image.split) == ("9", "test")


def test_a_label_file_that_cannot_be_read_is_no_missing_label(tmp_path):
    write(tmp_path, "train-images-idx3-ubyte", idx(pixels(4)), False)
    write(tmp_path, "train-labels-idx1-ubyte", idx(np.arange(4).astype(np.uint8)), False)
    source = open_source(str(tmp_path), IngestionConfig(source="idx"))
    [item] = source.items()
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    (tmp_path / "train-labels-idx1-ubyte").mkdir()
    with pytest.raises(SourceError, match="train-labels-idx1-ubyte"):
        list(source.load(item))


def test_a_packed_file_is_unpacked_a_bounded_number_of_times(tmp_path, monkeypatch):
    monkeypatch.setattr("components.ingestion.reading.sources.idx._BYTES_PER_ITEM", 28 * 28)
    for packed, number in ((False, 100), (True, 15)):  # 15 slices of 7
        write(tmp_path / str(packed), "train-images-idx3-ubyte", idx(pixels(100)), packed)
        source = open_source(str(tmp_path / str(packed)), IngestionConfig(source="idx"))
        assert len(list(source.items())) == number


def test_colour_names_and_missing_labels(tmp_path):
    colour = pixels(3, shape=(9, 8, 3))
    write(tmp_path, "a/val-images.idx4-ubyte", idx(colour), False)
    write(tmp_path, "a/val-labels.idx1-ubyte", idx(np.array([1, 0, -1], ">i2"), 0x0B), False)
    write(tmp_path, "unlabeled-images.idx3-ubyte", idx(pixels(1)), False)
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    settings = {"class_names_file": "names.txt", "missing_label": "-1"}
    found = read(tmp_path, **settings)
    labels = [found[f"a/val-images.idx4-ubyte#{index}"].label for index in range(3)]
    assert labels == ["dog", "cat", None]
    np.testing.assert_array_equal(found["a/val-images.idx4-ubyte#1"].content, colour[1])
    unlabeled = found["unlabeled-images.idx3-ubyte#0"]
    assert (unlabeled.label, unlabeled.split) == (None, "unlabeled")
    assert found["a/val-images.idx4-ubyte#0"].split is None  # of train, which is split by digest without a test part
    found = read(tmp_path, validation_part=ValidationPart.TEST, **settings)
    assert found["a/val-images.idx4-ubyte#0"].split == "test"


GOOD = idx(pixels(10))
LABELS = idx(np.arange(10, dtype=np.uint8))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (GOOD[:-1], LABELS, r"images-idx3-ubyte: 7856 bytes expected for \(10, 28, 28\), found 7855"),
        (GOOD + b"x", LABELS, r"images-idx3-ubyte: 7856 bytes expected for \(10, 28, 28\), found 7857"),
        (GOOD[:7], LABELS, r"images-idx3-ubyte: ends too early: 12 bytes expected, found 3"),
        (b"text, not idx", LABELS, r"images-idx3-ubyte: not an IDX file of integers: it begins with b'text'"),
        (idx(pixels(10)[:, 0]), LABELS, r"unsigned bytes \(n, h, w\) or .*found uint8 \(10, 28\)"),
        (idx(pixels(5).view("i1"), 0x09), LABELS, r"unsigned bytes .*found int8 \(5, 28, 28\)"),
        (idx(pixels(0)), LABELS, r"no images in it, the shape is \(0, 28, 28\)"),
        (
            GOOD,
            idx(np.arange(9, dtype=np.uint8)),
            r"labels-idx1-ubyte: 10 labels expected, one per image, found \(9,\)",
        ),
        (GOOD, LABELS[:-2], r"labels-idx1-ubyte: ends too early"),
        (gzip.compress(GOOD)[:-20], LABELS, r"images-idx3-ubyte: (ends too early|Compressed file ended)"),
    ],
)
def test_damaged_files_are_refused(tmp_path, images, labels, message):
    write(tmp_path, "train-images-idx3-ubyte", images, False)
    write(tmp_path, "train-labels-idx1-ubyte", labels, False)
    with pytest.raises(SourceError, match=message):
        read(tmp_path)


def test_a_label_without_a_name_is_refused(tmp_path):
    write(tmp_path, "train-images-idx3-ubyte", GOOD, False)
    write(tmp_path, "train-labels-idx1-ubyte", LABELS, False)
    (tmp_path / "names.txt").write_text("\n".join("abcdefghi"))
    with pytest.raises(SourceError, match="labels-idx1-ubyte: record 9: a label from 0 to 8 expected, found 9"):
        read(tmp_path, class_names_file="names.txt")
    with pytest.raises(SourceError, match=r"other.txt: No such file"):
        read(tmp_path, class_names_file="other.txt")


def test_no_images(tmp_path):
    write(tmp_path, "train-labels-idx1-ubyte", LABELS, False)
    for use in (read, lambda root: open_source(str(root), IngestionConfig(source="idx")).fingerprint()):
        with pytest.raises(SourceError, match=r"no file in it that is called \*images\*idx\*"):
            use(tmp_path)


def test_fingerprint_follows_images_labels_and_names(tmp_path):
    write(tmp_path, "train-images-idx3-ubyte", GOOD, False)
    write(tmp_path, "train-labels-idx1-ubyte", LABELS, False)
    (tmp_path / "names.txt").write_text("\n".join("abcdefghij"))

    def fingerprint(**settings):
        return open_source(str(tmp_path), IngestionConfig(source="idx", **settings)).fingerprint()

    first, named = fingerprint(), fingerprint(class_names_file="names.txt")
    (tmp_path / "names.txt").write_text("\n".join("abcdefghixx"))
    assert fingerprint() == first
    assert fingerprint(class_names_file="names.txt") != named
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    assert fingerprint() != first


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@pytest.mark.parametrize("at", [-6, -40])  # in the checksum, in the stream
def test_a_packed_file_is_read_to_its_checksum(tmp_path, name, at):
    write(tmp_path, "train-images-idx3-ubyte", GOOD, True)
    write(tmp_path, "train-labels-idx1-ubyte", idx(np.arange(10, dtype=np.uint8) % 2), True)
    assert len(read(tmp_path)) == 10
    path = tmp_path / f"{name}.gz"
    content = bytearray(path.read_bytes())
    content[max(at, -len(content) + 12)] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"{name}.gz: "):
        read(tmp_path)


def test_more_than_the_header_says_is_refused(tmp_path):
    write(tmp_path, "train-images-idx3-ubyte", GOOD + b"x", True)
    with pytest.raises(SourceError, match=r"1 bytes more than \(10, 28, 28\) has"):
        read(tmp_path)


def test_files_of_several_data_sets_stop(tmp_path):
    for name in ("emnist-digits", "emnist-letters"):
        write(tmp_path, f"{name}-train-images-idx3-ubyte", GOOD, False)
    with pytest.raises(SourceError, match=r"several data sets.*ingestion.idx.files"):
        read(tmp_path)
    assert len(read(tmp_path, idx=IdxConfig(files="emnist-letters-*images*"))) == 10


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte/train-images-idx3-ubyte", "train-labels-idx1-ubyte/train-labels-idx1-ubyte"),
    ],
)
def test_labels_are_found_beside_images_that_are_packed_otherwise(tmp_path, images, labels):
    for name, content in ((images, GOOD), (labels, LABELS)):
        write(tmp_path, name.removesuffix(".gz"), content, name.endswith(".gz"))
    assert [image.label for image in read(tmp_path).values()] == list("0123456789")


def test_packed_copies_beside_the_files_are_of_the_same_data_set(tmp_path):
    for packed in (False, True):
        write(tmp_path, "train-images-idx3-ubyte", GOOD, packed)
        write(tmp_path, "train-labels-idx1-ubyte", LABELS, packed)
    assert len(read(tmp_path)) == 20


def test_labels_without_images_stop(tmp_path):
    write(tmp_path, "qmnist-train-images-idx3-ubyte", GOOD, False)
    write(tmp_path, "qmnist-train-labels-idx2-int", LABELS, False)
    with pytest.raises(SourceError, match=r"labels-idx2-int: labels that belong to no file of images; those of qmnist"):
        read(tmp_path)


def test_images_larger_than_allowed_stop(tmp_path):
    write(tmp_path, "train-images-idx3-ubyte", idx(pixels(1), shape=(1, 60000, 60000)), True)
    with pytest.raises(SourceError, match=r"images of 60000x60000 pixels, at most 64000000 expected"):
        read(tmp_path)
