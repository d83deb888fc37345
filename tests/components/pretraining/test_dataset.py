"""What a step sees follows from seed, step and digests alone, whatever the sharding, and pairs belong together."""

import shutil

import numpy as np
import pytest

from components.contracts import configuration
from components.preprocessing.opencv_decoding import decode_rgb
from components.pretraining import dataset
from components.pretraining.config import PretrainingConfig

SIZE_PX = 16


def config_of(settings: dict) -> PretrainingConfig:
    return configuration.from_mapping(PretrainingConfig, settings, "test")


def records_of(views, tmp_path) -> dataset.ViewRecords:
    return dataset.ViewRecords(f"{views.uri}/Split-train", str(tmp_path))


@pytest.fixture
def pairs(views, settings, tmp_path) -> dataset.ViewPairs:
    return dataset.ViewPairs(records_of(views, tmp_path), config_of(settings()), SIZE_PX, 1, 4)


def shift_of(view: np.ndarray, image: np.ndarray) -> int | None:
    """Which stored view this is: the number of rows by which the image was rolled."""
    return next((k for k in range(4) if np.array_equal(view, np.roll(image, k, axis=0))), None)


def test_reads_every_record_by_position(views, tmp_path):
    found = records_of(views, tmp_path)
    assert found.digests == sorted(views.images)
    for index, digest in enumerate(found.digests):
        encoded = found.encoded_views(index)
        assert len(encoded) == 4
        np.testing.assert_array_equal(decode_rgb(encoded[0], 1), views.images[digest])


def test_remote_shards_are_copied_first(views, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "is_uri", lambda path: True)
    found = records_of(views, tmp_path / "scratch")
    assert len(list((tmp_path / "scratch").iterdir())) == 3
    assert {location.path.startswith(str(tmp_path)) for location in found._locations} == {True}
    assert found.digests == sorted(views.images)


def test_labels_of_the_eval_split(views, tmp_path):
    watch = dataset.read_watch_images(
        dataset.ViewRecords(f"{views.uri}/Split-eval", str(tmp_path)), SIZE_PX, 1, 1.0, max_images=20
    )
    assert watch.pixels.shape == (20, SIZE_PX, SIZE_PX, 1)
    assert watch.pixels.dtype == np.uint8
    assert set(watch.labels) == {"0", "1", "2", "3"}


def test_a_pair_is_two_different_views_of_one_image(pairs, views):
    batch = pairs.batch(0)
    assert batch.images.shape == (32, SIZE_PX, SIZE_PX, 1)
    assert batch.images.dtype == np.uint8
    seen = set()
    for first, second in zip(batch.images[:16], batch.images[16:], strict=True):
        shifts = [
            (digest, shift_of(first, image), shift_of(second, image))
            for digest, image in views.images.items()
            if shift_of(first, image) is not None
        ]
        ((digest, a, b),) = shifts
        assert b is not None and a != b
        seen.add(digest)
    assert len(seen) == 16


def test_every_image_comes_at_most_once_an_epoch_and_the_order_changes(pairs):
    epochs = [[pairs.batch(2 * epoch + position) for position in (0, 1)] for epoch in range(3)]
    orders = [tuple(pairs._order(epoch)) for epoch in range(3)]
    assert len(set(orders)) == 3
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert pairs.steps_per_epoch == 2
    assert not np.array_equal(epochs[0][0].images, epochs[1][0].images)


def test_all_pairs_of_views_are_chosen_about_equally(pairs):
    from components.simclr.augmentation import draws

    chosen = []
    pairs._decoded.get = lambda row, views: views
    for epoch in range(100):
        keys = draws.view_keys(0, pairs._image_keys, epoch, 0)
        views = pairs._choose_stored(np.arange(40), keys)
        chosen += list(zip(views[:40], views[40:], strict=True))
    counts = np.array([chosen.count((a, b)) for a in range(4) for b in range(4) if a != b])
    assert counts.sum() == 4000
    assert np.all(np.abs(counts - 4000 / 12) < 5 * np.sqrt(4000 / 12))


def test_the_same_step_is_the_same_batch_from_anywhere(views, settings, make_views, tmp_path):
    """Another process, other shards, other neighbours in the pipeline: nothing is remembered."""
    other = make_views(tmp_path / "resharded", num_train=40, views_per_image=4, shards=1)
    config = config_of(settings())
    first = dataset.ViewPairs(records_of(views, tmp_path), config, SIZE_PX, 1, 4)
    second = dataset.ViewPairs(records_of(other, tmp_path), config, SIZE_PX, 1, 4)
    list(first.iterate(0, 5))
    for step, from_middle in zip(range(5, 8), second.iterate(5, 8), strict=True):
        batch = first.batch(step)
        np.testing.assert_array_equal(batch.images, from_middle.images)
        assert batch.drawn.keys() == from_middle.drawn.keys() == {"affine", "noise_std", "noise_key"}
        for name, values in batch.drawn.items():
            np.testing.assert_array_equal(values, from_middle.drawn[name])
    assert not np.array_equal(first.batch(5).drawn["affine"], first.batch(6).drawn["affine"])


def test_seed_changes_everything(views, settings, tmp_path):
    batches = [
        dataset.ViewPairs(records_of(views, tmp_path), config_of(settings(seed=seed)), SIZE_PX, 1, 4).batch(0)
        for seed in (0, 1)
    ]
    assert not np.array_equal(batches[0].images, batches[1].images)
    assert not np.array_equal(batches[0].drawn["affine"], batches[1].drawn["affine"])


def test_the_two_views_are_augmented_apart(pairs):
    affine = pairs.batch(0).drawn["affine"]
    assert len(affine) == 32
    assert len(np.unique(affine, axis=0)) == 32


def test_batches_prepared_ahead_come_in_order(pairs):
    for step, batch in enumerate(pairs.iterate(0, 8)):
        np.testing.assert_array_equal(batch.images, pairs.batch(step).images)
    assert list(pairs.iterate(8, 8)) == []


def test_whole_images_are_cropped_here(uncropped_views, settings, tmp_path):
    crop = {"area_min": 0.3, "area_max": 0.6}
    config = config_of(settings(crop=crop))
    pairs = dataset.ViewPairs(records_of(uncropped_views, tmp_path), config, SIZE_PX, 1, 0)
    batch = pairs.batch(0)
    assert batch.images.shape == (32, SIZE_PX, SIZE_PX, 1)
    assert not np.array_equal(batch.images[:16], batch.images[16:])
    np.testing.assert_array_equal(batch.images, pairs.batch(0).images)
    assert not any(np.array_equal(batch.images[0], image) for image in uncropped_views.images.values())


@pytest.mark.parametrize("megabytes", [0, 1])
def test_a_cache_changes_nothing(views, settings, tmp_path, megabytes):
    config = config_of(settings(cache_megabytes=megabytes))
    pairs = dataset.ViewPairs(records_of(views, tmp_path), config, SIZE_PX, 1, 4)
    first = [pairs.batch(step).images for step in range(4)]
    assert (len(pairs._decoded._kept) > 0) == (megabytes > 0)
    for step, images in enumerate(first):
        np.testing.assert_array_equal(pairs.batch(step).images, images)


def test_a_record_is_read_once_for_both_views(views, settings, tmp_path):
    records = records_of(views, tmp_path)
    pairs = dataset.ViewPairs(records, config_of(settings(cache_megabytes=0)), SIZE_PX, 1, 4)
    reads, read = [], records.read
    records.read = lambda index: reads.append(index) or read(index)
    batch = pairs.batch(0)
    assert len(reads) == len(set(reads)) == len(batch.images) // 2


def test_cache_is_bounded(views, tmp_path):
    kept = dataset._DecodedViews(records_of(views, tmp_path), 1, limit_bytes=10 * SIZE_PX * SIZE_PX)
    for index in range(40):
        kept.get(index, (0,))
    assert len(kept._kept) == 10


def test_refusals(views, uncropped_views, settings, tmp_path):
    def build(of, views_per_image, **changes):
        return dataset.ViewPairs(records_of(of, tmp_path), config_of(settings(**changes)), SIZE_PX, 1, views_per_image)

    with pytest.raises(ValueError, match="needs two views"):
        build(views, 1)
    with pytest.raises(ValueError, match=r"views\.views_per_image is 0, so training crops: set pretraining\.crop"):
        build(uncropped_views, 0)
    with pytest.raises(ValueError, match="the stored views are crops already"):
        build(views, 4, crop={"area_min": 0.3})
    with pytest.raises(ValueError, match="global_batch_size is 64, but split train has only 40 images"):
        build(views, 4, global_batch_size=64)
    with pytest.raises(ValueError, match="has 4 views"):
        for step in range(50):
            build(views, 6).batch(step)


def test_a_shard_that_was_cut_off_is_refused(views, tmp_path):
    folder = tmp_path / "Split-train"
    shutil.copytree(f"{views.uri}/Split-train", folder)
    shard = sorted(folder.iterdir())[1]
    shard.write_bytes(shard.read_bytes()[:-30])
    with pytest.raises(ValueError, match=rf"{shard.name} ends within a record at byte \d+"):
        dataset.ViewRecords(str(folder), str(tmp_path))


def test_an_empty_split_is_refused(tmp_path):
    (tmp_path / "Split-train").mkdir()
    with pytest.raises(ValueError, match="no view records in"):
        dataset.ViewRecords(str(tmp_path / "Split-train"), str(tmp_path))
