import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from components.contracts import records
from components.contracts.images import Color, ImageConfig
from components.linear_evaluation import features
from components.preprocessing import image_preparation, moments

from .conftest import IMAGE_CONFIG, image_record, write_records


def flatten(pixels):
    return tf.reshape(pixels, (tf.shape(pixels)[0], 144))


@pytest.fixture(scope="module")
def preparation(workplace):
    return features.Preparation(str(workplace.transform_graph_dir))


def test_features_follow_the_images_whatever_the_sharding(workplace, preparation, tmp_path):
    files = workplace.files("train")
    found = features.extract_features(files, preparation, {"pixels": flatten}, 32, "train")
    assert found.features["pixels"].shape == (120, 144) and found.features["pixels"].dtype == np.float32
    assert found.digests.tolist() == sorted(found.digests.tolist())

    examples = [tf.train.Example.FromString(raw.numpy()) for raw in tf.data.TFRecordDataset(files, "GZIP")]
    merged = write_records(tmp_path / "one.gz", examples[::-1])
    again = features.extract_features([merged], preparation, {"pixels": flatten}, 50, "train")
    np.testing.assert_array_equal(again.digests, found.digests)
    np.testing.assert_array_equal(again.labels, found.labels)
    np.testing.assert_allclose(again.features["pixels"], found.features["pixels"], atol=1e-5)

    mean, std = moments.channel_moments(str(workplace.transform_graph_dir))
    wanted = found.digests[17]
    example = next(
        example
        for example in examples
        if example.features.feature[records.DIGEST].bytes_list.value[0].decode() == wanted
    )
    pixels = image_preparation.decode_image(example.features.feature[records.IMAGE].bytes_list.value[0], 1)
    by_hand = image_preparation.standardise(image_preparation.resize_and_crop(pixels, 12, 1.0), mean, std)
    np.testing.assert_allclose(found.features["pixels"][17], by_hand.numpy().ravel(), atol=1e-4)
    assert found.labels[17] == example.features.feature[records.LABEL].bytes_list.value[0].decode()


def test_images_without_a_label_are_left_out(preparation, tmp_path):
    rng = np.random.default_rng(0)
    examples = [image_record(label, rng) for label in ("disc", None, "frame")]
    examples[0].features.feature[records.GROUP].bytes_list.value.append(b"patient 1")
    some = write_records(tmp_path / "some.gz", examples)
    found = features.extract_features([some], preparation, {"pixels": flatten}, 1, "train")
    assert sorted(found.labels) == ["disc", "frame"] and found.features["pixels"].shape == (2, 144)
    groups = dict(zip(found.labels, found.groups, strict=True))
    assert groups == {"disc": "patient 1", "frame": found.digests[found.labels == "frame"][0]}
    none = write_records(tmp_path / "none.gz", [image_record(None, rng)])
    with pytest.raises(ValueError, match="no image of split 'train' has a label"):
        features.extract_features([none], preparation, {"pixels": flatten}, 8, "train")


def test_raw_pixels_are_averaged_down():
    pixels = tf.constant(np.random.default_rng(0).normal(size=(3, 8, 8, 2)), tf.float32)
    expected = pixels.numpy().reshape(3, 4, 2, 4, 2, 2).mean(axis=(2, 4)).reshape(3, 32)
    np.testing.assert_allclose(features.raw_pixels(4)(pixels), expected, atol=1e-6)
    np.testing.assert_array_equal(features.raw_pixels(8)(pixels), pixels.numpy().reshape(3, 128))


def test_images_are_found_by_digest(workplace):
    files = workplace.files("test")
    raw = next(iter(tf.data.TFRecordDataset(files[-1], "GZIP"))).numpy()
    feature = tf.train.Example.FromString(raw).features.feature
    digest = feature[records.DIGEST].bytes_list.value[0].decode()
    assert features.read_images(files, [digest, digest]) == {digest: feature[records.IMAGE].bytes_list.value[0]}
    assert features.read_images(files, []) == {}


def test_thumbnails_are_small_pictures_of_the_encoders_input():
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:, 5:25] = (10, 200, 90)  # the central square
    encoded = tf.io.encode_png(picture).numpy()
    config = ImageConfig(size_px=16, color=Color.RGB, center_crop_fraction=1.0)
    found = features.thumbnails([encoded, encoded], config, 8)
    assert found.shape == (2, 8, 8, 3) and found.dtype == np.uint8
    assert (found == np.array([10, 200, 90])).all()
    assert features.thumbnails([encoded], config, 96).shape == (1, 16, 16, 3)
    gray = dataclasses.replace(IMAGE_CONFIG, size_px=10)
    assert features.thumbnails([], gray, 96).shape == (0, 10, 10, 1)
