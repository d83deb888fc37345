"""The files inside artifacts and the keys of their properties; unlike ``artifacts`` this needs no TFX.

A file name or property key that two steps share is typed here once.
"""

# -- files inside artifacts ------------------------------------------------------------------------------------------

QUARANTINE_FILE = "quarantine.jsonl"  # Examples of ImageExampleGen: one JSON object per refused file
NEAR_DUPLICATES_FILE = "near_duplicates.jsonl"  # Examples of ImageExampleGen: one JSON object per pair
INGESTION_SUMMARY_FILE = "ingestion_summary.json"  # Examples of ImageExampleGen: counts per split, class and reason
WINDOW_FILE = "window.json"  # Examples of TrainingWindow: spans, counts, what was left out
VIEWS_SUMMARY_FILE = "views_summary.json"  # Examples of ViewGen: counts, bytes, content digest
ANOMALIES_PAGE = "anomalies.md"  # ExampleAnomalies, written by AnomalyGate for people
DRIFT_FILE = "drift.json"  # ExampleAnomalies of DistributionValidator: see ``drift_record``

ENCODER_FILE = "encoder.keras"  # Model of Trainer: (n, size, size, channels) float32 -> (n, d) float32
INITIAL_ENCODER_FILE = "initial_encoder.keras"  # Model of Trainer: the same encoder before the first step
PROJECTION_HEAD_FILE = "projection_head.keras"  # Model of Trainer: (n, d) float32 -> (n, p) float32
PRETRAINING_FILE = "pretraining.json"  # Model of Trainer: history, settings, digests
VIEW_GRID_FILE = "view_grid.png"  # Model of Trainer: pairs of views as the encoder saw them

TUNING_FILE = "tuning.json"  # TunerResults of Tuner: see ``tuning_record``
FEATURES_FILE = "features.json"  # Features of FeatureExtractor: see ``features_record``
PROBE_FILE = "probe.json"  # ProbeReport: every number of linear evaluation
TEST_PREDICTIONS_FILE = "test_predictions.npz"  # ProbeReport: what the model said of each test image
BASELINES_FILE = "baselines.json"  # BaselineReport: see ``baseline_record``
VERDICT_FILE = "verdict.json"  # ModelBlessing: verdict, reasons and the evidence they rest on
PUSH_FILE = "push.json"  # PushedModel: version, digest, directory
REPORT_FILE = "report.html"  # Report
RUN_FILE = "run.json"  # Report: where the artifacts behind the page are

# -- property keys ---------------------------------------------------------------------------------------------------

CLASSES_DIGEST = "classes_digest"  # of a model's class names, in order: models of other classes are not comparable
TEST_SPLIT_DIGEST = "test_split_digest"  # of a model and its blessing: which test images the evidence is from
CONTENT_DIGEST = "content_digest"  # of what the artifact holds, independent of clock, place and run
ENCODER_DIGEST = "encoder_digest"  # of features: the encoder they are from
ACCURACY = "accuracy"  # of a model and its ProbeReport: on test, with all labels
KNN_ACCURACY = "knn_accuracy"  # of a ProbeReport
VERDICT = "verdict"
REASON = "reason"
VERSION = "version"
# Of data root and settings of ingestion: spans with the same one are parts of one series.
SERIES_DIGEST = "series_digest"
ACCEPTED_AT = "accepted_at"  # Unix time, in seconds, at which a person accepted a schema or statistics
SECONDS = "seconds"
# Examples, models and blessings made from a span; absent where the data has no spans. (TFX's own "span" is then 0.)
DATA_SPAN = "data_span"

# -- execution parameters --------------------------------------------------------------------------------------------

CONFIG = "config"  # canonical JSON of the step's config
IMAGE_CONFIG = "image_config"  # canonical JSON of ImageConfig
CODE_DIGEST = "code_digest"
PIPELINE_CONFIG = "pipeline_config"  # canonical JSON of all settings
