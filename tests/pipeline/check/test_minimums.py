"""Each minimum, with numbers on both sides of it, and what a person is told to do."""

import pytest

from pipeline import config as pipeline_config
from pipeline.check.counts import Counts
from pipeline.check.minimums import TooFewImagesError, require, shortages

CLASSES = {"cat": 100, "dog": 66}


def config(*overrides, name="photos"):
    return pipeline_config.load(name, overrides)


def only(counts, *overrides, name="photos"):
    [shortage] = shortages(counts, config(*overrides, name=name))
    return shortage


def ingested(**changes):
    return Counts(**({"train": 166, "test": 60, "unlabeled": 50, "classes": CLASSES, "is_exact": True} | changes))


def test_enough_images_are_enough():
    assert shortages(ingested(test=50), config()) == []
    assert require(ingested(), config()) is None


def test_38_test_images_are_told_with_the_ways_out():
    """204 labelled images, of which 38 became test."""
    shortage = only(ingested(test=38))
    assert shortage.is_certain
    assert shortage.text == (
        "38 test images are fewer than gate.min_test_images (50), so no model can be blessed: bring more labelled "
        "images; let a larger part become test if the data has no test split of its own "
        "(--set ingestion.test_fraction=0.35); judge by fewer (--set gate.min_test_images=38); or train anyway, for a "
        "model that is measured but not blessed (--set gate.stop_early=false)."
    )
    with pytest.raises(TooFewImagesError, match="38 test images are fewer"):
        require(ingested(test=38), config())


@pytest.mark.parametrize(("override", "ways"), [("gate.stop_early=false", "judge by fewer")])
def test_a_run_may_go_on_with_few_test_images(override, ways):
    shortage = only(ingested(test=38), override)
    assert not shortage.is_certain and f"; or {ways}" in shortage.text
    assert require(ingested(test=38), config(override)) is None


def test_a_run_that_only_measures_needs_no_test_images_for_a_blessing():
    assert shortages(ingested(test=38), config("gate.may_bless=false")) == []


def test_before_ingestion_only_what_no_split_can_change_is_certain():
    likely = only(Counts(undecided=204, unlabeled=50, classes={"cat": 104, "dog": 100}))
    assert not likely.is_certain
    assert likely.text.startswith("About 41 test images (at most 204) are fewer than gate.min_test_images (50)")
    assert "become test (--set ingestion.test_fraction=0.35)" in likely.text
    assert only(Counts(train=200, test=49, classes=CLASSES)).is_certain
    smaller = Counts(undecided=49, unlabeled=200, classes={"cat": 25, "dog": 24})
    assert only(smaller).is_certain
    assert "test_fraction" not in only(smaller).text  # no part of 49 images is 50
    assert shortages(Counts(undecided=300, classes={"cat": 150, "dog": 150}), config()) == []


def test_nothing_is_asked_of_labels_where_only_reading_the_files_can_tell():
    assert shortages(Counts(undecided=49, unlabeled=200, classes=None), config()) == []


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({"cat": 164, "dog": 1, "emu": 1}, "min_images_per_class (2): 2 (dog 1, emu 1). Add images to them"),
        ({"cat": 166}, "Only one class has train images (cat)"),
    ],
)
def test_few_images_of_a_class(classes, words):
    shortage = only(ingested(classes=classes))
    assert shortage.is_certain and words in shortage.text


def test_few_images_for_the_batch():
    # 100 labelled train images, of which one at least, and a tenth on average, is held out; batch 128.
    few = only(ingested(train=100, unlabeled=28))
    assert few.is_certain
    assert few.text == (
        "127 images for pretraining are fewer than pretraining.global_batch_size (128): bring more images, with or "
        "without labels, or lower it (--set pretraining.global_batch_size=64)."
    )
    unsure = only(ingested(train=100, unlabeled=29))
    assert not unsure.is_certain and unsure.text.startswith("about 119 images")
    assert shortages(ingested(train=100, unlabeled=38), config()) == []
    # The search doubles the batch of 128.
    tuned = only(ingested(), "tuning.enabled=true")
    assert tuned.text.startswith("215 images for pretraining are fewer than pretraining.global_batch_size times")
    assert "tuning.batch_size (256)" in tuned.text and "global_batch_size=64)" in tuned.text


def test_few_images_for_the_queue_of_moco():
    overrides = ("pretraining.method=moco", "pretraining.moco.queue_size=256")
    assert only(ingested(unlabeled=90), *overrides).is_certain
    assert "queue_size (256)" in only(ingested(unlabeled=100), *overrides).text
    assert shortages(ingested(unlabeled=200), config(*overrides)) == []


def test_a_heap_without_labels_is_told_before_any_image_is_decoded():
    shortage = only(Counts(unlabeled=1600))
    assert shortage.is_certain
    assert shortage.text == (
        "None of the 1,600 images has a label, but linear evaluation needs some: put labelled images into one folder "
        "per class."
    )
