"""Settings of the trained baselines. Label fractions, draws and intervals are settings of linear evaluation."""

import enum

import pydantic
from pydantic import Field
from typing_extensions import Self

from components.contracts.configuration import configuration
from components.simclr.config import OptimizerConfig


class Baseline(str, enum.Enum):
    """How a classifier is trained. All use the architecture that was pretrained; each is one of ``ClassifierKind``."""

    FROM_SCRATCH = "from_scratch"  # random weights, all of which are trained
    FROZEN = "frozen"  # pretrained weights; only the classifier on top is trained
    LAST_BLOCK = "last_block"  # pretrained weights; classifier and last block are trained
    ALL_LAYERS = "all_layers"  # pretrained weights, all of which are trained


@configuration
class BaselinesConfig:
    """How classifiers are trained for comparison. They use the train split for every choice and predict test once."""

    enabled: bool = Field(
        default=False, description="whether the graph has this expensive step; a compiled graph keeps its value"
    )
    methods: tuple[Baseline, ...] = Field(
        default=tuple(Baseline), min_length=1, description="any of from_scratch, frozen, last_block, all_layers"
    )
    optimizer: OptimizerConfig = Field(default=OptimizerConfig(learning_rate=0.001), description="update rule")
    learning_rate_factors: tuple[float, ...] = Field(
        default=(1.0, 0.1, 10.0),
        min_length=1,
        description="factors on the optimizer's learning rate to try; without held-out images, the first one is used",
    )
    batch_size: int = Field(
        default=64, ge=2, le=65536, description="images per step over all replicas, with two views of each"
    )
    max_image_passes: int | None = Field(
        default=None,
        ge=1,
        description="largest number of images that one training may see; null: as many as pretraining saw",
    )
    warmup_fraction: float = Field(
        default=0.05, ge=0, lt=1, description="part of the steps in which the learning rate rises"
    )
    checks: int = Field(default=30, ge=1, le=1000, description="evaluations on the held-out images during a training")
    patience_checks: int = Field(
        default=6, ge=1, description="evaluations without improvement after which a training stops"
    )
    max_held_out_parts: int = Field(
        default=3,
        ge=1,
        le=10,
        description="how many of the held-out parts of linear evaluation are used in turn",
    )
    max_label_draws: int = Field(
        default=5, ge=1, le=100, description="how many of the label draws of linear evaluation are used"
    )
    num_gpus: int = Field(
        default=0, ge=0, le=16, description="GPUs to train on; 0: the CPU; fewer visible GPUs are an error"
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of initial weights, order and augmentations")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("methods", "learning_rate_factors"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: each value once expected, found {list(values)}")
        if min(self.learning_rate_factors) <= 0:
            raise ValueError(f"learning_rate_factors: positive values expected, found {self.learning_rate_factors}")
        if self.batch_size % self.num_replicas:
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of num_gpus ({self.num_gpus})")
        return self

    @property
    def num_replicas(self) -> int:
        """Number of replicas: one per GPU, or one on the CPU."""
        return max(self.num_gpus, 1)

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """The peak learning rates to try."""
        rate = self.optimizer.scaled_learning_rate(self.batch_size)
        return tuple(rate * factor for factor in self.learning_rate_factors)
