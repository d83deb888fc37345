import numpy as np
import pytest
import tensorflow as tf

from components.contracts import records
from components.contracts.evidence import FeatureKind
from components.features import extraction
from components.preprocessing import image_preparation, moments
from tests.components.labelled_shapes import image_record
from tests.components.tf_examples import write_examples


def flatten(pixels):
    return tf.reshape(pixels, (tf.shape(pixels)[0], 144))


PIXELS = {FeatureKind.RAW_PIXELS: flatten}


@pytest.fixture(scope="module")
def preparation(workplace):
    return extraction.Preparation(str(workplace.transform_graph_dir))


def test_features_follow_the_images_whatever_the_sharding(workplace, preparation, tmp_path):
    files = workplace.files("train")
    found = extraction.extract_features(files, preparation, PIXELS, 32, "train")
    assert (
        found.features[FeatureKind.RAW_PIXELS].shape == (120, 144)
        and found.features[FeatureKind.RAW_PIXELS].dtype == np.float32
    )
    assert found.digests.tolist() == sorted(found.digests.tolist())

    examples = [tf.train.Example.FromString(raw.numpy()) for raw in tf.data.TFRecordDataset(files, "GZIP")]
    merged = write_examples(tmp_path / "one.gz", examples[::-1])
    again = extraction.extract_features([merged], preparation, PIXELS, 50, "train")
    np.testing.assert_array_equal(again.digests, found.digests)
    np.testing.assert_array_equal(again.labels, found.labels)
    np.testing.assert_allclose(
        again.features[FeatureKind.RAW_PIXELS], found.features[FeatureKind.RAW_PIXELS], atol=1e-5
    )

    mean, std = moments.channel_moments(str(workplace.transform_graph_dir))
    wanted = found.digests[17]
    example = next(
        example
        for example in examples
        if example.features.feature[records.DIGEST].bytes_list.value[0].decode() == wanted
    )
    pixels = image_preparation.decode_image(example.features.feature[records.IMAGE].bytes_list.value[0], 1)
    by_hand = image_preparation.standardise(image_preparation.resize_and_crop(pixels, 12, 1.0), mean, std)
    np.testing.assert_allclose(found.features[FeatureKind.RAW_PIXELS][17], by_hand.numpy().ravel(), atol=1e-4)
    assert found.labels[17] == example.features.feature[records.LABEL].bytes_list.value[0].decode()


def test_images_without_a_label_are_left_out(preparation, tmp_path):
    rng = np.random.default_rng(0)
    examples = [image_record(label, rng) for label in ("disc", None, "frame")]
    examples[0].features.feature[records.GROUP].bytes_list.value.append(b"patient 1")
    some = write_examples(tmp_path / "some.gz", examples)
    found = extraction.extract_features([some], preparation, PIXELS, 1, "train")
    assert sorted(found.labels) == ["disc", "frame"] and found.features[FeatureKind.RAW_PIXELS].shape == (2, 144)
    groups = dict(zip(found.labels, found.groups, strict=True))
    assert groups == {"disc": "patient 1", "frame": found.digests[found.labels == "frame"][0]}
    none = write_examples(tmp_path / "none.gz", [image_record(None, rng)])
    with pytest.raises(ValueError, match="no image of split 'train' has a label"):
        extraction.extract_features([none], preparation, PIXELS, 8, "train")


def test_raw_pixels_are_averaged_down():
    pixels = tf.constant(np.random.default_rng(0).normal(size=(3, 8, 8, 2)), tf.float32)
    expected = pixels.numpy().reshape(3, 4, 2, 4, 2, 2).mean(axis=(2, 4)).reshape(3, 32)
    np.testing.assert_allclose(extraction.raw_pixels(4)(pixels), expected, atol=1e-6)
    np.testing.assert_array_equal(extraction.raw_pixels(8)(pixels), pixels.numpy().reshape(3, 128))


def test_progress_counts_the_records_read(preparation, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(extraction, "report_progress", lambda *progress: told.append(progress))
    rng = np.random.default_rng(0)
    some = write_examples(tmp_path / "some.gz", [image_record(label, rng) for label in ("disc", None, "frame")])
    extraction.extract_features([some], preparation, PIXELS, 2, "train", total=3)
    assert told == [(2, 3, "features of train"), (3, 3, "features of train")]
    extraction.extract_features([some], preparation, PIXELS, 2, "train")
    assert len(told) == 2  # without a total there is no progress
