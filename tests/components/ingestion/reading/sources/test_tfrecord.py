import gzip

import pytest
import tensorflow as tf

from components.ingestion.config import IngestionConfig, TFRecordConfig
from components.ingestion.decoding.refusals import Refusal, SourceError
from components.ingestion.reading.plug_ins import open_source


def example(**features):
    def feature(value):
        values = value if isinstance(value, list) else [value]
        if isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    found = {name: feature(value) if value != [] else tf.train.Feature() for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=found)).SerializeToString()


def write(path, *records, packed=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), packed) as writer:
        for record in records:
            writer.write(record)


def read(root, **settings):
    source = open_source(str(root), IngestionConfig(source="tfrecord", **settings))
    return {image.path: image for item in source.items() for image in source.load(item)}


@pytest.mark.parametrize("packed", ["", "GZIP"])
def test_reads_records_labels_and_splits(tmp_path, packed):
    records = [example(image=b"%d" % index, label=b"cat", path=b"x") for index in range(300)]
    write(tmp_path / "train-00000-of-00002.tfrecord", *records, packed=packed)
    write(tmp_path / "train-00001-of-00002.tfrecord", packed=packed) if packed else None
    write(tmp_path / "test/part.tfrecord.gz", example(image=b"test", label=7), packed=packed)
    (tmp_path / "notes.txt").write_text("no records")
    found = read(tmp_path)
    assert len(found) == 301
    for index in (0, 299):
        image = found[f"train-00000-of-00002.tfrecord#{index}"]
        assert image[:5] == (image.path, b"%d" % index, "cat", "train", None)
    assert found["test/part.tfrecord.gz#0"][1:5] == (b"test", "7", "test", None)


def test_feature_names_groups_and_missing_labels(tmp_path):
    names = TFRecordConfig(files="*.rec", image="image/encoded", label="image/class/label", group="patient")
    features = [
        {"image/encoded": b"a", "image/class/label": 1, "patient": b"p"},
        {"image/encoded": b"b", "image/class/label": 0, "patient": 17},
        {"image/encoded": b"c", "image/class/label": -1},
        {"image/encoded": b"d", "image/class/label": []},
        {"image/encoded": b"e"},
    ]
    write(tmp_path / "x.rec", *(example(**each) for each in features))
    write(tmp_path / "x.tfrecord", example(image=b"other"))
    (tmp_path / "names.txt").write_text("cat\ndog")
    found = read(tmp_path, tfrecord=names, class_names_file="names.txt", missing_label="-1")
    assert [(image.label, image.group) for image in found.values()] == [
        ("dog", "p"), ("cat", "17"), (None, None), (None, None), (None, None)
    ]  # fmt: skip


@pytest.mark.parametrize("features", [{"picture": b"a"}, {"image": 3}, {"image": [b"a", b"b"]}, {"image": []}])
def test_a_record_without_an_image_is_left_out(tmp_path, features):
    write(tmp_path / "x.tfrecord", example(image=b"a"), example(**features))
    source = open_source(str(tmp_path), IngestionConfig(source="tfrecord"))
    [item] = source.items()
    _, refusal = source.load(item)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "empty_file"
    assert refusal.message == f"one value in a bytes feature image expected; features: {next(iter(features))}"


@pytest.mark.parametrize("packed", [False, True])
def test_a_record_that_is_too_long_is_refused_and_its_end_is_checked(tmp_path, packed):
    path = tmp_path / "x.tfrecord"
    write(path, example(image=b"a"), example(image=b"b" * 3_000_000), example(image=b"c"))
    content = path.read_bytes()
    path.write_bytes(gzip.compress(content) if packed else content)
    first, refusal, last = read(tmp_path, max_file_bytes=1000).values()
    assert (first.content, last.content) == (b"a", b"c")
    assert refusal.reason == "file_too_large"
    path.write_bytes(content[:200] + b"~" + content[201:])
    with pytest.raises(SourceError, match="wrong checksum of a record"):
        read(tmp_path, max_file_bytes=1000)


def test_a_group_with_two_values_names_file_and_record(tmp_path):
    write(tmp_path / "x.tfrecord", example(image=b"a", group=1), example(image=b"b", group=[1, 2]))
    with pytest.raises(SourceError, match=r"x.tfrecord: record 1: group: one value per image expected, found 2"):
        read(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-3], "ends too early"),
        (lambda content: content + b"xyz", "ends within a record"),
        (lambda content: content[:30] + b"~" + content[31:], "damaged: wrong checksum of a record"),
        (lambda content: b"~" + content[1:], "not a TFRecord file, or damaged"),
        (lambda content: b"just a text file with some words in it", "not a TFRecord file, or damaged"),
    ],
)
def test_damaged_files_are_refused(tmp_path, damage, message, packed):
    path = tmp_path / "x.tfrecord"
    write(path, example(image=b"a" * 50), example(image=b"b"))
    content = damage(path.read_bytes())
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(SourceError, match=f"x.tfrecord: {message}"):
        read(tmp_path)


def test_other_errors(tmp_path):
    with pytest.raises(SourceError, match=r"no file in it that is called \*\.tfrecord\*"):
        read(tmp_path)
    write(tmp_path / "x.tfrecord", b"\xff\xff no example")
    with pytest.raises(SourceError, match=r"x.tfrecord: record 0: a tf.Example expected"):
        read(tmp_path)
    write(tmp_path / "x.tfrecord", example(image=b"a", label=[1, 2]))
    with pytest.raises(SourceError, match=r"x.tfrecord: record 0: one value per image expected, found 2"):
        read(tmp_path)


def test_agrees_with_tensorflow_on_what_a_file_holds(tmp_path):
    records = [bytes([index]) * (index * 37) for index in range(50)]
    write(tmp_path / "x", *records)
    from components.ingestion.reading.sources.tfrecord import read_records

    with open(tmp_path / "x", "rb") as file:
        assert list(read_records(file, "x", 2**20)) == records
