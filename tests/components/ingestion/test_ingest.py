import contextlib
import csv
import dataclasses
import io
import itertools
import json
import os
import pathlib
import shutil
import tempfile
from unittest import mock

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.runners.portability.fn_api_runner import execution
from PIL import Image

from components.contracts import artifact_files, records
from components.contracts.images import Color, ImageConfig
from components.contracts.ingestion_record import IngestionSummary, NearDuplicate
from components.contracts.record_files import read_record
from components.ingestion import staging, work_order
from components.ingestion.beam import decoding, transforms
from components.ingestion.config import IngestionConfig, NearDuplicates, StoredFormat
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.ingest import ingest
from components.ingestion.reading import labels
from components.ingestion.reading.sources import manifest
from components.ingestion.summary import IngestionError

CONFIG = IngestionConfig(stored_format=StoredFormat.PNG, max_undecodable_fraction=0.9)
CONFIG_OF_MANIFEST = dataclasses.replace(CONFIG, source="manifest", test_fraction=0.4)
FOLDERS = {
    **{f"train/cat/{index}.png": f"train cat {index}" for index in range(6)},
    **{f"train/dog/deep/{index}.png": f"train dog {index}" for index in range(5)},
    **{f"test/{name}/{index}.png": f"test {name} {index}" for name in ("cat", "dog") for index in range(2)},
    **{f"unlabeled/{index}.png": f"unlabeled {index}" for index in range(3)},
}


def run(root, output, config=CONFIG, pipelines=None, **image):
    def make_pipeline():
        pipeline = beam.Pipeline(argv=["--runner=FnApiRunner"])
        if pipelines is not None:
            pipelines.append(pipeline)
        return pipeline

    return ingest(str(root), str(output), config, ImageConfig(**image), make_pipeline)


def read(output, split):
    """{path: {feature: value}} of a split, in the order of the files."""
    found = {}
    for path in sorted((pathlib.Path(output) / f"Split-{split}").iterdir()):
        for serialized in tf.data.TFRecordDataset(str(path), compression_type="GZIP").as_numpy_iterator():
            features = tf.train.Example.FromString(serialized).features.feature
            values = {name: getattr(value, value.WhichOneof("kind")).value[0] for name, value in features.items()}
            found[values[records.PATH].decode()] = values
    return found


def quarantine(output):
    return {path: entry["reason"] for path, entry in quarantine_entries(output).items()}


def quarantine_entries(output):
    lines = (pathlib.Path(output) / artifact_files.QUARANTINE_FILE).read_text().splitlines()
    return {entry["path"]: entry for entry in map(json.loads, lines)}


def contents(folder):
    """Every file below ``folder`` but the summary, which holds the time."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file() and path.name != artifact_files.INGESTION_SUMMARY_FILE
    }


@pytest.fixture(scope="module")
def ingested(make_shared_files):
    """(root, output, summary) of FOLDERS, not to be changed."""
    root = make_shared_files(FOLDERS)
    return root, root.parent / "out", run(root, root.parent / "out")


def test_rows_in_rows_out(ingested, make_photo):
    _, output, summary = ingested
    found = {split: read(output, split) for split in ("train", "test", "unlabeled")}
    for name, seed in FOLDERS.items():
        values = found[name.split("/")[0]].pop(name)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(values[records.IMAGE]))), make_photo(seed))
        label = name.split("/")[1].encode() if not name.startswith("unlabeled") else None
        assert values.get(records.LABEL) == label
    assert found == {"train": {}, "test": {}, "unlabeled": {}}
    assert summary.records == {"train": 11, "test": 4, "unlabeled": 3}
    assert summary.classes == {"train": {"cat": 6, "dog": 5}, "test": {"cat": 2, "dog": 2}}
    assert summary.warnings == ()
    assert read_record(IngestionSummary, str(output / artifact_files.INGESTION_SUMMARY_FILE)) == summary
    assert sorted(os.listdir(output)) == [
        "Split-test", "Split-train", "Split-unlabeled",
        artifact_files.INGESTION_SUMMARY_FILE, artifact_files.NEAR_DUPLICATES_FILE, artifact_files.QUARANTINE_FILE,
    ]  # fmt: skip


def test_bad_files_are_left_out_and_counted(make_files, make_photo, tmp_path):
    root = make_files(FOLDERS)
    (root / "train/cat/text.jpg").write_text("text")
    (root / "train/cat/README.md").write_text("text")
    (root / "train/cat/empty.png").touch()
    (root / "train/cat/cut.png").write_bytes((root / "train/cat/0.png").read_bytes()[:200])
    (root / "train/cat/renamed").write_bytes((root / "train/cat/0.png").read_bytes())
    (root / "train/dog/as_cat.png").write_bytes((root / "train/cat/1.png").read_bytes())
    (root / "unlabeled/as_test.png").write_bytes((root / "test/cat/1.png").read_bytes())
    (root / "train/emu").mkdir()
    os.mkfifo(root / "train/cat/pipe.jpg")
    Image.fromarray(make_photo(1, (7, 9))).save(root / "train/cat/small.png")
    pipelines = []
    summary = run(root, tmp_path / "out", pipelines=pipelines)
    reasons = {
        "train/cat/text.jpg": "unknown_format",
        "train/cat/README.md": "not_an_image",
        "train/cat/empty.png": "empty_file",
        "train/cat/cut.png": "truncated",
        "train/cat/renamed": "duplicate",
        "train/cat/1.png": "label_conflict",
        "train/dog/as_cat.png": "label_conflict",
        "unlabeled/as_test.png": "also_in_test",
        "train/emu/": "empty_class_folder",
        "train/cat/pipe.jpg": "not_a_regular_file",
        "train/cat/small.png": "too_small",
    }
    assert quarantine(tmp_path / "out") == reasons
    errors = {path: entry["error"] for path, entry in quarantine_entries(tmp_path / "out").items() if entry["error"]}
    assert errors == {
        "train/cat/text.jpg": "UnidentifiedImageError",
        "train/cat/README.md": "UnidentifiedImageError",
    }
    assert summary.refused == {reason: list(reasons.values()).count(reason) for reason in set(reasons.values())}
    assert set(read(tmp_path / "out", "train")) == {name for name in FOLDERS if name.startswith("train")} - {
        "train/cat/1.png"
    }
    assert set(read(tmp_path / "out", "test")) == {name for name in FOLDERS if name.startswith("test")}
    assert len(summary.warnings) == 4 + 1
    counters = {
        counter.key.metric.name: counter.committed
        for counter in pipelines[0].result.metrics().query()["counters"]
        if counter.key.metric.namespace == work_order.NAMESPACE
    }
    assert counters["images_decoded"] == len(FOLDERS) + 3
    assert counters["records_written"] == len(FOLDERS) - 1
    assert counters["refused_label_conflict"] == 2
    assert counters["refused_truncated"] == 1


@contextlib.contextmanager
def as_ordinary_user():
    """Root reads everything, so where the tests run as root, what is inside does not."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_what_may_not_be_read_is_left_out(ingested, make_files):
    del ingested  # has imported everything, which an ordinary user might not be allowed to
    with tempfile.TemporaryDirectory() as folder:  # that of pytest is for its owner only
        data, output = pathlib.Path(folder, "data"), pathlib.Path(folder, "out")
        shutil.copytree(make_files(FOLDERS), data)
        (data / "train/cat/gone.png").symlink_to("nowhere")
        os.chmod(folder, 0o777)
        os.chmod(data / "train/cat/0.png", 0)
        os.chmod(data / "unlabeled", 0)
        with as_ordinary_user():
            summary = run(data, output)
        found = quarantine_entries(output)
    assert {path: (entry["reason"], entry["error"], entry["message"]) for path, entry in found.items()} == {
        "train/cat/0.png": ("unreadable", "PermissionError", "Permission denied"),
        "train/cat/gone.png": ("broken_link", "FileNotFoundError", "No such file or directory"),
        "unlabeled/": ("unreadable", "PermissionError", "folder: Permission denied"),
    }
    assert summary.records == {"train": 10, "test": 4}


def test_output_depends_on_neither_order_nor_place(make_files, tmp_path, monkeypatch):
    seeds = {f"{name}/{index}.png": f"{name} {index}" for name in ("cat", "dog") for index in range(60)}
    seeds["cat/copy.png"] = seeds["cat/3.png"]
    first = run(make_files(seeds), tmp_path / "first")
    root = make_files(dict(reversed(seeds.items())), "elsewhere")
    listed = transforms.read_portions
    monkeypatch.setattr(transforms, "read_portions", lambda *found: reversed(list(listed(*found))))
    second = run(root, tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert first.content_digest == second.content_digest
    assert first.records["train"] + first.records["test"] == 120
    assert 8 < first.records["test"] < 44  # 24 expected, 4.5 standard deviations


def test_shards_are_named_filled_and_shuffled(make_files, tmp_path):
    seeds = {f"train/{name}/{index}.png": f"{name} {index}" for name in ("a", "b") for index in range(60)}
    seeds |= {f"test/{name}/0.png": name for name in ("a", "b")}
    summary = run(make_files(seeds), tmp_path / "out")
    assert summary.shards == {"train": 4, "test": 1}
    names = sorted(path.name for path in (tmp_path / "out/Split-train").iterdir())
    assert names == [f"data_tfrecord-{index:05d}-of-00004.gz" for index in range(4)]
    labels = [path.split("/")[1] for path in read(tmp_path / "out", "train")]
    assert 20 < sum(one != next_one for one, next_one in itertools.pairwise(labels)) < 100


def test_image_bytes_pass_no_shuffle(make_files, tmp_path, monkeypatch):
    """The local runner keeps in memory what passes one: not more than a few hundred bytes for each image."""
    passed = []
    append = execution.GroupingBuffer.append

    def count(self, elements):
        passed.append(len(elements))
        append(self, elements)

    monkeypatch.setattr(execution.GroupingBuffer, "append", count)
    seeds = {f"{name}/{index}.png": f"{name} {index}" for name in "ab" for index in range(100)}
    summary = run(make_files(seeds, size=(100, 80)), tmp_path / "out")
    stored = sum(summary.record_bytes.values()) / 200
    assert stored > 4000
    assert 0 < sum(passed) / 200 < 400


def test_no_image_is_on_both_sides(make_files, tmp_path):
    """Copies under many names, in both classes' folders and unlabeled, split by digest."""
    seeds = {
        f"{name}/{index}-{copy}.png": f"{name} {index}" for name in "ab" for index in range(30) for copy in range(3)
    }
    seeds |= {f"unlabeled/{index}.png": f"a {index}" for index in range(30)}
    run(make_files(seeds), tmp_path / "out")
    train, test = (
        {each[records.DIGEST] for each in read(tmp_path / "out", split).values()} for split in ("train", "test")
    )
    assert not train & test
    assert len(train | test) == 60
    assert not (tmp_path / "out/Split-unlabeled").exists()


def test_leftovers_of_killed_and_failed_attempts_vanish(ingested, tmp_path, monkeypatch):
    """A kill leaves a half-written staging folder and output file; a failure comes after all records are staged."""
    root, clean, _ = ingested
    output = tmp_path / "out"
    folder = pathlib.Path(staging.create_folder(str(output)))
    (folder / "abc").write_bytes(b"half a record")
    (output / "Split-train").mkdir()
    (output / "Split-train/data_tfrecord-00000-of-00009.gz").write_bytes(b"half a file")
    (output / "Split-old").mkdir()

    finish_bundle = decoding.DecodeAndStage.finish_bundle

    def die(self):
        list(finish_bundle(self))
        raise OSError("worker lost")

    with monkeypatch.context() as patch:
        patch.setattr(decoding.DecodeAndStage, "finish_bundle", die)
        with pytest.raises(Exception, match="worker lost"):
            run(root, output)
    assert os.listdir(output) == []
    run(root, output)
    assert contents(output) == contents(clean)


def test_a_decoding_bundle_may_run_twice(ingested, tmp_path, monkeypatch):
    """Beam may try a bundle again after its records were staged; only what the last attempt told counts."""
    root, clean, _ = ingested
    process = decoding.DecodeAndStage.process

    def process_twice(self, portion):
        thrown_away = [*process(self, portion), *self.finish_bundle()]
        assert thrown_away
        self.start_bundle()
        yield from process(self, portion)

    monkeypatch.setattr(decoding.DecodeAndStage, "process", process_twice)
    run(root, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(clean)


def test_runs_are_written_on_the_way(ingested, tmp_path, monkeypatch):
    """What is known of the images does not pile up in a bundle."""
    root, clean, _ = ingested
    monkeypatch.setattr("components.ingestion.planning._IMAGES_PER_PORTION", 4)
    monkeypatch.setattr(decoding, "_COPIES_PER_RUN", 3)
    monkeypatch.setattr("components.ingestion.splits._COPIES_PER_BUCKET", 2)
    run(root, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(clean)


def test_an_image_that_vanishes_on_the_way_is_noticed(ingested, tmp_path, monkeypatch):
    root, _, _ = ingested
    flush = decoding.DecodeAndStage._flush
    monkeypatch.setattr(decoding.DecodeAndStage, "_flush", lambda self: list(flush(self))[1:])
    monkeypatch.setattr("components.ingestion.splits._COPIES_PER_BUCKET", 2)
    with pytest.raises(RuntimeError, match="images went astray: 18 listed in 18 of 18 items, 0 refused"):
        run(root, tmp_path / "out")


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({}, SourceError, "no file in it; expected train/<class>/"),
        ({"1.png": 1, "2.png": 2}, IngestionError, "no image with a label for the train split"),
        ({**FOLDERS, "train/emu/1.png": "emu"}, IngestionError, "min_images_per_class = 2: emu 1"),
    ],
)
def test_data_that_can_not_be_used(make_files, tmp_path, files, error, message):
    with pytest.raises(error, match=message):
        run(make_files(files), tmp_path / "out")
    assert artifact_files.INGESTION_SUMMARY_FILE not in os.listdir(tmp_path / "out")


def test_a_missing_folder(tmp_path):
    with pytest.raises(SourceError, match=f"data root {tmp_path}/none: No such file or directory"):
        run(tmp_path / "none", tmp_path / "out")


def test_too_many_bad_files(make_files, tmp_path):
    root = make_files(FOLDERS)
    (root / "train/cat/bad.jpg").write_text("text")
    with pytest.raises(IngestionError, match=r"read as images: 1 \(5.3% of all\).*train/cat/bad.jpg \(unknown_format"):
        run(root, tmp_path / "out", IngestionConfig())


def test_gray_images_where_rgb_is_configured(make_files, tmp_path):
    summary = run(make_files(FOLDERS, gray=True), tmp_path / "out")
    assert summary.warnings == (
        "All 18 images are gray, but image.color is rgb: the encoder gets three equal channels. "
        "Set image.color to gray to spare the work.",
    )
    assert summary.gray_fraction == 1


def test_gray_config(make_files, tmp_path):
    summary = run(make_files(FOLDERS, gray=True), tmp_path / "out", color=Color.GRAY)
    assert summary.warnings == ()
    for values in read(tmp_path / "out", "train").values():
        assert Image.open(io.BytesIO(values[records.IMAGE])).mode == "L"


def test_cifar(tmp_path):
    generator = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for name, number in (("data_batch_1.bin", 40), ("test_batch.bin", 10)):
        content = generator.integers(0, 256, (number, 3073), dtype=np.uint8)
        content[:, 0] = np.arange(number) % 2
        content[-1] = content[1]  # a duplicate
        (tmp_path / "data" / name).write_bytes(content.tobytes())
    (tmp_path / "data/batches.meta.txt").write_text("cat\ndog\n")
    config = IngestionConfig(source="cifar_binary")
    summary = run(tmp_path / "data", tmp_path / "out", config)
    assert summary.classes == {"train": {"cat": 20, "dog": 19}, "test": {"cat": 5, "dog": 4}}
    assert quarantine(tmp_path / "out") == {"data_batch_1.bin#39": "duplicate", "test_batch.bin#9": "duplicate"}
    raw = (tmp_path / "data/data_batch_1.bin").read_bytes()[3073 * 7 + 1 : 3073 * 8]
    expected = np.frombuffer(raw, np.uint8).reshape(3, 32, 32).transpose(1, 2, 0)
    stored = read(tmp_path / "out", "train")["data_batch_1.bin#7"][records.IMAGE]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(stored))), expected)


def write_manifest(root, rows):
    """rows: (path, label, split, group)"""
    with open(root / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split", "group"), *rows])


def test_groups_are_on_one_side(make_files, tmp_path, monkeypatch):
    monkeypatch.setattr("components.ingestion.splits._COPIES_PER_BUCKET", 8)
    root = make_files({f"{index}.png": index for index in range(120)})
    rows = []
    for index in range(120):
        group = f"patient {index % 20}"
        split = {0: "test", 1: "train"}.get(index % 20, "") if index < 20 else ""  # one image says it for the group
        rows.append((f"{index}.png", "" if index % 7 == 0 else "ab"[index % 2], split, group))
    write_manifest(root, rows)
    summary = run(root, tmp_path / "out", CONFIG_OF_MANIFEST)
    sides = {}
    for split in ("train", "test", "unlabeled"):
        for path in read(tmp_path / "out", split):
            sides.setdefault(int(path.split(".")[0]) % 20, set()).add(split == "test")
    assert all(len(side) == 1 for side in sides.values())
    assert sides[0] == {True}
    assert sides[1] == {False}
    left_out = {path for path, reason in quarantine(tmp_path / "out").items() if reason == "test_without_label"}
    assert left_out == {f"{index}.png" for index in range(0, 120, 7) if sides.get(index % 20) == {True}}
    assert summary.records["train"] > 50
    assert summary.records["test"] > 12
    assert summary.records["unlabeled"] > 5


@pytest.mark.parametrize("mode", list(NearDuplicates))
def test_near_duplicates_of_test_images(make_files, make_photo, tmp_path, monkeypatch, mode):
    monkeypatch.setattr("components.ingestion.splits._COPIES_PER_BUCKET", 4)
    monkeypatch.setattr("components.ingestion.beam.near_duplicates._BUCKETS_PER_PARTITION", 1)
    monkeypatch.setattr("components.ingestion.staging._GATHERED_BYTES", 300)
    seeds = {f"{split}/{name}/{index}.png": (split, name, index) for split in ("train", "test") for name in "ab"
             for index in range(12)}  # fmt: skip
    root = make_files(seeds, size=(60, 48), cells=12)
    pairs = {}
    for index, folder in enumerate(("train/a", "train/b", "unlabeled", "train/a", "test/b")):
        image = Image.fromarray(make_photo(("test", "b", index), (60, 48), cells=12))
        (root / folder).mkdir(exist_ok=True)
        image.save(root / folder / f"again{index}.jpg", quality=60)
        if not folder.startswith("test"):
            pairs[f"{folder}/again{index}.jpg"] = f"test/b/{index}.png"
    Image.fromarray(make_photo(("train", "a", 3), (60, 48), cells=12)).save(root / "train/a/again.jpg", quality=60)
    config = dataclasses.replace(CONFIG, near_duplicates=mode)
    summary = run(root, tmp_path / "out", config)
    removed = {path: "near_duplicate" for path in pairs} if mode is NearDuplicates.REMOVE_FROM_TRAIN else {}
    assert quarantine(tmp_path / "out") == removed
    assert summary.records["train"] == 24 + 3 + 1 - (3 if removed else 0)
    assert summary.records["test"] == 24 + 1
    assert ("unlabeled" in summary.records) == (not removed)
    assert set(read(tmp_path / "out", "train")).isdisjoint(removed)
    if mode is NearDuplicates.OFF:
        assert (summary.near_duplicates, summary.warnings) == (0, ())
        assert not (tmp_path / "out" / artifact_files.NEAR_DUPLICATES_FILE).exists()
        return
    lines = (tmp_path / "out" / artifact_files.NEAR_DUPLICATES_FILE).read_text().splitlines()
    found = [NearDuplicate(**json.loads(line)) for line in lines]
    assert {pair.path: pair.test_path for pair in found} == pairs
    assert all(pair.bits <= 6 and pair.split in ("train", "unlabeled") for pair in found)
    assert (summary.near_duplicates, summary.near_duplicate_pairs) == (4, tuple(found))
    [warning] = summary.warnings
    assert warning.startswith("Images of train or unlabeled that look like one of test: 4, ")


def write_deep(root, largest, others=()):
    """Gray images of 16 bits with values up to ``largest``, and images that reach other values."""
    for index in range(16):
        top = others[index] if index < len(others) else largest
        ramp = np.linspace(0, top, 20 * 24).astype(np.uint16).reshape(20, 24)
        path = root / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(ramp, index, axis=1)).save(path)
    return root


def largest_stored(output):
    kept = [values for split in ("train", "test") for values in read(output, split).values()]
    assert len(kept) == 16
    return {int(np.asarray(Image.open(io.BytesIO(values[records.IMAGE]))).max()) for values in kept}


@pytest.mark.parametrize(
    ("largest", "others", "setting", "white", "stored", "warning"),
    [
        (65535, (), "auto", 65535, {255}, ""),
        (4095, (), "auto", 4095, {255}, "All 16 images of 16 bits use at most 12 bits: 4095 became white."),
        (1000, (), "auto", 1023, {249}, "use at most 10 bits: 1023 became white."),
        (4095, (), 65535, 65535, {16}, "16 of 16 images of 16 bits use at most 12 bits and are dark"),
        (4095, (65535,), "auto", 65535, {16, 255}, "15 of 16 images of 16 bits use at most 12 bits and are dark"),
        (4095, (), 2000, 2000, {255}, "up to 4095 became white, as ingestion.white_level is 2000"),
    ],
)
def test_the_white_of_16_bits_is_what_the_whole_set_uses(tmp_path, largest, others, setting, white, stored, warning):
    """Divided by 257, images of 12 bits have 17 levels of gray left."""
    root = write_deep(tmp_path / "data", largest, others)
    config = dataclasses.replace(CONFIG, white_level=setting, near_duplicates=NearDuplicates.OFF)
    summary = run(root, tmp_path / "out", config, color=Color.GRAY)
    assert largest_stored(tmp_path / "out") == stored
    assert summary.white_level == white
    assert sum(summary.bits_of_deep_images.values()) == 16
    about_white = [each for each in summary.warnings if "became white" in each]
    assert [warning in each for each in about_white] == ([True] if warning else [])


def test_a_group_that_is_put_on_both_sides_stops_the_run(make_files, tmp_path):
    root = make_files({f"{index}.png": index for index in range(12)})
    rows = [(f"{index}.png", "ab"[index % 2], "test" if index < 4 else "train", f"p{index % 5}") for index in range(12)]
    write_manifest(root, rows)
    with pytest.raises(IngestionError, match=r"in both train and test, .*: 4\. First: p0, p1, p2, p3\."):
        run(root, tmp_path / "out", CONFIG_OF_MANIFEST)


def test_a_group_that_the_source_kept_quiet_about_stops_the_run(make_files, tmp_path, monkeypatch):
    root = make_files({"0.png": 0, "1.png": 1})
    write_manifest(root, [("0.png", "a", "train", ""), ("1.png", "a", "test", "patient 1")])
    monkeypatch.setattr(manifest.Manifest, "has_groups", False)
    with pytest.raises(RuntimeError, match=r"1\.png: expected no group, .*has_groups.*found 'patient 1'"):
        run(root, tmp_path / "out", CONFIG_OF_MANIFEST)


def test_a_manifest_goes_on_past_bad_files(make_files, tmp_path):
    files = {f"images/{index}.png": index for index in range(20)}
    root = make_files(files)
    (root / "images/text.png").write_text("text")
    rows = [(path, "ab"[index % 2], "test" if index > 15 else "train", "") for index, path in enumerate(files)]
    rows += [
        ("images/none.png", "a", "train", ""),
        ("images/text.png", "a", "", ""),
        ("images/3.png", "a", "train", ""),
    ]
    rows += [("images/4.png", "a", "train", "")]
    write_manifest(root, rows)
    summary = run(root, tmp_path / "out", CONFIG_OF_MANIFEST)
    assert quarantine(tmp_path / "out") == {
        "images/none.png": "unreadable",
        "images/text.png": "unknown_format",
        "images/3.png": "label_conflict",  # twice, as b and as a
        "images/4.png": "duplicate",
    }
    assert summary.refused["label_conflict"] == 2
    assert summary.records == {"train": 15, "test": 4}


@pytest.fixture
def make_image_example(make_photo):
    """Function from seed and label to a tf.Example with an image."""

    def make(seed, label):
        buffer = io.BytesIO()
        Image.fromarray(make_photo(seed)).save(buffer, "PNG")
        values = {"image": buffer.getvalue(), "label": label.encode()}
        features = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for name, v in values.items()}
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

    return make


def test_a_worker_opens_source_and_class_names_once(tmp_path, make_image_example, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/names.txt").write_text("cat\ndog\n")
    for name in ("test-0", "test-1", "train-0", "train-1", "train-2", "train-3"):
        with tf.io.TFRecordWriter(str(tmp_path / f"data/{name}.tfrecord")) as writer:
            for index in range(4):
                writer.write(make_image_example(f"{name} {index}", "01"[index % 2]))
    source = mock.Mock(wraps=decoding.open_source)
    class_names = mock.Mock(wraps=labels.open_labels)
    process = mock.Mock(side_effect=decoding.DecodeAndStage.process)
    monkeypatch.setattr(decoding, "open_source", source)
    monkeypatch.setattr(labels, "open_labels", class_names)
    monkeypatch.setattr(decoding.DecodeAndStage, "process", lambda worker, element: process(worker, element))
    monkeypatch.setattr("components.ingestion.planning._IMAGES_PER_PORTION", 1)
    config = dataclasses.replace(CONFIG, source="tfrecord", class_names_file="names.txt")
    summary = run(tmp_path / "data", tmp_path / "out", config)
    assert summary.classes["train"] == {"cat": 8, "dog": 8}
    assert (process.call_count, source.call_count, class_names.call_count) == (6, 1, 1)


def test_a_source_that_does_not_know_how_many_images_it_has(tmp_path, make_image_example):
    (tmp_path / "data").mkdir()
    for part, number in (("train", 30), ("test", 6)):
        with tf.io.TFRecordWriter(str(tmp_path / f"data/{part}.tfrecord")) as writer:
            for index in range(number):
                writer.write(make_image_example(f"{part} {index}", "ab"[index % 2]))
            writer.write(b"")  # an example without features
    config = dataclasses.replace(CONFIG, source="tfrecord")
    summary = run(tmp_path / "data", tmp_path / "out", config)
    assert summary.records == {"train": 30, "test": 6}
    assert quarantine(tmp_path / "out") == {"train.tfrecord#30": "empty_file", "test.tfrecord#6": "empty_file"}
    content = (tmp_path / "data/train.tfrecord").read_bytes()
    (tmp_path / "data/train.tfrecord").write_bytes(content[:-5])
    with pytest.raises(Exception, match=r"data/train.tfrecord: ends within a record"):
        run(tmp_path / "data", tmp_path / "out", config)


def test_a_source_that_miscounts_is_noticed(ingested, tmp_path, monkeypatch):
    root, _, _ = ingested
    monkeypatch.setattr(
        "components.ingestion.reading.sources.image_folder.ImageFolder.load", lambda self, item: iter(())
    )
    with pytest.raises(Exception, match="expected 1 images, found 0"):
        run(root, tmp_path / "out")


def test_a_remote_root_gives_the_same_records(ingested, tmp_path, in_memory):
    root, clean, summary = ingested
    address = in_memory(root)
    remote = run(address, tmp_path / "remote")
    assert contents(tmp_path / "remote") == contents(clean)
    assert remote.content_digest == summary.content_digest
    with pytest.raises(SourceError, match="data root memory://nothing: no file in it"):
        run("memory://nothing", tmp_path / "nothing")
