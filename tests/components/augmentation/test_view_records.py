import cv2
import numpy as np
import pytest
import tensorflow as tf

from components.augmentation import view_records
from components.augmentation.config import ViewFormat, ViewsConfig
from components.augmentation.stored_image import CorruptRecordError, parse_record
from components.contracts import records
from components.contracts.images import ImageConfig
from components.simclr.augmentation import crops, draws, uint8_crops

CONFIG = ViewsConfig(views_per_image=3, seed=5)


def _images(image_records, count):
    return [parse_record(image_records.make(number, "cat"), "file") for number in range(count)]


def _features(serialized):
    return tf.train.Example.FromString(serialized).features.feature


def test_views_are_the_crops_that_the_draws_say(image_records):
    """Drawn and cut anew, one view at a time, from the decoded PNG."""
    image = _images(image_records, 1)[0]
    serialized = view_records.train_records([image], CONFIG, ImageConfig(size_px=16))[0]
    pixels = cv2.imdecode(np.frombuffer(image.encoded, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    for view, encoded in enumerate(_features(serialized)[records.VIEWS].bytes_list.value):
        key = draws.view_keys(5, draws.image_keys([image.digest]), epoch=0, view=view)
        box = crops.draw_crops(CONFIG.crop, key, np.array([pixels.shape[0]]), np.array([pixels.shape[1]]))[0]
        expected = uint8_crops.random_resized_crop(pixels, box, 16)
        assert np.array_equal(tf.io.decode_png(encoded).numpy(), expected)


def test_company_does_not_matter(image_records):
    images, size = _images(image_records, 7), ImageConfig(size_px=16)
    together = view_records.train_records(images, CONFIG, size)
    alone = [view_records.train_records([image], CONFIG, size)[0] for image in images]
    assert together == alone


def test_the_label_stays_out_of_train_and_in_eval(image_records):
    image, size = _images(image_records, 1)[0], ImageConfig(size_px=16)
    train = _features(view_records.train_records([image], CONFIG, size)[0])
    assert set(train) == {records.DIGEST, records.VIEWS}
    held_out = _features(view_records.eval_record(image))
    assert held_out[records.LABEL].bytes_list.value[0] == b"cat"
    assert list(held_out[records.VIEWS].bytes_list.value) == [image.encoded]


def test_an_image_that_is_cut_off_is_not_held_out(image_records):
    image = parse_record(image_records.make(0, "cat"), "file")
    with pytest.raises(CorruptRecordError, match=image.digest.decode()):
        view_records.eval_record(image._replace(encoded=image.encoded[:-9]))


def test_an_image_without_label_cannot_be_held_out(image_records):
    image = parse_record(image_records.make(0), "file")
    with pytest.raises(ValueError, match=f"{image.digest.decode()}.*no label"):
        view_records.eval_record(image)


@pytest.mark.parametrize(
    "view_format, size_px, start",
    [
        (ViewFormat.AUTO, 64, b"\x89PNG"),
        (ViewFormat.AUTO, 65, b"\xff\xd8"),
        (ViewFormat.PNG, 65, b"\x89PNG"),
        (ViewFormat.JPEG, 64, b"\xff\xd8"),
    ],
)
def test_format_follows_the_config(image_records, view_format, size_px, start):
    config = ViewsConfig(views_per_image=2, view_format=view_format)
    serialized = view_records.train_records(_images(image_records, 1), config, ImageConfig(size_px=size_px))[0]
    assert all(view.startswith(start) for view in _features(serialized)[records.VIEWS].bytes_list.value)


def test_jpeg_quality_is_the_config_s(image_records):
    images = _images(image_records, 1)
    sizes = [
        len(view_records.train_records(images, ViewsConfig(views_per_image=2, jpeg_quality=quality), ImageConfig())[0])
        for quality in (30, 95)
    ]
    assert sizes[0] < 0.6 * sizes[1]
