"""What follows from what was timed."""

from pipeline import config as pipeline_config
from pipeline.check import estimate
from pipeline.check.counts import Counts
from pipeline.check.estimate import TimedImages


def test_the_space_is_that_of_stored_images_and_views():
    config = pipeline_config.load("photos")
    counts = Counts(train=100, test=50, unlabeled=10)
    timed = TimedImages(16, (), 0.01, stored_bytes=1000.0, view_seconds=0.01, view_bytes=3000.0)
    assert estimate.pretraining_images(counts, config) == 100  # 90 of train, 10 without a label
    assert estimate.needed_bytes(timed, counts, config) == 2 * (160 * 1000 + 100 * 3000)
