import csv
import hashlib
import io
import json
import pathlib
import struct
import tarfile

import numpy as np
import pyarrow
import pytest
import tensorflow as tf
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata, FileSystem
from PIL import Image
from pyarrow import parquet


def photo(seed, size=(24, 20), gray=False, cells=3):
    """A picture of its own for each seed, smooth between cells x cells points: (h, w, 3) or (h, w) uint8."""
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4], "big"))
    small = generator.integers(0, 256, (cells, cells) if gray else (cells, cells, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((size[1], size[0]), Image.Resampling.BICUBIC))


@pytest.fixture
def make_photo():
    return photo


def write_files(root, files, **settings):
    for name, seed in files.items():
        path = root / pathlib.PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(seed, **settings)).save(path, "PNG")
    root.mkdir(exist_ok=True)
    return root


@pytest.fixture
def make_files(tmp_path):
    """Writes PNG files {relative path: seed} below a folder and returns the folder."""
    return lambda files, folder="data", **settings: write_files(tmp_path / folder, files, **settings)


@pytest.fixture(scope="module")
def make_shared_files(tmp_path_factory):
    """The same, for all tests of a module."""
    return lambda files: write_files(tmp_path_factory.mktemp("shared") / "data", files)


class MemoryFileSystem(FileSystem):
    """Read-only objects under ``memory://``, as an object store shows them."""

    objects: dict = {}

    @classmethod
    def scheme(cls):
        return "memory"

    def _list(self, prefix):
        for path, content in self.objects.items():
            if path.startswith(prefix):
                yield FileMetadata(path, len(content), 1700000000.5)

    def open(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        assert compression_type == CompressionTypes.UNCOMPRESSED
        if path not in self.objects:
            raise BeamIOError(f"no object {path}")
        return io.BytesIO(self.objects[path])

    def metadata(self, path):
        if path not in self.objects:
            raise BeamIOError(f"no object {path}")
        return FileMetadata(path, len(self.objects[path]), 1700000000.5)

    def exists(self, path):
        return path in self.objects

    def has_dirs(self):
        return False

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def _unused(self, *args, **kwargs):
        raise NotImplementedError

    split = mkdirs = create = copy = rename = size = last_updated = checksum = delete = _unused


@pytest.fixture
def in_memory(monkeypatch):
    """Puts the files below a folder, and some that lie elsewhere, into ``memory://bucket`` and returns that root."""

    def put(root):
        objects = {
            f"memory://bucket/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()
        }
        objects |= {"memory://bucket/train/": b"", "memory://other/x": b""}
        monkeypatch.setattr(MemoryFileSystem, "objects", objects)
        return "memory://bucket"

    return put


def as_png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_manifest(root, parts):
    rows = [("path", "label", "split")]
    for part, images in parts.items():
        for index, (pixels, label) in enumerate(images):
            (root / f"{part}{index}.png").write_bytes(as_png(pixels))
            rows.append((f"{part}{index}.png", "ab"[label], part))
    with open(root / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_image_folder(root, parts):
    for part, images in parts.items():
        for index, (pixels, label) in enumerate(images):
            path = root / part / "ab"[label] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_png(pixels))


def write_cifar_binary(root, parts):
    for part, images in parts.items():
        content = b"".join(bytes([label]) + pixels.transpose(2, 0, 1).tobytes() for pixels, label in images)
        (root / {"train": "data_batch_1.bin", "test": "test_batch.bin"}[part]).write_bytes(content)
    (root / "batches.meta.txt").write_text("a\nb\n")


def write_cifar100_binary(root, parts):
    for part, images in parts.items():
        content = b"".join(bytes([0, label]) + pixels.transpose(2, 0, 1).tobytes() for pixels, label in images)
        (root / f"{part}.bin").write_bytes(content)
    (root / "fine_label_names.txt").write_text("a\nb\n")


def write_idx(root, parts):
    for part, images in parts.items():
        pixels = np.stack([pixels for pixels, _ in images])
        head = bytes((0, 0, 8, 4)) + struct.pack(">4I", *pixels.shape)
        (root / f"{part}-images-idx4-ubyte").write_bytes(head + pixels.tobytes())
        labels = bytes(label for _, label in images)
        (root / f"{part}-labels-idx1-ubyte").write_bytes(bytes((0, 0, 8, 1)) + struct.pack(">I", len(labels)) + labels)


def write_npz(root, parts):
    arrays = {f"{part}_images": np.stack([pixels for pixels, _ in images]) for part, images in parts.items()}
    arrays |= {f"{part}_labels": np.array(["ab"[label] for _, label in images]) for part, images in parts.items()}
    np.savez_compressed(root / "set.npz", **arrays)


def write_tfrecord(root, parts):
    for part, images in parts.items():
        with tf.io.TFRecordWriter(str(root / f"{part}.tfrecord")) as writer:
            for pixels, label in images:
                values = {"image": as_png(pixels), "label": b"ab"[label : label + 1]}
                features = {
                    key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for key, v in values.items()
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def write_webdataset(root, parts):
    for part, images in parts.items():
        with tarfile.open(root / f"{part}-0.tar", "w") as archive:
            for index, (pixels, label) in enumerate(images):
                for suffix, content in (("png", as_png(pixels)), ("cls", b"ab"[label : label + 1])):
                    info = tarfile.TarInfo(f"{index:03d}.{suffix}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))


WRITERS = {
    "image_folder": write_image_folder,
    "manifest": write_manifest,
    "cifar_binary": write_cifar_binary,
    "cifar100_binary": write_cifar100_binary,
    "idx": write_idx,
    "npz": write_npz,
    "tfrecord": write_tfrecord,
    "webdataset": write_webdataset,
}


@pytest.fixture(params=WRITERS)
def source_data(request):
    """(source, function that writes 12 train and 4 test images of classes a and b, each 32 x 32, into a folder)."""

    def write(root):
        root.mkdir(parents=True)
        parts = {
            part: [(photo(f"{part} {index}", (32, 32)), index % 2) for index in range(number)]
            for part, number in (("train", 12), ("test", 4))
        }
        WRITERS[request.param](root, parts)
        return root

    return request.param, write


@pytest.fixture
def sources_with_data():
    return set(WRITERS)


@pytest.fixture
def source_writers():
    """{source: function that writes 12 train and 4 test images into a folder}"""

    def writer(source):
        def write(root):
            root.mkdir(parents=True)
            parts = {
                part: [(photo(f"{part} {index}", (32, 32)), index % 2) for index in range(number)]
                for part, number in (("train", 12), ("test", 4))
            }
            WRITERS[source](root, parts)

        return write

    return {source: writer(source) for source in WRITERS}


@pytest.fixture
def make_manifest_tables():
    """Function that writes a table of the images in a folder in each format, and returns the paths."""

    def make(root):
        rows = list(csv.DictReader((root / "manifest.csv").read_text().splitlines()))
        (root / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        parquet.write_table(pyarrow.Table.from_pylist(rows), root / "m.parquet")
        return [root / "m.jsonl", root / "m.parquet"]

    return make
