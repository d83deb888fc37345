"""Keys of ``ingestion_summary.json`` (artifact_files.INGESTION_SUMMARY_FILE) and of the lines of the quarantine.

``RECORDS`` and ``BYTES`` are by split, ``CLASSES`` by split and class name, ``REFUSED`` by reason.
"""

ROOT = "root"  # of the data
SOURCE = "source"  # kind of source
CONTENT_DIGEST = "content_digest"  # of all images as they are stored
SHARDS = "shards"  # files by split
WARNINGS = "warnings"  # sentences for people
SECONDS = "seconds"
RECORDS = "records"
BYTES = "bytes"
CLASSES = "classes"
REFUSED = "refused"  # files
UNDECODABLE = "undecodable"  # files that are no usable image
UNDECODABLE_FRACTION = "undecodable_fraction"
DUPLICATES = "duplicates"  # files left out because their pixels are there already
LABEL_CONFLICTS = "label_conflicts"  # images that lie in two classes
GRAY_FRACTION = "gray_fraction"  # of the images, in their source
NEAR_DUPLICATES = "near_duplicates"  # images of train or unlabeled that look like one of test
NEAR_DUPLICATE_PAIRS = "near_duplicate_pairs"  # the first of them: {PATH, SPLIT, TEST_PATH, BITS}

PATH = "path"  # of a pair and of a line of the quarantine
SPLIT = "split"
TEST_PATH = "test_path"
BITS = "bits"  # of 64 that differ
REASON = "reason"  # of a line of the quarantine
MESSAGE = "message"
