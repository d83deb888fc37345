"""``baselines.json``: classifiers made in other ways, measured by the probe's protocol."""

import enum

import pydantic

from components.contracts.configuration import configuration
from components.contracts.evidence import Interval, SplitCounts
from components.contracts.record_files import record


class ClassifierKind(str, enum.Enum):
    """How a classifier was made."""

    # Linear classifiers on fixed features, measured by LinearProbe.
    LINEAR_PROBE = "linear_probe"  # on the representations of the pretrained encoder
    RANDOM_ENCODER = "random_encoder"
    RAW_PIXELS = "raw_pixels"
    # Classifiers trained together with an encoder of the same architecture, see ``baselines.config.Baseline``.
    FROM_SCRATCH = "from_scratch"
    FROZEN = "frozen"
    LAST_BLOCK = "last_block"
    ALL_LAYERS = "all_layers"


@configuration
class Training:
    """One classifier's training."""

    learning_rate: float
    steps: int
    held_out_images: int  # that judged learning rates and numbers of steps; 0 if nothing could be held out
    seconds: float


@configuration
class MethodResult:
    """Test accuracy of one kind of classifiers with a part of the train labels, one classifier for each draw."""

    fraction: float
    labels: int
    accuracy_mean: float
    accuracy_std: float  # over the draws; 0 for a single draw
    accuracies: tuple[float, ...]
    interval: Interval  # of the mean, over test images
    # To the linear probe of the pretrained encoder with the same labels, paired over test images; None for that probe.
    difference: float | None
    difference_interval: Interval | None
    trainings: tuple[Training, ...] = ()  # one for each draw; none of linear classifiers on fixed features


@record(version=2)
class BaselinesReport:
    """``baselines.json``."""

    methods: dict[ClassifierKind, tuple[MethodResult, ...]]  # a result for each label fraction, ascending
    confidence: float  # level of the intervals
    counts: SplitCounts
    encoder_digest: str
    image_passes: int  # that one training may use
    batch_size: int  # images per step, two views of each
    checkpoint_directory: str  # name of the folder below <pipeline root>/checkpoints
    config: dict[str, pydantic.JsonValue]  # BaselinesConfig

    @pydantic.field_validator("methods")
    @classmethod
    def _check_methods(
        cls, methods: dict[ClassifierKind, tuple[MethodResult, ...]]
    ) -> dict[ClassifierKind, tuple[MethodResult, ...]]:
        """Every method is compared with the linear probe, at the same label fractions."""
        if ClassifierKind.LINEAR_PROBE not in methods:
            raise ValueError(f"expected results of linear_probe, found {[kind.value for kind in methods]}")
        lengths = {kind.value: len(results) for kind, results in methods.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"expected a result of every method at each label fraction, found {lengths}")
        return methods
