"""``window.json`` (artifact_files.WINDOW_FILE): which spans TrainingWindow joined, and what it left out of them."""

from components.contracts.configuration import configuration
from components.contracts.record_files import record


@configuration
class SpanImages:
    """What was kept of one span."""

    span: int
    images: dict[str, int]  # by split


@record(version=1)
class WindowRecord:
    """The window as a whole."""

    spans: tuple[SpanImages, ...]  # latest first
    images: dict[str, int]  # by split, over all spans; splits without an image are absent
    also_in_test: int  # copies left out of train or unlabeled because a span has the image in test
    group_in_test: int  # left out of train or unlabeled because a span has other images of their group in test
    duplicates: int  # other copies left out because another span has the image too
    label_conflicts: int  # images with different labels in different spans; the latest label counts
