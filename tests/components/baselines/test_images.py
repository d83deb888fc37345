"""Labelled images are those of linear evaluation, in its order; training sees all equally often."""

import numpy as np
import pytest

from components.baselines import images
from components.features import extraction
from components.linear_evaluation.images import read_images
from components.preprocessing import image_preparation
from tests.components.tf_examples import write_examples

from .conftest import IMAGE_CONFIG, draw_image, image_record, pretraining_settings


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Images with and without groups and labels, one picture three times under two labels, in two files."""
    root, rng = tmp_path_factory.mktemp("records"), np.random.default_rng(5)
    twice = draw_image("top", rng)
    written = [
        image_record(twice, "top", "patient"),
        *[image_record(draw_image("left", rng), "left") for _ in range(12)],
        image_record(twice, "left"),
        *[image_record(draw_image("right", rng), None) for _ in range(5)],
        *[image_record(draw_image("right", rng), "right", "patient") for _ in range(3)],
        image_record(twice, "left", "other"),
    ]
    return [write_examples(root / f"{shard}.gz", written[shard::2]) for shard in range(2)]


def test_order_labels_and_groups_are_those_of_linear_evaluation(files, tmp_path):
    found = images.store(files, str(tmp_path / "train"), "train")
    expected = extraction.extract_features(files, lambda encoded: encoded, {}, 7, "train")
    assert len(expected.digests) == 18
    for name in ("digests", "labels", "groups"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()


def test_every_image_is_found_where_its_digest_is(files, tmp_path):
    found = images.store(files, str(tmp_path / "train"), "train")
    stored = read_images(files, found.digests.tolist())
    for digest, place in zip(found.digests, found.places, strict=True):
        assert found.stored.encoded_views(place) == [stored[digest]]
    assert sorted(found.places.tolist()) == list(range(18))


def test_images_are_prepared_as_for_evaluation(files, tmp_path):
    found = images.store(files, str(tmp_path / "train"), "train")
    rows = np.array([3, 0, 17])
    (batch,) = images.prepared(found, rows, IMAGE_CONFIG)
    stored = read_images(files, found.digests.tolist())
    for row, pixels in zip(rows, batch, strict=True):
        image = image_preparation.decode_image(stored[found.digests[row]], 1)
        np.testing.assert_allclose(pixels, image_preparation.resize_and_crop(image, 16, 1.0).numpy(), atol=1e-3)


def test_a_split_without_labels_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    file = write_examples(tmp_path / "one.gz", [image_record(draw_image("left", rng), None)])
    with pytest.raises(ValueError, match="no image of split 'test' has a label"):
        images.store([file], str(tmp_path / "test"), "test")


def test_passes_over_few_images_follow_one_another(train_images):
    config = pretraining_settings(global_batch_size=16)
    views = images.TrainingViews(train_images, config, IMAGE_CONFIG)
    rows = np.array([4, 9, 30, 41, 57, 12])
    seen = np.concatenate([chosen for chosen, _ in views.batches(rows, 0, 3)])  # 48 images: 8 passes
    passes = seen.reshape(8, 6)
    assert all(sorted(one.tolist()) == sorted(rows.tolist()) for one in passes)
    assert len({tuple(one) for one in passes.tolist()}) > 1  # not always in the same order


def test_views_differ_between_passes_and_not_between_attempts(train_images):
    config = pretraining_settings(global_batch_size=6)
    rows = np.array([4, 9, 30, 41, 57, 12])

    def batches(first, last):
        return list(images.TrainingViews(train_images, config, IMAGE_CONFIG).batches(rows, first, last))

    whole, rest = batches(0, 4), batches(2, 4)
    for (chosen, batch), (again, same) in zip(whole[2:], rest, strict=True):
        assert chosen.tolist() == again.tolist()
        assert np.array_equal(batch.images, same.images)
        assert all(np.array_equal(values, same.drawn[name]) for name, values in batch.drawn.items())
    of_image = [batch.images[chosen.tolist().index(9)] for chosen, batch in whole]
    assert not np.array_equal(of_image[0], of_image[1])
    assert whole[0][1].images.shape == (12, 16, 16, 1)
