"""Three spans ingested for real, made one data set, and read by each step that learns from it or measures with it."""

import csv
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

from components.augmentation import executor as view_gen_executor
from components.augmentation.config import ViewsConfig
from components.contracts import artifact_files, artifacts, configuration, records
from components.contracts.images import Color, ImageConfig
from components.contracts.record_files import read_record
from components.contracts.window_record import WindowRecord
from components.features import extraction
from components.ingestion import executor as ingestion_executor
from components.ingestion.config import IngestionConfig
from components.preprocessing import moments
from components.window import executor
from tests.components.transform_runs import run_transform

IMAGE = ImageConfig(size_px=16, color=Color.GRAY, center_crop_fraction=1.0)
IMAGES = 44
# What the manifests say. Images 0 and 2 are in test in span 1 and in train in span 2; 24 is the other way round.
SPANS = {
    1: {"train": [*range(4, 20), 24], "test": [0, 1, 2, 3], "unlabeled": [40, 41, 42, 43]},
    2: {"train": [0, 2, *range(10, 24), 28, 29], "test": [24, 25, 26, 27], "unlabeled": [43]},
    3: {"train": [*range(20, 24), *range(28, 36)], "test": [3, 36, 37, 38, 39], "unlabeled": [1, 10]},
}
TEST = {0, 1, 2, 3, 24, 25, 26, 27, 36, 37, 38, 39}
UNLABELED = {40, 41, 42, 43}
TRAIN = set(range(40)) - TEST


def make_pixels(number):
    """(16, 16) uint8; images that belong in test are bright, so that one of them in train would be seen."""
    low = 200 if number in TEST else 20
    return np.random.default_rng(number).integers(low, low + 50, (16, 16), dtype=np.uint8)


def make_context(folder):
    return base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=none"],
        tmp_dir=f"{folder}-tmp",
        unique_id="1",
    )


def ingest(root, folder, span):
    """Examples of a span, as ImageExampleGen gives them."""
    examples = standard_artifacts.Examples()
    examples.uri = str(folder)
    config = IngestionConfig(source="manifest", span_pattern="span-{SPAN}", min_shards=3)
    split = example_gen_pb2.Input.Split(name="images", pattern=f"span-{span}")
    properties = {
        "span": span,
        "input_base": str(root),
        "input_config": proto_utils.proto_to_json(example_gen_pb2.Input(splits=[split])),
        artifact_files.CONFIG: configuration.to_json(config),
        artifact_files.IMAGE_CONFIG: configuration.to_json(IMAGE),
    }
    ingestion_executor.Executor(make_context(folder)).Do({}, {"examples": [examples]}, properties)
    return examples


def merge(spans, folder):
    window = standard_artifacts.Examples()
    window.uri = str(folder)
    executor.Executor(make_context(folder)).Do({"examples": spans}, {"window": [window]}, {})
    return window


@pytest.fixture(scope="module")
def spans(tmp_path_factory):
    """Examples of the three spans, latest first."""
    root = tmp_path_factory.mktemp("window")
    (root / "images").mkdir()
    for number in range(IMAGES):
        Image.fromarray(make_pixels(number)).save(root / "images" / f"{number}.png")
    for span, splits in SPANS.items():
        (root / f"span-{span}").mkdir()
        with (root / f"span-{span}" / "manifest.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label", "split"])
            for split, numbers in splits.items():
                for number in numbers:
                    label = "" if split == "unlabeled" else "ab"[number % 2]
                    writer.writerow([f"../images/{number}.png", label, split])
    return [ingest(root, root / f"examples-{span}", span) for span in sorted(SPANS, reverse=True)]


@pytest.fixture(scope="module")
def window(spans, tmp_path_factory):
    folder = tmp_path_factory.mktemp("merged")
    (folder / "Split-train").mkdir()
    (folder / "Split-train" / "leftover").write_text("of a killed attempt")
    return merge(spans[::-1], folder)  # as they come from ML Metadata


def read(examples, split):
    """[(number of the image, digest)] of a split."""
    found = []
    for path in sorted(pathlib.Path(examples.uri, f"Split-{split}").iterdir()):
        for serialized in tf.data.TFRecordDataset(str(path), compression_type="GZIP"):
            values = tf.train.Example.FromString(serialized.numpy()).features.feature
            name = pathlib.PurePosixPath(values[records.PATH].bytes_list.value[0].decode())
            found.append((int(name.stem), values[records.DIGEST].bytes_list.value[0]))
    return found


def digests(window, *splits):
    return {digest for split in splits for _, digest in read(window, split)}


def test_every_image_is_there_once_and_on_one_side(window):
    assert artifact_utils.decode_split_names(window.split_names) == ["train", "test", "unlabeled"]
    for split, expected in (("train", TRAIN), ("test", TEST), ("unlabeled", UNLABELED)):
        numbers = [number for number, _ in read(window, split)]
        assert len(numbers) == len(set(numbers))
        assert set(numbers) == expected


def test_the_record_says_what_was_left_out_of_which_span(window):
    record = read_record(WindowRecord, f"{window.uri}/{artifact_files.WINDOW_FILE}")
    assert [span.span for span in record.spans] == [3, 2, 1]
    assert record.images == {"train": 28, "test": 12, "unlabeled": 4}
    # 0 and 2 of span 2, 24 of span 1 and 1 of span 3.
    assert record.also_in_test == 4
    given = sum(len(numbers) for splits in SPANS.values() for numbers in splits.values())
    assert record.duplicates == given - IMAGES - 4
    assert record.label_conflicts == 0
    assert window.get_int_custom_property("records_train") == 28
    assert artifacts.data_span(window) == 3
    assert window.get_float_custom_property(artifact_files.SECONDS) > 0
    assert not window.has_custom_property(artifact_files.SERIES_DIGEST)  # else the next window would take it for a span
    assert {path.name for path in pathlib.Path(window.uri).iterdir()} == {
        *("Split-train", "Split-test", "Split-unlabeled"),
        artifact_files.WINDOW_FILE,
    }


def test_transform_view_gen_and_probe_see_the_same_images(window, tmp_path):
    views = standard_artifacts.Examples()
    views.uri = str(tmp_path / "views")
    parameters = {
        artifact_files.CONFIG: configuration.to_json(ViewsConfig(views_per_image=2)),
        artifact_files.IMAGE_CONFIG: configuration.to_json(IMAGE),
    }
    view_gen = view_gen_executor.Executor(make_context(views.uri))
    view_gen.Do({"examples": [window]}, {"views": [views]}, parameters)
    seen = []
    for path in pathlib.Path(views.uri).glob("Split-*/*"):
        for serialized in tf.data.TFRecordDataset(str(path)):
            values = tf.train.Example.FromString(serialized.numpy()).features.feature
            seen.append(values[records.DIGEST].bytes_list.value[0])
    assert len(seen) == len(set(seen))
    assert set(seen) == digests(window, "train", "unlabeled")

    graph = run_transform(window, tmp_path, IMAGE).uri
    pixels = np.stack([make_pixels(number) for number in sorted(TRAIN | UNLABELED)]).astype(np.float64)
    mean, std = moments.channel_moments(graph)
    np.testing.assert_allclose([mean[0], std[0]], [pixels.mean(), pixels.std()], rtol=1e-4)

    preparation = extraction.Preparation(graph)
    for split, expected in (("train", TRAIN), ("test", TEST)):
        files = [str(path) for path in pathlib.Path(window.uri, f"Split-{split}").iterdir()]
        found = extraction.extract_features(files, preparation, {"raw": extraction.raw_pixels(16)}, 8, split)
        assert len(found.digests) == len(expected)
        assert {digest.encode() for digest in found.digests} == digests(window, split)


def test_spans_of_one_source_are_one_series_and_another_setting_makes_another(spans):
    series = {examples.get_string_custom_property(artifact_files.SERIES_DIGEST) for examples in spans}
    assert len(series) == 1 and "" not in series

    def digest_of(root="/data", **changed):
        config = IngestionConfig(**{"source": "manifest", "span_pattern": "span-{SPAN}", **changed})
        return configuration.digest(ingestion_executor._series(root, config, IMAGE))

    assert digest_of() == digest_of(span=3, max_undecodable_fraction=0.5, min_shards=9) == digest_of("/data/")
    others = [digest_of("/other"), digest_of(stored_short_side_px=32), digest_of(test_fraction=0.5)]
    assert len({digest_of(), *others}) == 4


def test_a_single_span_is_kept_as_it_is(spans, tmp_path):
    window = merge(spans[:1], tmp_path / "window")
    for split in ("train", "test"):
        assert sorted(read(window, split)) == sorted(read(spans[0], split))


def test_spans_without_a_train_image_are_refused(spans, tmp_path):
    everything_in_test = standard_artifacts.Examples()
    everything_in_test.uri = str(tmp_path / "test")
    artifacts.set_data_span(everything_in_test, 2)
    everything_in_test.split_names = artifact_utils.encode_split_names(["test"])
    pathlib.Path(everything_in_test.uri).mkdir()
    train = pathlib.Path(spans[0].uri, "Split-train")
    pathlib.Path(everything_in_test.uri, "Split-test").symlink_to(train)
    with pytest.raises(ValueError, match=r"no train image is left of spans \[3, 2\]"):
        merge([spans[0], everything_in_test], tmp_path / "window")
