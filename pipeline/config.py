"""All settings: loaded from YAML, overridden, checked against each other, frozen.

A YAML file holds only what differs from the defaults in the steps' dataclasses; ``--set`` overrides single values.
"""

import dataclasses
import enum
import json
from collections.abc import Iterator
from typing import Any

import pydantic
from pydantic import Field
from typing_extensions import Self

from components.augmentation.config import ViewsConfig
from components.baselines.config import BaselinesConfig
from components.contracts import configuration
from components.contracts.images import ImageConfig
from components.export.config import ExportConfig
from components.features.config import FeaturesConfig
from components.ingestion.config import IngestionConfig
from components.linear_evaluation.config import GateConfig, LinearEvaluationConfig, PretrainingGain
from components.pretraining import hyperparameters
from components.pretraining.config import PretrainingConfig
from components.pretraining.tuning_config import TuningConfig
from components.report.config import ReportConfig
from components.simclr.config import IMAGENET
from components.validation.config import ValidationConfig
from pipeline import config_files, yaml_files


class BundledData(str, enum.Enum):
    """Data that comes with the installed packages; a run writes it to files."""

    DIGITS = "digits"


@configuration.configuration
class BeamConfig:
    """How the steps run their Beam pipelines."""

    pipeline_args: tuple[str, ...] = Field(
        # Beam's default local runner would first download and build Prism. Workers inside the process need no image,
        # but unless one is named, TFX packs itself for remote workers in every step and changes the working directory
        # of the process to do so.
        default=("--runner=FnApiRunner", "--sdk_container_image=in-process"),
        min_length=1,
        description="Beam options of all steps; part of the cache key, so nothing that changes from run to run",
    )

    @pydantic.field_validator("pipeline_args")
    @classmethod
    def _check_runner(cls, args: tuple[str, ...]) -> tuple[str, ...]:
        if not any(arg.startswith("--runner") for arg in args):
            raise ValueError(f"name a runner, such as --runner=FnApiRunner, found {list(args)}")
        return args


@configuration.configuration
class PipelineConfig:
    """All settings. Places and identities are arguments of the commands."""

    pipeline_name: str = Field(
        default="simclr",
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="name in ML Metadata and on Kubeflow",
    )
    bundled_data: BundledData | None = Field(
        default=None,
        description="data for runs without --data, written into the work directory; null: a run must name its data",
    )
    training_spans: int = Field(
        default=1,
        ge=1,
        le=255,
        description="spans to train on: the new one and those before it; built into the compiled graph",
    )
    image: ImageConfig = Field(default=ImageConfig(), description="what the encoder sees")
    ingestion: IngestionConfig = Field(default=IngestionConfig(), description="image files to split, stored records")
    validation: ValidationConfig = Field(default=ValidationConfig(), description="how far spans may drift apart")
    views: ViewsConfig = Field(default=ViewsConfig(), description="random crops prepared in Beam")
    pretraining: PretrainingConfig = Field(default=PretrainingConfig(), description="SimCLR")
    tuning: TuningConfig = Field(
        default=TuningConfig(), description="short pretrainings that choose settings of the long one"
    )
    features: FeaturesConfig = Field(default=FeaturesConfig(), description="what the probe measures")
    linear_evaluation: LinearEvaluationConfig = Field(default=LinearEvaluationConfig(), description="the probe")
    baselines: BaselinesConfig = Field(
        default=BaselinesConfig(), description="what pretraining is compared with, on demand"
    )
    gate: GateConfig = Field(default=GateConfig(), description="what is good enough")
    export: ExportConfig = Field(default=ExportConfig(), description="the registry")
    report: ReportConfig = Field(default=ReportConfig(), description="the page about a run")
    beam: BeamConfig = Field(default=BeamConfig(), description="Beam")

    @pydantic.model_validator(mode="after")
    def _check_across_rooms(self) -> Self:
        if (self.views.views_per_image == 0) != (self.pretraining.crop is not None):
            raise ValueError(
                f"views.views_per_image ({self.views.views_per_image}) and pretraining.crop "
                f"({'set' if self.pretraining.crop else 'null'}) contradict each other: crops are drawn in training "
                "(crop set, views_per_image 0) or prepared in Beam (crop null, views_per_image 2 or more)"
            )
        if self.ingestion.stored_short_side_px < self.image.size_px:
            raise ValueError(
                f"ingestion.stored_short_side_px ({self.ingestion.stored_short_side_px}) is less than image.size_px "
                f"({self.image.size_px}): images would be shrunk and enlarged again"
            )
        if self.training_spans > 1 and not self.ingestion.span_pattern:
            raise ValueError(
                f"training_spans ({self.training_spans}) needs ingestion.span_pattern: without it the data is one span"
            )
        if self.pretraining.encoder.initial_weights == IMAGENET and self.image.channels != 3:
            raise ValueError("pretraining.encoder.initial_weights: imagenet needs image.color: rgb")
        if self.tuning.enabled:
            hyperparameters.check(self.tuning, self.pretraining)
        for key in ("random_encoder", "raw_pixels"):
            if self.gate.pretraining_gain is PretrainingGain.REQUIRED and not getattr(self.features, key):
                raise ValueError(f"gate.pretraining_gain: required needs features.{key}: true")
        return self


def named_configs() -> list[str]:
    """Names that ``load`` accepts instead of paths."""
    return config_files.names()


def load(name_or_path: str, overrides: tuple[str, ...] = ()) -> PipelineConfig:
    """Read a config.

    Args:
        name_or_path: a name in ``configs/``, or the path of a YAML file.
        overrides: ``dotted.key=value``, the value in YAML.

    Raises:
        ConfigError: no such file, no YAML, an unknown key, a wrong type, a value out of range, or settings that
            contradict each other; the message names the file and the dotted key.
    """
    settings = config_files.read(name_or_path, overrides)
    return configuration.from_mapping(PipelineConfig, settings.values, settings.source_of)


def keys_like(name: str) -> list[str]:
    """Dotted keys of settings that are called ``name`` or something similar, the likeliest first."""
    return configuration.keys_like(PipelineConfig, name)


def to_yaml(config: PipelineConfig) -> str:
    """The config with every default written out; ``load`` of this text gives the same config."""
    return yaml_files.dump(configuration.to_mapping(config))


def json_schema() -> dict[str, Any]:
    """JSON Schema of a config file, from which editors complete keys and check values."""
    schema = pydantic.TypeAdapter(PipelineConfig).json_schema()
    extends = {
        "type": "string",
        "description": "name or path of the config whose settings this file changes",
        "examples": named_configs(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "simclr-pipeline config",
        "properties": {config_files.EXTENDS: extends, **schema["properties"]},
    }


def describe(config: PipelineConfig) -> list[tuple[str, str, str]]:
    """Every setting as (dotted key, value in ``config``, description), in the order of the fields."""
    return list(_describe(config, ""))


def _describe(group: Any, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in type(group).__pydantic_fields__.items():
        value = getattr(group, name)
        if dataclasses.is_dataclass(value):
            yield from _describe(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.dumps(configuration.to_mapping(value)), field.description or ""
