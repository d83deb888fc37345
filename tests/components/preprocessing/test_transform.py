"""The transform graph against moments and vocabulary computed by hand."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tfx.types import standard_artifacts
from tfx.types.artifact_utils import encode_split_names

from components.contracts import records
from components.contracts.images import Color, ImageConfig
from components.preprocessing import image_preparation, moments
from tests.components.tf_examples import make_example, write_examples
from tests.components.transform_runs import run_transform

_IMAGE = ImageConfig(size_px=8, color=Color.RGB, center_crop_fraction=1.0)


def _write(root, split, images, labels):
    examples = (
        make_example({records.IMAGE: tf.io.encode_png(image).numpy(), records.LABEL: label})
        for image, label in zip(images, labels, strict=True)
    )
    write_examples(root / "examples" / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz", examples)


@pytest.fixture(scope="module")
def transformed(tmp_path_factory):
    """Run the executor on train, unlabeled and test images; give back the images and the graph's folder."""
    root = tmp_path_factory.mktemp("transform")
    rng = np.random.default_rng(1)
    images = {
        split: rng.integers(low, low + 60, (count, 8, 8, 3), dtype=np.uint8)
        for split, count, low in (("train", 5, 0), ("unlabeled", 3, 100), ("test", 4, 190))
    }
    examples = standard_artifacts.Examples()
    examples.uri = str(root / "examples")
    examples.split_names = encode_split_names(["train", "test", "unlabeled"])
    _write(root, "train", images["train"], [b"b", b"a", b"b", b"c", b"a"])
    _write(root, "unlabeled", images["unlabeled"], [None] * 3)
    _write(root, "test", images["test"], [b"z"] * 4)
    return images, run_transform(examples, root, _IMAGE).uri


def test_moments_are_those_of_train_and_unlabeled_pixels(transformed):
    images, graph = transformed
    mean, std = moments.channel_moments(graph)
    seen = np.concatenate([images["train"], images["unlabeled"]]).astype(np.float64)
    np.testing.assert_allclose(mean, seen.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(std, seen.std(axis=(0, 1, 2)), rtol=1e-4)


def test_class_names_are_those_of_train(transformed):
    assert moments.class_names(transformed[1]) == ["a", "b", "c"]


def test_the_graph_applies_preparation_and_standardisation(transformed):
    images, graph = transformed
    encoded = tf.stack([tf.io.encode_png(image) for image in images["test"]])
    layer = tft.TFTransformOutput(graph).transform_features_layer()
    pixels = layer({records.IMAGE: encoded})[records.PIXELS]
    mean, std = moments.channel_moments(graph)
    prepared = image_preparation.resize_and_crop(tf.constant(images["test"]), 8, 1.0)
    np.testing.assert_allclose(pixels, image_preparation.standardise(prepared, mean, std), atol=1e-4)


def test_labels_become_indices_and_unknown_or_absent_minus_one(transformed):
    images, graph = transformed
    encoded = tf.stack([tf.io.encode_png(image) for image in images["train"][:3]])
    labels = tf.sparse.from_dense([["a"], [""], ["z"]])
    outputs = tft.TFTransformOutput(graph).transform_features_layer()({records.IMAGE: encoded, records.LABEL: labels})
    vocabulary = tft.TFTransformOutput(graph).vocabulary_by_name(records.LABEL_VOCABULARY)
    assert outputs[records.LABEL_INDEX].numpy().tolist() == [vocabulary.index(b"a"), -1, -1]
