"""Pusher: TFX's component with this project's parameters and executor, which pushes into the registry."""

from tfx import types
from tfx.components import Pusher as TfxPusher
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.contracts import artifact_files, artifacts, configuration
from components.contracts.code_digest import code_digest
from components.contracts.images import ImageConfig
from components.export import executor
from components.export.config import ExportConfig
from components.ingestion.config import IngestionConfig


class PusherSpec(standard_component_specs.PusherSpec):
    """TFX's spec, this project's parameters, and the evidence that goes with a version."""

    PARAMETERS = {
        **standard_component_specs.PusherSpec.PARAMETERS,
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.IMAGE_CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
        executor.INGESTION_CONFIG: ExecutionParameter(type=str),
        artifact_files.PIPELINE_CONFIG: ExecutionParameter(type=str),
        executor.REGISTRY: ExecutionParameter(type=str),
    }
    INPUTS = {
        **standard_component_specs.PusherSpec.INPUTS,
        executor.EXAMPLES: ChannelParameter(type=standard_artifacts.Examples),
        executor.PRETRAINED_MODEL: ChannelParameter(type=standard_artifacts.Model),
        executor.PROBE_REPORT: ChannelParameter(type=artifacts.ProbeReport),
    }


class Pusher(TfxPusher):
    """The evaluated model and its blessing in, a version of the registry out."""

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        examples: types.BaseChannel,
        pretrained_model: types.BaseChannel,
        probe_report: types.BaseChannel,
        registry: str | RuntimeParameter,
        config: ExportConfig | RuntimeParameter,
        ingestion_config: IngestionConfig | RuntimeParameter,
        image_config: ImageConfig | RuntimeParameter,
        pipeline_config: str | RuntimeParameter,
    ):
        """Make the step.

        Args:
            model: channel of the model that was evaluated.
            model_blessing: channel of the Gate's verdict on it.
            examples: channel of the images it was made from.
            pretrained_model: channel of the Trainer's model.
            probe_report: channel of what linear evaluation found.
            registry: folder of the registry.
            config: settings of this step.
            ingestion_config: how image files were decoded; consumers decode theirs the same way.
            image_config: what the encoder sees.
            pipeline_config: canonical JSON of all settings, which go with the version.
        """
        spec = PusherSpec(
            **{
                standard_component_specs.MODEL_KEY: model,
                standard_component_specs.MODEL_BLESSING_KEY: model_blessing,
                executor.EXAMPLES: examples,
                executor.PRETRAINED_MODEL: pretrained_model,
                executor.PROBE_REPORT: probe_report,
                standard_component_specs.PUSHED_MODEL_KEY: types.Channel(type=standard_artifacts.PushedModel),
                artifact_files.CONFIG: configuration.to_parameter(config),
                artifact_files.IMAGE_CONFIG: configuration.to_parameter(image_config),
                artifact_files.CODE_DIGEST: code_digest(executor.__name__),
                executor.INGESTION_CONFIG: configuration.to_parameter(ingestion_config),
                artifact_files.PIPELINE_CONFIG: pipeline_config,
                executor.REGISTRY: registry,
            }
        )
        base_component.BaseComponent.__init__(self, spec=spec)
