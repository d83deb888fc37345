import numpy as np
import pytest

from components.ingestion.config import CifarLabel, IngestionConfig
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading.plug_ins import open_source
from components.ingestion.reading.sources.cifar_binary import CIFAR_10

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def record(label, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return bytes([label]) + pixels.transpose(2, 0, 1).tobytes(), pixels


def write(root, batches, names=NAMES):
    for name, content in batches.items():
        (root / name).write_bytes(content)
    (root / "batches.meta.txt").write_text("\n".join(names) + "\n\n")


def source(root):
    return open_source(str(root), IngestionConfig(source="cifar_binary"))


def test_reads_pixels_labels_and_splits(tmp_path):
    train = [record(index % 10, index) for index in range(1203)]  # more than two units of work
    test = [record(3, 5000)]
    write(tmp_path, {"data_batch_1.bin": b"".join(r for r, _ in train), "test_batch.bin": test[0][0]})
    (tmp_path / "readme.html").write_text("not a batch")
    images = [image for item in source(tmp_path).items() for image in source(tmp_path).load(item)]
    by_path = {image.path: image for image in images}
    assert len(by_path) == len(images) == 1204
    for index in (0, 499, 500, 1202):
        image = by_path[f"data_batch_1.bin#{index}"]
        np.testing.assert_array_equal(image.content, train[index][1])
        assert (image.label, image.split) == (NAMES[index % 10], "train")
    assert (by_path["test_batch.bin#0"].label, by_path["test_batch.bin#0"].split) == ("cat", "test")


def test_without_a_test_batch_the_digest_decides(tmp_path):
    write(tmp_path, {"data_batch_1.bin": record(1, 1)[0]})
    assert [item.split for item in source(tmp_path).items()] == [None]


GOOD = b"".join(record(index % 10, index)[0] for index in range(10))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD[:-5], r"a multiple of 3073 bytes expected.*found 30725: 9 records and 3068 bytes"),
        (b"", r"no records, the file is empty"),
        (
            GOOD[: 4 * CIFAR_10.record_bytes] + b"\xc8" + GOOD[4 * CIFAR_10.record_bytes + 1 :],
            r"record 4: a label from 0 to 9 expected, found 200",
        ),
        (b"\x0a" + GOOD[1:], r"record 0: a label from 0 to 9 expected, found 10"),
        (GOOD + b"x", r"a multiple of 3073 bytes expected.*found 30731: 10 records and 1 bytes"),
        (b"x" * 3074 * 10, r"a multiple of 3073 bytes expected.*found 30740"),
        ((b"no " * 3073)[: 2 * 3073], r"record 0: a label from 0 to 9 expected, found 110"),
    ],
)
def test_damaged_batches_are_refused(tmp_path, content, message):
    write(tmp_path, {"data_batch_1.bin": GOOD, "data_batch_2.bin": content})
    with pytest.raises(SourceError, match=rf"data_batch_2.bin: {message}"):
        list(source(tmp_path).items())


def test_missing_files(tmp_path):
    write(tmp_path, {"data_batch_1.bin": GOOD})
    (tmp_path / "batches.meta.txt").unlink()
    with pytest.raises(SourceError, match=r"batches\.meta\.txt: No such file"):
        list(source(tmp_path).items())
    (tmp_path / "data_batch_1.bin").unlink()
    write(tmp_path, {})
    for use in (lambda: list(source(tmp_path).items()), source(tmp_path).fingerprint):
        with pytest.raises(SourceError, match="no batch of CIFAR-10 in it; expected data_batch"):
            use()
    write(tmp_path, {"data_batch_1.bin": GOOD}, names=("cat", "cat"))
    with pytest.raises(SourceError, match="one class name per line expected, all different"):
        list(source(tmp_path).items())


def test_fingerprint_follows_the_batches_only(tmp_path):
    write(tmp_path, {"data_batch_1.bin": GOOD})
    first = source(tmp_path).fingerprint()
    (tmp_path / "readme.html").write_text("x")
    assert source(tmp_path).fingerprint() == first
    write(tmp_path, {"test_batch.bin": GOOD})
    assert source(tmp_path).fingerprint() != first


def write_cifar100(root):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 3072), dtype=np.uint8)
    labels = np.array([[1, 4], [0, 2], [1, 3], [0, 0], [0, 1], [1, 4], [1, 3]], np.uint8)
    content = np.concatenate([labels, pixels], axis=1)
    (root / "train.bin").write_bytes(content[:5].tobytes())
    (root / "test.bin").write_bytes(content[5:].tobytes())
    (root / "fine_label_names.txt").write_text("apple\nbear\nbee\nbus\ncar\n")
    (root / "coarse_label_names.txt").write_text("nature\nvehicles\n")
    return pixels


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (CifarLabel.FINE, ["car", "bee", "bus", "apple", "bear", "car", "bus"]),
        (CifarLabel.COARSE, ["vehicles", "nature", "vehicles", "nature", "nature", "vehicles", "vehicles"]),
    ],
)
def test_cifar_100(tmp_path, kind, expected):
    pixels = write_cifar100(tmp_path)
    cifar = open_source(str(tmp_path), IngestionConfig(source="cifar100_binary", cifar100_label=kind))
    images = {image.path: image for item in cifar.items() for image in cifar.load(item)}
    names = [f"train.bin#{index}" for index in range(5)] + [f"test.bin#{index}" for index in range(2)]
    assert [images[name].label for name in names] == expected
    assert [images[name].split for name in names] == ["train"] * 5 + ["test"] * 2
    for name, flat in zip(names, pixels, strict=True):
        np.testing.assert_array_equal(images[name].content, flat.reshape(3, 32, 32).transpose(1, 2, 0))


def test_cifar_100_refuses_the_other_layout(tmp_path):
    write_cifar100(tmp_path)
    (tmp_path / "train.bin").write_bytes(GOOD)
    cifar = open_source(str(tmp_path), IngestionConfig(source="cifar100_binary"))
    with pytest.raises(SourceError, match=r"train.bin: a multiple of 3074 bytes expected \(records of CIFAR-100\)"):
        list(cifar.items())
