"""Settings of the linear probe and of the Gate that judges it; standard library and pydantic only."""

import enum

import pydantic
from pydantic import Field

from components.contracts.configuration import configuration


@configuration
class LinearEvaluationConfig:
    """How a frozen encoder is measured. The train split alone decides every choice; test is read once."""

    label_fractions: tuple[float, ...] = Field(
        default=(0.01, 0.1, 1.0),
        min_length=1,
        description="parts of the train labels that a classifier is given, ascending",
    )
    label_draws: int = Field(
        default=5, ge=1, le=100, description="stratified draws of the labels at each fraction below 1"
    )
    l2_strengths: tuple[float, ...] = Field(
        default=(10.0, 1.0, 0.1, 0.01, 0.001, 0.0001),
        min_length=1,
        description="L2 strengths to try, falling; strength times half the squared weights is added to the mean loss",
    )
    held_out_fraction: float = Field(
        default=0.2, gt=0, le=0.5, description="part of the drawn labels that is held out to compare strengths"
    )
    min_held_out_images: int = Field(
        default=500,
        ge=1,
        description="small draws hold out several disjoint parts in turn until this many images were held out",
    )
    max_iterations: int = Field(default=1000, ge=1, description="L-BFGS iterations for one fit")
    gradient_tolerance: float = Field(
        default=1e-5,
        gt=0,
        le=0.1,
        description="a fit stops when no gradient entry exceeds this (ten times this while strengths are compared)",
    )
    knn_k: int = Field(default=20, ge=1, description="number of train neighbours that vote in weighted kNN")
    knn_temperature: float = Field(default=0.07, gt=0, description="divides cosine similarity in the kNN vote")
    bootstrap_resamples: int = Field(
        default=2000, ge=100, le=100000, description="bootstrap resamples of the test images per interval"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="level of the intervals")
    calibration_bins: int = Field(
        default=10,
        ge=2,
        le=100,
        description="bins of equally many test images, in which confidence is compared with accuracy",
    )
    thumbnail_px: int = Field(default=96, ge=8, le=512, description="longest side to which thumbnails are shrunk")
    max_thumbnails: int = Field(default=500, ge=0, le=5000, description="test images kept as thumbnails for the report")
    max_mistake_thumbnails: int = Field(
        default=100, ge=0, le=5000, description="misclassified test images kept as well, most confident first"
    )
    neighbour_queries: int = Field(
        default=8, ge=0, le=100, description="test images shown with their nearest train images"
    )
    neighbours: int = Field(default=5, ge=1, le=50, description="nearest train images shown for each of them")
    golden_images: int = Field(
        default=8, ge=1, le=64, description="train images that are stored with the model, with their vectors"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="seed of label draws, held-out parts and bootstrap")

    @pydantic.field_validator("label_fractions")
    @classmethod
    def _check_fractions(cls, fractions: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < fraction <= 1 for fraction in fractions) or list(fractions) != sorted(set(fractions)):
            raise ValueError(f"expected ascending fractions above 0 and at most 1, found {list(fractions)}")
        if fractions[-1] != 1:
            raise ValueError(f"the last fraction must be 1.0 (the model's own head), found {list(fractions)}")
        return fractions

    @pydantic.field_validator("l2_strengths")
    @classmethod
    def _check_strengths(cls, strengths: tuple[float, ...]) -> tuple[float, ...]:
        # Falling, so that each fit starts from the smoother solution before it.
        if any(strength <= 0 for strength in strengths) or list(strengths) != sorted(set(strengths), reverse=True):
            raise ValueError(f"expected falling positive strengths, found {list(strengths)}")
        return strengths


class PretrainingGain(str, enum.Enum):
    """What a missing gain of pretraining means for the verdict."""

    REQUIRED = "required"  # no blessing
    ADVISED = "advised"  # a warning


@configuration
class GateConfig:
    """What a model must reach to be blessed. All thresholds are for the test split."""

    min_accuracy: float = Field(
        default=0.5, ge=0, le=1, description="lowest test accuracy, with all labels, for a blessing"
    )
    min_improvement: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="a model must exceed the accuracy of the one in use by more than this; 0: it must be better",
    )
    max_p_value: float | None = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="largest p-value of the gain over the model in use; above it nothing is replaced (one-sided "
        "exact McNemar test on the test images both were measured on); null: not asked",
    )
    min_class_recall: float | None = Field(
        default=None, ge=0, le=1, description="lowest recall of any class for a blessing; null: not checked"
    )
    min_test_images: int = Field(default=50, ge=1, description="a model measured on fewer test images is not blessed")
    pretraining_gain: PretrainingGain = Field(
        default=PretrainingGain.REQUIRED,
        description="required: a model is blessed only if its encoder is clearly better than raw pixels and than the "
        "encoder before training (paired intervals of the probe); advised: a missing gain is a warning",
    )
    max_knn_gap: float = Field(
        default=0.1, ge=0, le=1, description="a larger gap between probe and kNN accuracy is a warning, never a refusal"
    )
    may_bless: bool = Field(
        default=True, description="false: measure and compare, but bless and push nothing (used by backfills)"
    )
    evidence_tolerance: float = Field(
        default=1e-3, gt=0, le=0.1, description="largest difference between the Evaluator's accuracy and the probe's"
    )
    stop_early: bool = Field(
        default=True,
        description="a run with fewer test images than min_test_images stops after ingestion; false: it goes on, and "
        "its model is not blessed",
    )
