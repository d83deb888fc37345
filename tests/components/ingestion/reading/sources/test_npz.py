import io
import zipfile

import numpy as np
import pytest

from components.ingestion.config import IngestionConfig, NpzConfig
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading.plug_ins import open_source


def pixels(number, seed=0, shape=(28, 28, 3), dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (number, *shape), dtype=dtype)


def read(root, **settings):
    source = open_source(str(root), IngestionConfig(source="npz", **settings))
    images = [image for item in source.items() for image in source.load(item)]
    found = {image.path: image for image in images}
    assert len(found) == len(images)
    return found


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_medmnist(tmp_path, monkeypatch, save):
    monkeypatch.setattr("components.ingestion.reading.sources.npz._BYTES_PER_ITEM", 10 * 28 * 28 * 3)
    parts = {"train": pixels(95), "val": pixels(12, 1), "test": pixels(11, 2)}
    arrays = {f"{part}_images": images for part, images in parts.items()}
    arrays |= {f"{part}_labels": np.arange(len(images))[:, None] % 9 for part, images in parts.items()}
    save(tmp_path / "pathmnist.npz", **arrays)
    found = read(tmp_path)
    assert len(found) == 95 + 12 + 11
    for part, split in (("train", "train"), ("val", "train"), ("test", "test")):
        for index in (0, 9, 10, len(parts[part]) - 1):
            image = found[f"pathmnist.npz/{part}_images#{index}"]
            np.testing.assert_array_equal(image.content, parts[part][index])
            assert (image.label, image.split) == (str(index % 9), split)


def test_workers_read_slices(tmp_path, monkeypatch):
    monkeypatch.setattr("components.ingestion.reading.sources.npz._BYTES_PER_ITEM", 28 * 28 * 3)
    for save, number in ((np.savez, 100), (np.savez_compressed, 15)):  # 15 slices of 7
        save(tmp_path / "x.npz", train_images=pixels(100))
        source = open_source(str(tmp_path), IngestionConfig(source="npz"))
        items = list(source.items())
        assert len(items) == number
        np.testing.assert_array_equal(next(iter(source.load(items[-1]))).content, pixels(100)[items[-1].start])


def test_gray_text_labels_and_no_labels(tmp_path):
    gray, deep = pixels(3, shape=(9, 8)), pixels(2, shape=(9, 8, 1), dtype=np.uint16)
    np.savez(tmp_path / "a-train.npz", images=gray, labels=np.array(["cat", "", "dog"]))
    np.savez(tmp_path / "b-test.npz", images=deep, labels=np.array([1.0, np.nan]))
    np.savez(tmp_path / "unlabeled.npz", images=gray)
    found = read(tmp_path)
    assert [found[f"a-train.npz/images#{index}"].label for index in range(3)] == ["cat", None, "dog"]
    assert [found[f"b-test.npz/images#{index}"].label for index in range(2)] == ["1", None]
    assert found["b-test.npz/images#0"].content.dtype == np.uint16
    np.testing.assert_array_equal(found["b-test.npz/images#1"].content, deep[1])
    splits = [found[f"{name}.npz/images#0"].split for name in ("a-train", "b-test", "unlabeled")]
    assert splits == ["train", "test", "unlabeled"]
    assert found["unlabeled.npz/images#0"].label is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": pixels(2)}, r"arrays called train_images, val_images, test_images or images expected, found x.npy"),
        ({"train_images": pixels(2, shape=(5, 5, 5))}, r"train_images.npy: \(n, h, w\) or .*found \(2, 5, 5, 5\)"),
        ({"train_images": pixels(0)}, r"train_images.npy: \(n, h, w\) or .*found \(0, 28, 28, 3\)"),
        ({"train_images": pixels(2).astype(np.float32)}, r"train_images.npy: uint8 or uint16 expected, found float32"),
        ({"train_images": np.array([None])}, r"train_images.npy: a plain array with rows, in C order, expected"),
        ({"images": pixels(2), "labels": np.zeros((2, 14))}, r"labels.npy: one label per image, \(2,\) expected"),
        (
            {"images": pixels(2), "labels": np.zeros(3)},
            r"labels.npy: one label per image, \(2,\) expected, found \(3,\)",
        ),
        (
            {"images": pixels(1), "labels": np.array([1.5])},
            r"record 0: text or an integer expected, found 1.5",
        ),
    ],
)
def test_unusable_arrays_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(SourceError, match=f"x.npz: .*{message}|x.npz: {message}"):
        read(tmp_path)


def test_damaged_files_are_refused(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"text")
    with pytest.raises(SourceError, match=r"x.npz: not an npz file"):
        read(tmp_path)
    np.savez_compressed(tmp_path / "x.npz", train_images=pixels(50))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(SourceError, match=r"x.npz: train_images.npy: "):
        read(tmp_path)


def test_no_file(tmp_path):
    with pytest.raises(SourceError, match=r"no file in it that is called \*\.npz"):
        read(tmp_path)


def test_files_of_several_data_sets_stop(tmp_path):
    """Class 0 of one is not class 0 of the other; and another size of the same images would double them."""
    arrays = {"train_images": pixels(4), "train_labels": np.arange(4) % 2}
    np.savez(tmp_path / "bloodmnist.npz", **arrays)
    np.savez(tmp_path / "dermamnist.npz", **arrays)
    with pytest.raises(
        SourceError, match=r"bloodmnist.npz and dermamnist.npz .* several data sets.*ingestion.npz.files"
    ):
        read(tmp_path)
    assert len(read(tmp_path, npz=NpzConfig(files="blood*.npz"))) == 4
    (tmp_path / "dermamnist.npz").rename(tmp_path / "bloodmnist_64.npz")
    with pytest.raises(SourceError, match=r"several data sets"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("files", "is_one"),
    [
        (("train-0.npz", "train-1.npz", "test.npz"), True),
        (("blood-train.npz", "derma-train.npz"), False),
        (("blood-train.npz", "blood-test.npz"), True),
    ],
)
def test_parts_in_files_of_their_own(tmp_path, files, is_one):
    for seed, name in enumerate(files):
        np.savez(tmp_path / name, images=pixels(2, seed), labels=np.arange(2))
    if is_one:
        assert len(read(tmp_path)) == 2 * len(files)
    else:
        with pytest.raises(SourceError, match="several data sets"):
            read(tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("array", ["train_images", "train_labels"])
def test_every_member_is_read_to_its_checksum(tmp_path, save, array):
    """A byte of a stored member can be flipped without any other sign."""
    save(tmp_path / "x.npz", train_images=pixels(50), train_labels=np.arange(50))
    assert len(read(tmp_path)) == 50
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        info = archive.getinfo(f"{array}.npy")
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[info.header_offset + 30 + len(info.filename) + 20 + info.compress_size - 30] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(SourceError, match=f"x.npz: {array}.npy: "):
        read(tmp_path)


def test_a_header_that_lies_is_refused_before_anything_is_allocated(tmp_path):
    def write(shape, dtype="|u1"):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.writestr("train_images.npy", header.getvalue() + b"abc")

    write((1000, 10**6, 10**6))
    with pytest.raises(SourceError, match=r"train_images.npy: \d+ bytes expected for \(1000, 1000000, 1000000\)"):
        read(tmp_path)
    np.savez(tmp_path / "x.npz", train_images=pixels(1, shape=(30, 40)))
    with pytest.raises(SourceError, match=r"images of 40x30 pixels, at most 1000 expected \(ingestion.max_pixels\)"):
        read(tmp_path, max_pixels=1000)
