"""The evidence behind a model: what linear evaluation measured (``probe.json``) and what the Gate decided
(``verdict.json``).

Intervals are (low, high) at the level ``ProbeReport.confidence``, over the test images. The answers to single test
images are in ``stored_predictions``.
"""

import enum

import pydantic
from pydantic import Field

from components.contracts.configuration import configuration
from components.contracts.record_files import record

Interval = tuple[float, float]


class FeatureKind(str, enum.Enum):
    """What a linear classifier is given of each image."""

    ENCODER = "encoder"  # representations of the pretrained encoder
    RANDOM_ENCODER = "random_encoder"  # representations of the same encoder before its first step
    RAW_PIXELS = "raw_pixels"  # the pixels themselves, shrunk

    @property
    def words(self) -> str:
        """The name that people read."""
        return self.value.replace("_", " ")


class Verdict(str, enum.Enum):
    """What the Gate says of a model."""

    BLESSED = "blessed"  # it may be pushed and replaces the model in use
    NOT_BLESSED = "not blessed"
    UNCHANGED = "unchanged"  # it has the content of the model in use and meets every threshold

    @property
    def may_push(self) -> bool:
        """Whether Pusher may publish the model; publishing the model in use again changes nothing."""
        return self is not Verdict.NOT_BLESSED


class CheckName(str, enum.Enum):
    """The Gate's questions. Those that are settings of the Gate have the names of the settings."""

    EVIDENCE = "evidence"
    SAME_MODEL = "same_model"
    EVALUATED_CANDIDATE = "evaluated_candidate"
    EVALUATED_BASELINE = "evaluated_baseline"
    PREDICTIONS = "predictions"
    PROBE_AGREES = "probe_agrees"
    EVALUATOR_AGREES = "evaluator_agrees"
    SAME_TEST_SPLIT = "same_test_split"
    SAME_IMAGES = "same_images"
    BASELINE_IN_USE = "baseline_in_use"
    EARLIER_BLESSINGS = "earlier_blessings"
    EVALUATOR_THRESHOLDS = "evaluator_thresholds"
    SPAN = "span"
    MAY_BLESS = "may_bless"
    MIN_TEST_IMAGES = "min_test_images"
    MIN_ACCURACY = "min_accuracy"
    MIN_CLASS_RECALL = "min_class_recall"
    MIN_IMPROVEMENT = "min_improvement"
    MAX_P_VALUE = "max_p_value"
    PRETRAINING_GAIN = "pretraining_gain"

    @property
    def is_threshold(self) -> bool:
        """Whether a threshold of the Gate's settings is asked for."""
        return self is CheckName.PRETRAINING_GAIN or self.value.startswith(("min_", "max_"))

    @property
    def words(self) -> str:
        """The name that people read."""
        return self.value.replace("_", " ")


@configuration
class SplitCounts:
    """Labelled images of each split."""

    train: int
    test: int


@configuration
class CalibrationBin:
    """Test images of similar confidence."""

    images: int
    mean_confidence: float
    accuracy: float
    accuracy_interval: Interval


@configuration
class Calibration:
    """Bins in the order of their confidence, and their mean distance from the diagonal."""

    expected_calibration_error: float
    expected_calibration_error_interval: Interval
    bins: tuple[CalibrationBin, ...] = Field(min_length=1)


@configuration
class FractionResult:
    """Test accuracy of classifiers that were given a part of the train labels, one classifier for each draw."""

    fraction: float
    labels: int
    accuracy_mean: float
    accuracy_std: float  # over the draws; 0 for a single draw
    accuracies: tuple[float, ...]
    l2_strengths: tuple[float, ...]  # chosen for each draw
    held_out_images: tuple[int, ...]  # images of each draw that judged the strengths


@configuration
class FeatureResult:
    """Everything measured on one kind of features; numbers without a fraction are of all labels."""

    dimensions: int
    accuracy: float
    accuracy_interval: Interval
    balanced_accuracy: float
    balanced_accuracy_interval: Interval
    class_recall: dict[str, float | None]  # by class; None: test holds no image of the class
    confusion: tuple[tuple[int, ...], ...]  # row: true class, column: predicted class
    auroc: float | None  # None: more than two classes, or test lacks one of the two
    calibration: Calibration
    knn_accuracy: float
    knn_accuracy_interval: Interval
    fractions: tuple[FractionResult, ...] = Field(min_length=1)  # ascending; the last uses all labels


@configuration
class Difference:
    """Test accuracy on one kind of features minus that on another, paired over test images, mean over draws."""

    features: FeatureKind
    against: FeatureKind
    fraction: float | None  # of the labels; None: kNN
    difference: float
    interval: Interval


@record(version=1)
class ProbeReport:
    """``probe.json``: every number of linear evaluation."""

    class_names: tuple[str, ...]
    counts: SplitCounts
    encoder_digest: str
    content_digest: str  # of the SavedModel
    test_split_digest: str  # of the digests of the test images
    confidence: float  # level of the intervals, such as 0.95
    features: dict[FeatureKind, FeatureResult]
    differences: tuple[Difference, ...]
    config: dict[str, pydantic.JsonValue]  # LinearEvaluationConfig
    seconds: dict[str, float]  # by stage

    @pydantic.field_validator("features")
    @classmethod
    def _check_features(cls, features: dict[FeatureKind, FeatureResult]) -> dict[FeatureKind, FeatureResult]:
        if FeatureKind.ENCODER not in features:
            raise ValueError(f"expected results of the encoder, found {[kind.value for kind in features]}")
        return features

    @property
    def encoder(self) -> FeatureResult:
        """The results of the pretrained encoder."""
        return self.features[FeatureKind.ENCODER]


@configuration
class Check:
    """One question of the Gate and its answer."""

    name: CheckName
    value: float | None = None
    threshold: float | None = None
    passed: bool
    text: str  # a clause that names value and threshold, and by how much it is missed or met


@configuration
class SplitUse:
    """How often models have been chosen by the same test images."""

    test_split_digest: str  # empty: the candidate does not say
    earlier_blessings: int  # of other models


@configuration
class ModelEntry:
    """A model that the verdict mentions."""

    content_digest: str
    id: int  # of the artifact in ML Metadata
    uri: str
    accuracy: float | None  # on the candidate's test split; None: not measured
    span: int | None  # of its data; None: the data has no spans


@record(version=2)
class VerdictReport:
    """``verdict.json``: the Gate's verdict with its reasons."""

    verdict: Verdict
    reason: str  # all reasons as one sentence
    reasons: tuple[str, ...]  # clauses, the most important first
    warnings: tuple[str, ...]
    checks: tuple[Check, ...]
    test_split: SplitUse
    candidate: ModelEntry
    baseline: ModelEntry | None  # what the candidate was compared with
    in_use: ModelEntry | None
