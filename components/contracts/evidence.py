"""What linear evaluation writes down: keys of ``probe.json`` and ``verdict.json``, arrays of ``test_predictions.npz``.

``probe.json`` (artifact_files.PROBE_FILE)::

    {CLASS_NAMES: [str], COUNTS: {"train": n, "test": m}, ENCODER_DIGEST: str, CONTENT_DIGEST: str (of the SavedModel),
     TEST_SPLIT_DIGEST: str (of the digests of the test images),
     CONFIDENCE: 0.95, CONFIG: {...}, SECONDS: {stage: float},
     FEATURES: {ENCODER | RANDOM_ENCODER | RAW_PIXELS: {
         DIMENSIONS: int, ACCURACY: float, ACCURACY_INTERVAL: [low, high],            (all labels)
         BALANCED_ACCURACY: float, BALANCED_ACCURACY_INTERVAL: [low, high],
         CLASS_RECALL: {class name: float or null where test holds no image of the class},
         CONFUSION: [[int]], row = true class, column = predicted, AUROC: float or null (two classes only),
         CALIBRATION: {CALIBRATION_ERROR: float (expected), CALIBRATION_ERROR_INTERVAL: [low, high],
                       BINS: [{IMAGES: int, MEAN_CONFIDENCE: float, ACCURACY: float, ACCURACY_INTERVAL: [low, high]}]},
         KNN_ACCURACY: float, KNN_ACCURACY_INTERVAL: [low, high],
         FRACTIONS: [{FRACTION: 0.01, LABELS: int, ACCURACY_MEAN: float, ACCURACY_STD: float (over draws),
                      ACCURACIES: [float per draw], L2_STRENGTHS: [float per draw],
                      HELD_OUT_IMAGES: [int per draw, that judged the strengths]}]}},
     DIFFERENCES: [{FEATURES: ENCODER, AGAINST: RANDOM_ENCODER | RAW_PIXELS, FRACTION: float or null for kNN,
                    DIFFERENCE: float, INTERVAL: [low, high]}]}   (paired over test images, mean over draws)

``verdict.json`` (artifact_files.VERDICT_FILE)::

    {VERDICT: BLESSED | NOT_BLESSED | UNCHANGED, REASON: str, REASONS: [str], WARNINGS: [str],
     CHECKS: [{NAME: str, VALUE: float or null, THRESHOLD: float or null, PASSED: bool, TEXT: str}],
     TEST_SPLIT: {TEST_SPLIT_DIGEST: str or null, EARLIER_BLESSINGS: int, of other models on the same test images},
     CANDIDATE: {CONTENT_DIGEST, ID, URI, ACCURACY, SPAN (of its data, null without spans)},
     BASELINE: the same or null, IN_USE: the same or null}
"""

# -- probe.json ------------------------------------------------------------------------------------------------------

CLASS_NAMES = "class_names"
COUNTS = "counts"
ENCODER_DIGEST = "encoder_digest"
CONTENT_DIGEST = "content_digest"
TEST_SPLIT_DIGEST = "test_split_digest"
CONFIDENCE = "confidence"
CONFIG = "config"
SECONDS = "seconds"
FEATURES = "features"
ENCODER = "encoder"
RANDOM_ENCODER = "random_encoder"
RAW_PIXELS = "raw_pixels"
FEATURE_NAMES = {ENCODER: "encoder", RANDOM_ENCODER: "random encoder", RAW_PIXELS: "raw pixels"}  # for people
DIMENSIONS = "dimensions"
ACCURACY = "accuracy"
ACCURACY_INTERVAL = "accuracy_interval"
BALANCED_ACCURACY = "balanced_accuracy"
BALANCED_ACCURACY_INTERVAL = "balanced_accuracy_interval"
CLASS_RECALL = "class_recall"
CONFUSION = "confusion"
AUROC = "auroc"
CALIBRATION = "calibration"
CALIBRATION_ERROR = "expected_calibration_error"
CALIBRATION_ERROR_INTERVAL = "expected_calibration_error_interval"
BINS = "bins"
IMAGES = "images"
MEAN_CONFIDENCE = "mean_confidence"
KNN_ACCURACY = "knn_accuracy"
KNN_ACCURACY_INTERVAL = "knn_accuracy_interval"
FRACTIONS = "fractions"
FRACTION = "fraction"
LABELS = "labels"
ACCURACY_MEAN = "accuracy_mean"
ACCURACY_STD = "accuracy_std"
ACCURACIES = "accuracies"
L2_STRENGTHS = "l2_strengths"
HELD_OUT_IMAGES = "held_out_images"
DIFFERENCES = "differences"
AGAINST = "against"
DIFFERENCE = "difference"
INTERVAL = "interval"

# -- verdict.json ----------------------------------------------------------------------------------------------------

BLESSED = "blessed"
NOT_BLESSED = "not blessed"
UNCHANGED = "unchanged"
VERDICT = "verdict"
REASON = "reason"
REASONS = "reasons"
WARNINGS = "warnings"
CHECKS = "checks"
NAME = "name"
VALUE = "value"
THRESHOLD = "threshold"
PASSED = "passed"
TEXT = "text"
TEST_SPLIT = "test_split"
EARLIER_BLESSINGS = "earlier_blessings"
CANDIDATE = "candidate"
BASELINE = "baseline"
IN_USE = "in_use"
ID = "id"
URI = "uri"
SPAN = "span"

# -- test_predictions.npz (m test images in ascending order of digest, k classes, d dimensions) -----------------------

TEST_DIGESTS = "digests"  # (m,) str
TEST_LABELS = "labels"  # (m,) int64, index into TEST_CLASS_NAMES
TEST_CLASS_NAMES = "class_names"  # (k,) str
TEST_SCORES = "scores"  # (m, k) float32, probabilities of the exported model's head
TEST_REPRESENTATIONS = "representations"  # (m, d) float32
PREDICTED = "predicted"  # start of the names that ``predicted_by`` gives
THUMBNAIL_ROWS = "thumbnail_rows"  # (t,) int64, rows of the arrays above that have a thumbnail
THUMBNAILS = "thumbnails"  # (t, s, s, c) uint8, as the encoder sees them, shrunk
MISTAKE_ROWS = "mistake_rows"  # (w,) int64, misclassified test images not among those, most confident first
MISTAKE_THUMBNAILS = "mistake_thumbnails"  # (w, s, s, c) uint8
QUERY_ROWS = "query_rows"  # (q,) int64, test images shown with their neighbours
QUERY_THUMBNAILS = "query_thumbnails"  # (q, s, s, c) uint8
NEIGHBOUR_DIGESTS = "neighbour_digests"  # (q, j) str, the nearest train images, nearest first
NEIGHBOUR_LABELS = "neighbour_labels"  # (q, j) int64
NEIGHBOUR_SIMILARITIES = "neighbour_similarities"  # (q, j) float32, cosine
NEIGHBOUR_THUMBNAILS = "neighbour_thumbnails"  # (q, j, s, s, c) uint8


def predicted_by(features: str, position: int) -> str:
    """Name of an array (draws, m) int64: the classes that heads on these features predict, per draw of the labels.

    Args:
        features: ``ENCODER``, ``RANDOM_ENCODER`` or ``RAW_PIXELS``.
        position: of the label fraction in ``FRACTIONS``.
    """
    return f"{PREDICTED}_{features}_{position}"
