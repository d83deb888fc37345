"""Image records that the tests of ViewGen make themselves, and a way to run its executor on them.

In importlib mode tests cannot import from here, so the functions come as attributes of two fixtures.
"""

import hashlib
import pathlib
import types

import cv2
import numpy as np
import pytest
import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts

from components.augmentation import executor
from components.augmentation.config import ViewsConfig
from components.contracts import artifact_files, configuration, records
from components.contracts.files import IMAGE_RECORDS
from components.contracts.images import Color, ImageConfig
from components.contracts.record_files import read_record
from components.contracts.views_record import ViewsRecord

SMALL = ImageConfig(size_px=16, color=Color.RGB)


def make_pixels(number, height=20, width=24):
    """(h, w, 3) uint8 that differs from number to number and is smooth enough for JPEG."""
    rng = np.random.default_rng(number)
    return cv2.resize(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8), (width, height))


def make_record(number, label=None, **features):
    """A serialized image record; ``features`` replaces or, with None, removes some."""
    pixels = make_pixels(number, 20 + number % 5, 24)
    values = {
        records.DIGEST: hashlib.sha256(pixels.tobytes()).hexdigest().encode(),
        records.IMAGE: cv2.imencode(".png", pixels[:, :, ::-1])[1].tobytes(),
        records.LABEL: None if label is None else label.encode(),
        records.HEIGHT: pixels.shape[0],
        records.WIDTH: pixels.shape[1],
        **features,
    }
    feature = {name: make_feature(value) for name, value in values.items() if value is not None}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def make_feature(value):
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def write_examples(root, files):
    """An Examples artifact from {split: [[serialized, ...] per file]}."""
    artifact = standard_artifacts.Examples()
    artifact.uri = str(root)
    artifact.split_names = artifact_utils.encode_split_names(sorted(files))
    for split, contents in files.items():
        folder = pathlib.Path(root) / f"Split-{split}"
        folder.mkdir(parents=True, exist_ok=True)
        for number, serialized in enumerate(contents):
            path = folder / f"data_tfrecord-{number:05d}-of-{len(contents):05d}.gz"
            with tf.io.TFRecordWriter(str(path), IMAGE_RECORDS) as writer:
                for record in serialized:
                    writer.write(record)
    return artifact


def run_view_gen(examples, output_dir, config, image_config=SMALL, beam_args=()):
    """Run ViewGen's executor for real; returns the output artifact."""
    views = standard_artifacts.Examples()
    views.uri = str(output_dir)
    pathlib.Path(output_dir).mkdir(parents=True, exist_ok=True)
    context = base_beam_executor.BaseBeamExecutor.Context(
        # An image is named only so that TFX does not pack itself up for remote workers, which takes seconds.
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=none", *beam_args],
        tmp_dir=f"{output_dir}-tmp",
        unique_id="1",
    )
    parameters = {
        artifact_files.CONFIG: configuration.to_json(config),
        artifact_files.IMAGE_CONFIG: configuration.to_json(image_config),
    }
    inputs = examples if isinstance(examples, list) else [examples]
    executor.Executor(context).Do({executor.EXAMPLES: inputs}, {executor.VIEWS_OUTPUT: [views]}, parameters)
    return views


def read_views(views, split):
    """{digest: (views, label or None)} of a split, from its uncompressed shards."""
    found = {}
    for path in sorted(pathlib.Path(views.uri, f"Split-{split}").iterdir()):
        for serialized in tf.data.TFRecordDataset(str(path)):
            features = tf.train.Example.FromString(serialized.numpy()).features.feature
            digest = features[records.DIGEST].bytes_list.value[0].decode()
            assert digest not in found
            label = features[records.LABEL].bytes_list.value[0] if records.LABEL in features else None
            found[digest] = (list(features[records.VIEWS].bytes_list.value), label)
    return found


def read_summary(views):
    return read_record(ViewsRecord, f"{views.uri}/{artifact_files.VIEWS_SUMMARY_FILE}")


@pytest.fixture(scope="session")
def image_records():
    return types.SimpleNamespace(pixels=make_pixels, make=make_record, write=write_examples)


@pytest.fixture(scope="session")
def view_gen():
    return types.SimpleNamespace(run=run_view_gen, read=read_views, summary=read_summary)


@pytest.fixture(scope="session")
def thirty_images():
    """24 labelled train images in two files, 6 unlabelled ones, and a test split that cannot be read."""
    return {
        records.TRAIN: [
            [make_record(number, "cat" if number % 2 else "dog") for number in numbers]
            for numbers in (range(14), range(14, 24))
        ],
        records.UNLABELED: [[make_record(number) for number in range(100, 106)]],
        records.TEST: [[b"opening this is an error"]],
    }


@pytest.fixture(scope="session")
def examples(thirty_images, tmp_path_factory):
    return write_examples(tmp_path_factory.mktemp("examples"), thirty_images)


@pytest.fixture(scope="session")
def views(examples, tmp_path_factory):
    """Of the thirty images, with two views each."""
    return run_view_gen(examples, tmp_path_factory.mktemp("views"), ViewsConfig(views_per_image=2, eval_fraction=0.2))
