"""Settings of the method: encoder, projection head, loss, optimiser and schedule.

Only numbers and choices live here, so that reading a config imports no framework; ``encoder``, ``projection_head``,
``nt_xent``, ``optimizers`` and ``schedules`` build what they describe.
"""

import enum

import pydantic
from pydantic import Field
from typing_extensions import Self

from components.contracts.configuration import configuration


class Method(str, enum.Enum):
    """How the encoder learns without labels."""

    SIMCLR = "simclr"  # negatives are the other views of the batch
    MOCO = "moco"  # negatives are earlier keys, kept in a queue
    BYOL = "byol"  # no negatives


class Architecture(str, enum.Enum):
    """Family and depth of the encoder."""

    MLP = "mlp"
    SMALL_CNN = "small_cnn"
    RESNET18 = "resnet18"  # ResNets are v1.5
    RESNET34 = "resnet34"
    RESNET50 = "resnet50"
    RESNET50_V1 = "resnet50_v1"  # the one that ImageNet weights exist for
    VIT_TINY = "vit_tiny"
    VIT_SMALL = "vit_small"


IMAGENET = "imagenet"  # a value of initial_weights


class Stem(str, enum.Enum):
    """First layers of a ResNet: 7x7 stride 2 and max-pool for large images, 3x3 stride 1 without it for small ones."""

    AUTO = "auto"
    SMALL_IMAGE = "small_image"
    LARGE_IMAGE = "large_image"


class OptimizerName(str, enum.Enum):
    """Update rule."""

    LARS = "lars"
    SGD = "sgd"
    ADAMW = "adamw"


class LearningRateScaling(str, enum.Enum):
    """How the learning rate grows with the global batch, counted in images."""

    NONE = "none"  # learning_rate as it stands
    LINEAR = "linear"  # learning_rate * batch / 256
    SQRT = "sqrt"  # learning_rate * sqrt(batch)


@configuration
class EncoderConfig:
    """What turns an image into a representation."""

    architecture: Architecture = Field(
        default=Architecture.RESNET18,
        description="mlp, small_cnn, resnet18, resnet34, resnet50, resnet50_v1, vit_tiny or vit_small",
    )
    width_multiplier: float = Field(default=1.0, ge=0.0625, le=4, description="factor on the width of every layer")
    stem: Stem = Field(
        default=Stem.AUTO,
        description="first layers of a ResNet: auto (small_image up to 64 px), small_image or large_image",
    )
    initial_weights: str | None = Field(
        default=None,
        min_length=1,
        description="null: random; imagenet (resnet50_v1 only); or an earlier encoder: <registry>/<model>, a version "
        "or alias below it, or a .keras file",
    )
    initial_weights_digest: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the .keras file; null: computed when a run starts, so that it notices new content",
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.initial_weights_digest and self.initial_weights in (None, IMAGENET):
            raise ValueError("initial_weights_digest is the digest of a .keras file: set initial_weights to that file")
        if self.initial_weights != IMAGENET:
            return self
        if self.architecture is not Architecture.RESNET50_V1:
            raise ValueError(
                f"the ImageNet weights are for Keras' ResNet-50, which has its strides in other places than "
                f"{self.architecture.value}: set architecture to {Architecture.RESNET50_V1.value}"
            )
        if self.width_multiplier != 1 or self.stem is Stem.SMALL_IMAGE:
            raise ValueError("ImageNet weights need width_multiplier 1 and stem auto or large_image")
        return self


@configuration
class ProjectionHeadConfig:
    """What turns a representation into the projection that the loss compares.

    SimCLR v2 keeps the first of three layers as a part of the encoder. The last layer cannot be kept: its output serves
    the loss alone, and SimCLR v2 found it to be the worst representation.
    """

    layers: int = Field(
        default=2, ge=0, le=4, description="number of dense layers; 0 compares the representations themselves"
    )
    hidden_width: int | None = Field(
        default=None, ge=8, le=16384, description="width of all layers but the last; null: that of the representation"
    )
    output_width: int = Field(default=128, ge=2, le=4096, description="width of the projection (layers > 0)")
    final_batch_norm: bool = Field(
        default=True, description="BatchNorm without shift after the last layer, as in the paper"
    )
    kept_layers: int = Field(
        default=0,
        ge=0,
        le=3,
        description="number of first layers that the encoder keeps at its end, with their BatchNorm and ReLU",
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.kept_layers and self.kept_layers >= self.layers:
            raise ValueError(
                f"kept_layers ({self.kept_layers}) must be less than layers ({self.layers}): the last layer gives the "
                "projection, which is thrown away"
            )
        return self


@configuration
class LossConfig:
    """The loss that compares projections: NT-Xent (simclr), InfoNCE (moco) or squared distance (byol)."""

    temperature: float = Field(default=0.1, gt=0, le=10, description="divides cosine similarity, in simclr and moco")
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="this times half the sum of the squared kernels is added to the loss; for SGD, as in the paper",
    )


_MIN_MEMORY_STEPS, _MAX_MEMORY_STEPS = 10, 1000


def momentum_by_data_size(steps_per_epoch: int) -> float:
    """The default momentum: momentum weights remember one epoch, but at least 10 and at most 1,000 steps.

    This gives the published values for large and for small data: 0.999 for MoCo on ImageNet (5,000 steps), 0.99 on
    CIFAR-10 (98 steps), 0.997 for BYOL on ImageNet in batches of 4,096 (312 steps).

    Returns 0.9 to 0.999. The rule is this project's; the published values are those of He et al. 2019, section 4, and
    Grill et al. 2020, section 3.2.
    """
    return 1.0 - 1.0 / min(max(steps_per_epoch, _MIN_MEMORY_STEPS), _MAX_MEMORY_STEPS)


@configuration
class MocoConfig:
    """MoCo v2.

    Source: He et al. 2019; Chen, Fan, Girshick and He 2020, Improved baselines with momentum contrastive learning.
    """

    queue_size: int = Field(
        default=4096,
        ge=2,
        le=1048576,
        description="keys kept as negatives; a multiple of the batch, and fewer than the train images",
    )
    momentum: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="momentum of the key encoder, per step; null: it remembers one epoch, 10 to 1,000 steps",
    )
    key_batch_norm_groups: int = Field(
        default=4,
        ge=1,
        le=1024,
        description="parts of the batch whose keys are normalised apart, so that BatchNorm gives no pair away",
    )


@configuration
class ByolConfig:
    """BYOL.

    Source: Grill et al. 2020.
    """

    momentum: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="momentum of the target at the first step, rising to 1; null: it remembers one epoch, as in moco",
    )
    predictor_hidden_width: int | None = Field(
        default=None, ge=8, le=16384, description="hidden width of the predictor; null: that of the projection head"
    )


@configuration
class OptimizerConfig:
    """How weights follow gradients. The learning rate is scaled by the global batch in images.

    The defaults were the best for every method in short runs with small batches (docs/methods.md); lars is made for
    batches of thousands of images.
    """

    name: OptimizerName = Field(default=OptimizerName.ADAMW, description="adamw, sgd (Nesterov) or lars")
    learning_rate: float = Field(
        default=0.003,
        gt=0,
        le=100,
        description="before scaling; published: 0.075 with sqrt for lars, 0.03 with linear for sgd",
    )
    scaling: LearningRateScaling = Field(
        default=LearningRateScaling.NONE, description="none, sqrt (times sqrt(batch)) or linear (times batch / 256)"
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="momentum of lars and sgd, beta_1 of adamw")
    weight_decay: float = Field(
        default=1e-4, ge=0, le=1, description="lars: added to the gradient; sgd, adamw: decoupled"
    )
    decays_batch_norm_and_biases: bool = Field(
        default=False,
        description="whether gains and shifts of norms, biases and position embeddings decay too; lars never adapts "
        "their learning rate",
    )
    trust_coefficient: float = Field(default=0.001, gt=0, le=1, description="eta of lars")

    def scaled_learning_rate(self, global_batch_size: int) -> float:
        """The peak learning rate for ``global_batch_size`` images.

        Source: Chen et al. 2020, appendix B.1 (0.3 * batch / 256 or 0.075 * sqrt(batch)).
        """
        if self.scaling is LearningRateScaling.LINEAR:
            return self.learning_rate * global_batch_size / 256
        if self.scaling is LearningRateScaling.SQRT:
            return self.learning_rate * global_batch_size**0.5
        return self.learning_rate


def check_decay(loss: LossConfig, optimizer: OptimizerConfig) -> None:
    """Refuse settings that decay the same weights twice.

    Raises:
        ValueError: loss and optimiser both decay them.
    """
    if loss.weight_decay and optimizer.weight_decay:
        raise ValueError(
            f"weights would decay twice: set loss.weight_decay ({loss.weight_decay:g}) or optimizer.weight_decay "
            f"({optimizer.weight_decay:g}) to 0"
        )


_SHORT_WARMUP_FRACTION = 0.1  # the share that the defaults have: 10 of 100 epochs


@configuration
class ScheduleConfig:
    """Learning rate over time: linear warm-up to the peak, then half a cosine down.

    Source: as ``schedules.WarmupCosine``.
    """

    warmup_epochs: float = Field(
        default=10.0,
        ge=0,
        description="epochs of linear warm-up from 0; a run that is not longer warms up for a tenth of its epochs",
    )
    final_fraction: float = Field(default=0.0, ge=0, le=1, description="part of the peak rate at the last step")

    def warmup_within(self, epochs: int) -> float:
        """Epochs of warm-up in a run of ``epochs``: a tenth of a run that would otherwise end before its warm-up."""
        return self.warmup_epochs if self.warmup_epochs < epochs else _SHORT_WARMUP_FRACTION * epochs

    def note(self, epochs: int) -> str | None:
        """What people should know if the warm-up of a run of ``epochs`` is shorter than set."""
        if self.warmup_within(epochs) == self.warmup_epochs:
            return None
        return (
            f"the warm-up is shortened from {self.warmup_epochs:g} to {self.warmup_within(epochs):g} epochs, because "
            f"training has {epochs}"
        )


@configuration
class WatchConfig:
    """When to stop a run that learns nothing, and how often to measure it. Epochs of warm-up are not judged."""

    every_epochs: int = Field(default=5, ge=1, description="epochs between two kNN measurements on the eval split")
    max_images: int = Field(default=2000, ge=2, le=100000, description="eval images that are measured, at most")
    knn_k: int = Field(
        default=20, ge=1, description="neighbours that vote among the eval images, without the image itself"
    )
    knn_temperature: float = Field(default=0.07, gt=0, description="divides cosine similarity in the vote")
    window_epochs: int = Field(default=5, ge=1, description="the run is stopped after this many bad epochs in a row")
    chance_fraction: float = Field(
        default=0.97,
        gt=0,
        le=1,
        description="a loss above this part of its chance value counts as chance; 1: almost never stop",
    )
    min_std_fraction: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="below this part of 1/sqrt(d), the std of evenly spread directions, a run has collapsed",
    )
    min_effective_rank: float = Field(default=1.5, ge=0, description="below this effective rank a run has collapsed")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.window_epochs < 2 and self.chance_fraction < 0.5:
            raise ValueError("chance_fraction below 0.5 stops healthy runs when window_epochs is 1")
        return self
