import dataclasses

import numpy as np
import tensorflow as tf

from components.contracts import records
from components.contracts.images import Color, ImageConfig
from components.linear_evaluation import images
from tests.components.labelled_shapes import IMAGE_CONFIG


def test_images_are_found_by_digest(workplace):
    files = workplace.files("test")
    raw = next(iter(tf.data.TFRecordDataset(files[-1], "GZIP"))).numpy()
    feature = tf.train.Example.FromString(raw).features.feature
    digest = feature[records.DIGEST].bytes_list.value[0].decode()
    assert images.read_images(files, [digest, digest]) == {digest: feature[records.IMAGE].bytes_list.value[0]}
    assert images.read_images(files, []) == {}


def test_thumbnails_are_small_pictures_of_the_encoders_input():
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:, 5:25] = (10, 200, 90)  # the central square
    encoded = tf.io.encode_png(picture).numpy()
    config = ImageConfig(size_px=16, color=Color.RGB, center_crop_fraction=1.0)
    found = images.thumbnails([encoded, encoded], config, 8)
    assert found.shape == (2, 8, 8, 3) and found.dtype == np.uint8
    assert (found == np.array([10, 200, 90])).all()
    assert images.thumbnails([encoded], config, 96).shape == (1, 16, 16, 3)
    gray = dataclasses.replace(IMAGE_CONFIG, size_px=10)
    assert images.thumbnails([], gray, 96).shape == (0, 10, 10, 1)
