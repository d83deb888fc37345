"""Settings of pretraining: the method's parts joined with batch, length, precision, checkpoints and devices.

Steps and rates that follow from them are methods, never fields.
"""

import enum

import pydantic
from pydantic import Field
from typing_extensions import Self

from components.contracts.configuration import configuration
from components.simclr.config import (
    EncoderConfig,
    LossConfig,
    OptimizerConfig,
    ProjectionHeadConfig,
    ScheduleConfig,
    WatchConfig,
)
from components.simclr.policies import CropPolicy, OnlinePolicy


class Precision(str, enum.Enum):
    """Type of the encoder's arithmetic; weights and loss are float32 always."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


@configuration
class PretrainingConfig:
    """How an encoder is trained without labels."""

    encoder: EncoderConfig = Field(EncoderConfig(), description="what is trained and kept")
    projection_head: ProjectionHeadConfig = Field(ProjectionHeadConfig(), description="what is trained and thrown away")
    loss: LossConfig = Field(LossConfig(), description="NT-Xent")
    optimizer: OptimizerConfig = Field(OptimizerConfig(), description="update rule and learning rate")
    schedule: ScheduleConfig = Field(ScheduleConfig(), description="learning rate over time")
    watch: WatchConfig = Field(WatchConfig(), description="when a run that learns nothing is stopped")
    augmentation: OnlinePolicy = Field(OnlinePolicy(), description="what is drawn anew for each view in each epoch")
    crop: CropPolicy | None = Field(
        None, description="random crops drawn in training; required for views.views_per_image 0, null otherwise"
    )

    epochs: int = Field(100, ge=1, le=100000, description="passes over the train split; each image once per pass")
    global_batch_size: int = Field(256, ge=2, le=1048576, description="images per step, over all replicas")
    precision: Precision = Field(Precision.FLOAT32, description="float32, bfloat16 or float16 (with loss scaling)")
    jit_compile: bool = Field(True, description="compile the step with XLA; one replica only")
    deterministic: bool = Field(True, description="deterministic operations; with jit_compile a run repeats exactly")
    seed: int = Field(0, ge=0, lt=2**31, description="of initial weights, order and augmentations")

    checkpoint_every_steps: int = Field(500, ge=1, description="steps between two checkpoints")
    checkpoint_every_minutes: float = Field(10.0, gt=0, description="minutes after which a checkpoint is due anyway")
    batch_norm_batches: int = Field(
        16,
        ge=1,
        le=10000,
        description="batches of train views that BatchNorm statistics are estimated from at the end",
    )

    num_gpus: int = Field(0, ge=0, le=16, description="0 trains on the CPU; fewer visible GPUs than asked is an error")
    input_threads: int = Field(2, ge=1, le=256, description="threads that read and decode views")
    prefetch_batches: int = Field(4, ge=1, le=64, description="batches prepared ahead of the step")
    cache_megabytes: int = Field(512, ge=0, description="views are decoded once and kept when all fit into this")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(
                f"schedule.warmup_epochs ({self.schedule.warmup_epochs:g}) must be shorter than epochs ({self.epochs})"
            )
        if self.jit_compile and self.num_gpus > 1:
            raise ValueError(
                f"jit_compile works on one replica only: set jit_compile: false for num_gpus {self.num_gpus}"
            )
        if self.global_batch_size % self.num_replicas:
            raise ValueError(
                f"global_batch_size ({self.global_batch_size}) must be a multiple of num_gpus ({self.num_gpus})"
            )
        if self.loss.weight_decay and self.optimizer.weight_decay:
            raise ValueError(
                f"weights would decay twice: set loss.weight_decay ({self.loss.weight_decay:g}) or "
                f"optimizer.weight_decay ({self.optimizer.weight_decay:g}) to 0"
            )
        return self

    @property
    def num_replicas(self) -> int:
        """One per GPU, or the CPU."""
        return max(self.num_gpus, 1)

    @property
    def per_replica_batch_size(self) -> int:
        """Images per step on each replica."""
        return self.global_batch_size // self.num_replicas

    @property
    def learning_rate(self) -> float:
        """Peak learning rate after scaling by the global batch."""
        return self.optimizer.scaled_learning_rate(self.global_batch_size)

    def steps_per_epoch(self, num_images: int) -> int:
        """Whole batches in one pass; the incomplete rest is dropped.

        Raises:
            ValueError: fewer images than one batch.
        """
        if num_images < self.global_batch_size:
            raise ValueError(
                f"pretraining.global_batch_size is {self.global_batch_size}, but split train has only {num_images} "
                "images: lower it, or bring more images"
            )
        return num_images // self.global_batch_size
