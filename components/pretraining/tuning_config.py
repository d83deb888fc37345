"""Settings of the Tuner: how many short trainings it may spend, and how far from the config's own values it looks."""

import enum
from typing import Annotated

import pydantic
from pydantic import Field
from typing_extensions import Self

from components.contracts.configuration import configuration

TEMPERATURE, AUGMENTATION_STRENGTH, LEARNING_RATE = "temperature", "augmentation_strength", "learning_rate"
HEAD_WIDTH, BATCH_SIZE = "head_width", "batch_size"
RANGES = (TEMPERATURE, AUGMENTATION_STRENGTH, LEARNING_RATE)
CHOICES = (HEAD_WIDTH, BATCH_SIZE)

Factor = Annotated[float, Field(gt=0, le=1000)]


class Oracle(str, enum.Enum):
    """Who proposes the next trial."""

    RANDOM = "random"
    BAYESIAN = "bayesian"


@configuration
class TuningConfig:
    """What is tried before the Trainer trains.

    The search space lies around the values in ``pretraining``, and is given in multiples of them; the first trial has
    these values themselves. Whatever is null stays as it is.
    """

    enabled: bool = Field(default=False, description="whether the graph has a Tuner; built into the compiled graph")
    oracle: Oracle = Field(
        default=Oracle.RANDOM,
        description="random, or bayesian: a Gaussian process over the trials so far proposes the next",
    )
    max_trials: int = Field(
        default=12, ge=1, le=10000, description="trials in all, the first with the config's own values"
    )
    epochs: int = Field(
        default=20, ge=1, le=100000, description="length of a trial's training; warm-up is shortened alike"
    )
    executions: int = Field(
        default=1,
        ge=1,
        le=100,
        description="trainings per trial, with consecutive seeds; the mean of their accuracies counts",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="of the proposals")

    temperature: tuple[Factor, Factor] | None = Field(
        default=(0.5, 2.0), description="lowest and highest, times loss.temperature; null: not tuned"
    )
    augmentation_strength: tuple[Factor, Factor] | None = Field(
        default=(0.5, 1.5),
        description="how far every operation of augmentation reaches, times what it is; null: not tuned",
    )
    head_width: tuple[Factor, ...] | None = Field(
        default=(0.5, 1.0, 2.0), description="choices, times projection_head.hidden_width; null: not tuned"
    )
    batch_size: tuple[Factor, ...] | None = Field(
        default=(0.5, 1.0, 2.0), description="choices, times global_batch_size; null: not tuned"
    )
    learning_rate: tuple[Factor, Factor] | None = Field(
        default=(0.3, 3.0), description="lowest and highest, times optimizer.learning_rate; null: not tuned"
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        for name in RANGES:
            factors = getattr(self, name)
            if factors and not (factors[0] <= 1 <= factors[1] and factors[0] < factors[1]):
                raise ValueError(f"{name} must reach from at most 1 to at least 1, found {list(factors)}")
        for name in CHOICES:
            factors = getattr(self, name)
            if factors is not None and (1 not in factors or len(set(factors)) < 2):
                raise ValueError(f"{name} must hold 1, the config's own value, and others, found {list(factors)}")
        return self
