"""Settings of pretraining: the method's parts joined with batch, length, precision, checkpoints and devices.

Steps and rates that follow from them are methods, never fields.
"""

import enum
from typing import Any

import pydantic
import pydantic_core
from pydantic import Field
from typing_extensions import Self

from components.contracts.configuration import configuration
from components.simclr.augmentation.policies import CropPolicy, OnlinePolicy
from components.simclr.config import (
    ByolConfig,
    EncoderConfig,
    LossConfig,
    Method,
    MocoConfig,
    OptimizerConfig,
    ProjectionHeadConfig,
    ScheduleConfig,
    WatchConfig,
    check_decay,
    momentum_by_data_size,
)

_STEPS_PER_BATCH_NORM_BATCH = 10
_MIN_BATCH_NORM_IMAGES = 16  # two views of each, times the positions of the feature map


class Precision(str, enum.Enum):
    """Type of the encoder's arithmetic; weights and loss are float32 always."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


# Where the paper of a method differs from SimCLR's defaults; values that a config gives itself take precedence.
_SECTIONS_OF_METHOD: dict[Method, dict[str, dict[str, Any]]] = {
    Method.MOCO: {"projection_head": {"final_batch_norm": False}, "loss": {"temperature": 0.2}},
    Method.BYOL: {"projection_head": {"hidden_width": 4096, "output_width": 256, "final_batch_norm": False}},
}
_CLASSES = {"projection_head": ProjectionHeadConfig, "loss": LossConfig}


def _fill_in_sections_of_method(settings: Any) -> Any:
    """The given settings, of a mapping or a constructor, completed with the defaults of the method."""
    given = settings.kwargs if isinstance(settings, pydantic_core.ArgsKwargs) else settings
    if not isinstance(given, dict) or given.get("method") not in tuple(_SECTIONS_OF_METHOD):
        return settings
    chosen = _SECTIONS_OF_METHOD[Method(given["method"])]
    if given is not settings:
        made = {name: _CLASSES[name](**values) for name, values in chosen.items()}
        return pydantic_core.ArgsKwargs(settings.args, {**made, **given})
    said = {name: given.get(name, {}) for name in chosen}
    joined = {name: {**chosen[name], **values} for name, values in said.items() if isinstance(values, dict)}
    return {**given, **joined}


@configuration
class PretrainingConfig:
    """How an encoder is trained without labels."""

    method: Method = Field(
        default=Method.SIMCLR,
        description="simclr, moco or byol; the latter two have defaults of their own for the head, moco for the "
        "temperature too",
    )
    encoder: EncoderConfig = Field(default=EncoderConfig(), description="what is trained and kept")
    projection_head: ProjectionHeadConfig = Field(
        default=ProjectionHeadConfig(), description="what is trained and thrown away"
    )
    loss: LossConfig = Field(default=LossConfig(), description="what projections are compared with")
    moco: MocoConfig = Field(default=MocoConfig(), description="of method moco: queue and momentum")
    byol: ByolConfig = Field(default=ByolConfig(), description="of method byol: momentum and predictor")
    optimizer: OptimizerConfig = Field(default=OptimizerConfig(), description="update rule and learning rate")
    schedule: ScheduleConfig = Field(default=ScheduleConfig(), description="learning rate over time")
    watch: WatchConfig = Field(default=WatchConfig(), description="when a run that learns nothing is stopped")
    augmentation: OnlinePolicy = Field(
        default=OnlinePolicy(), description="what is drawn anew for each view in each epoch"
    )
    crop: CropPolicy | None = Field(
        default=None, description="random crops drawn in training; required for views.views_per_image 0, null otherwise"
    )

    epochs: int = Field(
        default=100, ge=1, le=100000, description="passes over the train split; each image once per pass"
    )
    global_batch_size: int = Field(default=256, ge=2, le=1048576, description="images per step, over all replicas")
    gradient_cache_chunks: int = Field(
        default=1,
        ge=1,
        le=65536,
        description="a batch larger than memory is encoded in so many parts, with all its negatives",
    )
    precision: Precision = Field(
        default=Precision.FLOAT32, description="float32, bfloat16 or float16 (with loss scaling)"
    )
    jit_compile: bool = Field(
        default=False, description="compile the step with XLA; one replica only; for GPUs, as CPUs were slower with it"
    )
    deterministic: bool = Field(
        default=True, description="deterministic operations; with jit_compile a run repeats exactly"
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="of initial weights, order and augmentations")

    checkpoint_every_steps: int = Field(default=500, ge=1, description="steps between two checkpoints")
    checkpoint_every_minutes: float = Field(
        default=10.0, gt=0, description="minutes after which a checkpoint is due anyway"
    )
    batch_norm_batches: int = Field(
        default=16,
        ge=1,
        le=10000,
        description="batches of train views that BatchNorm statistics are estimated from at the end, at most; one for "
        "every ten steps of a shorter run, and a part of one for fewer than ten steps",
    )

    num_gpus: int = Field(
        default=0, ge=0, le=16, description="0 trains on the CPU; fewer visible GPUs than asked is an error"
    )
    input_threads: int = Field(default=2, ge=1, le=256, description="threads that read and decode views")
    prefetch_batches: int = Field(default=4, ge=1, le=64, description="batches prepared ahead of the step")
    cache_megabytes: int = Field(
        default=512, ge=0, description="views are decoded once and kept when all fit into this"
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _fill_in(cls, settings: Any) -> Any:
        return _fill_in_sections_of_method(settings)

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.jit_compile and self.num_gpus > 1:
            raise ValueError(
                f"jit_compile works on one replica only: set jit_compile: false for num_gpus {self.num_gpus}"
            )
        if self.global_batch_size % self.num_replicas:
            raise ValueError(
                f"global_batch_size ({self.global_batch_size}) must be a multiple of num_gpus ({self.num_gpus})"
            )
        check_decay(self.loss, self.optimizer)
        self._check_gradient_cache()
        if self.method is Method.MOCO:
            self._check_moco()
        return self

    def _check_gradient_cache(self) -> None:
        chunks = self.gradient_cache_chunks
        if chunks == 1:
            return
        if self.method is not Method.SIMCLR:
            raise ValueError(
                f"gradient_cache_chunks ({chunks}) is for method simclr, whose negatives are the batch: set it to 1 "
                f"for method {self.method.value}, and lower global_batch_size where memory is short"
            )
        if self.num_gpus > 1:
            raise ValueError(
                f"gradient_cache_chunks ({chunks}) works on one replica only: set it to 1 for num_gpus {self.num_gpus}"
            )
        if self.global_batch_size % chunks:
            raise ValueError(
                f"global_batch_size ({self.global_batch_size}) must be a multiple of gradient_cache_chunks ({chunks})"
            )

    def _check_moco(self) -> None:
        groups = self.moco.key_batch_norm_groups
        if self.moco.queue_size % self.global_batch_size:
            raise ValueError(
                f"moco.queue_size ({self.moco.queue_size}) must be a multiple of global_batch_size "
                f"({self.global_batch_size}): each step replaces the oldest batch of keys"
            )
        if groups % self.num_replicas:
            raise ValueError(
                f"moco.key_batch_norm_groups ({groups}) must be a multiple of num_gpus ({self.num_gpus}): each replica "
                "normalises whole groups of keys"
            )
        if self.global_batch_size % groups or self.global_batch_size < 2 * groups:
            raise ValueError(
                f"global_batch_size ({self.global_batch_size}) must be a multiple of moco.key_batch_norm_groups "
                f"({groups}), with at least two images in each group"
            )

    @property
    def num_replicas(self) -> int:
        """One per GPU, or the CPU."""
        return max(self.num_gpus, 1)

    @property
    def learning_rate(self) -> float:
        """Peak learning rate after scaling by the global batch."""
        return self.optimizer.scaled_learning_rate(self.global_batch_size)

    @property
    def warmup_epochs(self) -> float:
        """Epochs of warm-up, always fewer than ``epochs``."""
        return self.schedule.warmup_within(self.epochs)

    def batch_norm_images(self, total_steps: int) -> int:
        """Images that BatchNorm statistics are estimated from: whole batches, or a part of a single one.

        One batch for every ten steps of training keeps the estimate at about a tenth of the training's cost.
        """
        size = self.global_batch_size
        if total_steps >= _STEPS_PER_BATCH_NORM_BATCH:
            return size * min(self.batch_norm_batches, total_steps // _STEPS_PER_BATCH_NORM_BATCH)
        return min(size, max(_MIN_BATCH_NORM_IMAGES, size * total_steps // _STEPS_PER_BATCH_NORM_BATCH))

    def momentum(self, steps_per_epoch: int) -> float | None:
        """Momentum of the key encoder (moco), or of the target at the first step (byol); None for simclr."""
        if self.method is Method.SIMCLR:
            return None
        momentum = self.moco.momentum if self.method is Method.MOCO else self.byol.momentum
        return momentum_by_data_size(steps_per_epoch) if momentum is None else momentum

    def steps_per_epoch(self, num_images: int) -> int:
        """Whole batches in one pass; the incomplete rest is dropped.

        Raises:
            ValueError: fewer images than one batch, or than MoCo's queue has keys.
        """
        if num_images < self.global_batch_size:
            raise ValueError(
                f"pretraining.global_batch_size is {self.global_batch_size}, but split train has only {num_images} "
                "images: lower it, or bring more images"
            )
        if self.method is Method.MOCO and self.moco.queue_size >= num_images:
            raise ValueError(
                f"pretraining.moco.queue_size is {self.moco.queue_size}, but split train has only {num_images} images: "
                "lower it, or an image would meet its own earlier key as a negative"
            )
        return num_images // self.global_batch_size
