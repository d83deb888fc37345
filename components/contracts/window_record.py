"""Keys of ``window.json`` (artifact_files.WINDOW_FILE): which spans were trained on, and what was left out of them."""

SPANS = "spans"  # latest first: {SPAN: int, RECORDS: {split: images kept}}
SPAN = "span"
RECORDS = "records"  # {split: images}, over all spans
ALSO_IN_TEST = "also_in_test"  # copies left out of train or unlabeled, because a span has the image in test
GROUP_IN_TEST = "group_in_test"  # left out of train or unlabeled, because a span has others of their group in test
DUPLICATES = "duplicates"  # other copies left out, because another span has the image too
LABEL_CONFLICTS = "label_conflicts"  # images under different labels in different spans; the latest label counts
