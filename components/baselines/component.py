"""Baselines: how accurate classifiers are without pretraining, or with more than a linear probe."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.augmentation.config import ViewsConfig
from components.baselines import executor
from components.baselines.config import BaselinesConfig
from components.contracts import artifact_files, artifacts, configuration
from components.contracts.code_digest import code_digest
from components.contracts.images import ImageConfig
from components.linear_evaluation.config import LinearEvaluationConfig


class BaselinesSpec(ComponentSpec):
    """Labelled images, pretrained encoder and the probe's evidence in; numbers out."""

    PARAMETERS = {
        artifact_files.CONFIG: ExecutionParameter(type=str),
        executor.LINEAR_EVALUATION_CONFIG: ExecutionParameter(type=str),
        executor.VIEWS_CONFIG: ExecutionParameter(type=str),
        artifact_files.IMAGE_CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }
    INPUTS = {
        executor.EXAMPLES: ChannelParameter(type=standard_artifacts.Examples),
        executor.ENCODER: ChannelParameter(type=standard_artifacts.Model),
        executor.TRANSFORM_GRAPH: ChannelParameter(type=standard_artifacts.TransformGraph),
        executor.PROBE_REPORT: ChannelParameter(type=artifacts.ProbeReport),
    }
    OUTPUTS = {executor.BASELINES: ChannelParameter(type=artifacts.BaselineReport)}


class Baselines(base_component.BaseComponent):
    """Trains classifiers from scratch and from the pretrained encoder and measures them as the probe was measured."""

    SPEC_CLASS = BaselinesSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        encoder: types.BaseChannel,
        transform_graph: types.BaseChannel,
        probe_report: types.BaseChannel,
        config: BaselinesConfig | RuntimeParameter,
        linear_evaluation_config: LinearEvaluationConfig | RuntimeParameter,
        views_config: ViewsConfig | RuntimeParameter,
        image_config: ImageConfig | RuntimeParameter,
    ):
        """Declare the step.

        Args:
            examples: image records with splits ``train`` and ``test``.
            encoder: the Trainer's model.
            transform_graph: Transform's graph, for the channel moments.
            probe_report: LinearProbe's report on ``encoder``.
            config: how the classifiers are trained.
            linear_evaluation_config: label fractions, draws, held-out parts and intervals.
            views_config: the crops that pretraining used, if they were stored.
            image_config: size and colour of the encoder's input.
        """
        spec = BaselinesSpec(
            **{
                artifact_files.CONFIG: configuration.to_parameter(config),
                executor.LINEAR_EVALUATION_CONFIG: configuration.to_parameter(linear_evaluation_config),
                executor.VIEWS_CONFIG: configuration.to_parameter(views_config),
                artifact_files.IMAGE_CONFIG: configuration.to_parameter(image_config),
                artifact_files.CODE_DIGEST: code_digest(executor.__name__),
                executor.EXAMPLES: examples,
                executor.ENCODER: encoder,
                executor.TRANSFORM_GRAPH: transform_graph,
                executor.PROBE_REPORT: probe_report,
                executor.BASELINES: types.Channel(type=artifacts.BaselineReport),
            }
        )
        super().__init__(spec=spec)
