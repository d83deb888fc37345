"""View records of small drawn images, as ViewGen writes them."""

import dataclasses
import hashlib
import pathlib

import cv2
import numpy as np
import pytest
import tensorflow as tf

from components.contracts import artifact_files, records
from components.contracts.record_files import write_record
from components.contracts.views_record import ViewsRecord

SIZE_PX = 16


@dataclasses.dataclass(frozen=True)
class Views:
    uri: str
    num_train: int
    images: dict[bytes, np.ndarray]  # digest to stored image, (16, 16, 1 or 3) uint8


def draw_image(index: int, channels: int = 1) -> np.ndarray:
    """Stripes whose angle and width are the class, with noise of their own and, where there is any, a colour too."""
    generator = np.random.default_rng(index)
    label = index % 4
    rows, columns = np.mgrid[0:SIZE_PX, 0:SIZE_PX]
    phase = (rows * np.cos(label) + columns * np.sin(label)) / (1.5 + label)
    stripes = 128 + 90 * np.sin(phase + generator.uniform(0, 6))
    gray = (stripes + generator.normal(0, 8, stripes.shape))[..., None]
    values = gray if channels == 1 else gray * generator.uniform(0.3, 1, channels)
    return np.clip(values, 0, 255).astype(np.uint8)


def digest_of(image: np.ndarray) -> bytes:
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest().encode()


def example(digest: bytes, encoded: list[bytes], label: str | None = None) -> bytes:
    features = {records.DIGEST: [digest], records.VIEWS: encoded}
    if label is not None:
        features[records.LABEL] = [label.encode()]
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=values)) for name, values in features.items()
            }
        )
    ).SerializeToString()


def encode(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def write_views(
    uri: pathlib.Path, num_train: int, views_per_image: int, num_eval: int = 24, shards: int = 3, channels: int = 1
) -> Views:
    """``views_per_image`` shifted copies of each image; shift k is view k."""
    images = {digest_of(image): image for image in (draw_image(index, channels) for index in range(num_train))}
    (uri / "Split-train").mkdir(parents=True)
    (uri / "Split-eval").mkdir()
    for shard in range(shards):
        with tf.io.TFRecordWriter(str(uri / "Split-train" / f"views-{shard:05d}-of-{shards:05d}.tfrecord")) as writer:
            for digest, image in list(images.items())[shard::shards]:
                crops = [np.roll(image, shift, axis=0) for shift in range(views_per_image)] or [image]
                writer.write(example(digest, [encode(crop) for crop in crops]))
    with tf.io.TFRecordWriter(str(uri / "Split-eval" / "views-00000-00000.tfrecord")) as writer:
        for index in range(num_train, num_train + num_eval):
            image = draw_image(index, channels)
            writer.write(example(digest_of(image), [encode(image)], str(index % 4)))
    summary = ViewsRecord(
        content_digest=f"{num_train} images, {views_per_image} views",
        images={"train": num_train, "eval": num_eval},
        bytes=1,
        views_per_image=views_per_image,
        size_px=SIZE_PX,
        channels=channels,
    )
    write_record(f"{uri}/{artifact_files.VIEWS_SUMMARY_FILE}", summary)
    return Views(str(uri), num_train, images)


@pytest.fixture(scope="session")
def views(tmp_path_factory) -> Views:
    return write_views(tmp_path_factory.mktemp("views") / "stored", num_train=40, views_per_image=4)


@pytest.fixture(scope="session")
def colored_views(tmp_path_factory) -> Views:
    return write_views(tmp_path_factory.mktemp("views") / "colored", num_train=40, views_per_image=4, channels=3)


@pytest.fixture(scope="session")
def uncropped_views(tmp_path_factory) -> Views:
    return write_views(tmp_path_factory.mktemp("views") / "uncropped", num_train=40, views_per_image=0)


def tiny_settings(**changes) -> dict:
    """Plain settings of a run of seconds."""
    return {
        "encoder": {"architecture": "small_cnn", "width_multiplier": 0.25},
        "projection_head": {"layers": 2, "hidden_width": 32, "output_width": 16},
        "optimizer": {"name": "adamw", "learning_rate": 0.002, "scaling": "none", "weight_decay": 0.0001},
        "schedule": {"warmup_epochs": 1},
        "epochs": 4,
        "global_batch_size": 16,
        "augmentation": {"rotation_degrees": 10.0, "noise_probability": 0.5},
        "watch": {"every_epochs": 2, "knn_k": 5},
        "batch_norm_batches": 2,
        "checkpoint_every_steps": 3,
        **changes,
    }


@pytest.fixture(scope="session")
def settings():
    return tiny_settings


@pytest.fixture(scope="session")
def make_views():
    return write_views


@pytest.fixture(scope="session")
def transform_graph(tmp_path_factory):
    from .transform_graphs import write_transform_graph

    return write_transform_graph(tmp_path_factory.mktemp("transform"))
