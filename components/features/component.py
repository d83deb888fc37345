"""FeatureExtractor: labelled images go in, the representations that frozen encoders give them come out."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.contracts import artifact_files, artifacts, configuration
from components.contracts.code_digest import code_digest
from components.features import executor
from components.features.config import FeaturesConfig


class FeatureExtractorSpec(ComponentSpec):
    """Labelled images, encoder and transform graph in; features out."""

    PARAMETERS = {
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }
    INPUTS = {
        executor.EXAMPLES: ChannelParameter(type=standard_artifacts.Examples),
        executor.ENCODER: ChannelParameter(type=standard_artifacts.Model),
        executor.TRANSFORM_GRAPH: ChannelParameter(type=standard_artifacts.TransformGraph),
    }
    OUTPUTS = {executor.FEATURES: ChannelParameter(type=artifacts.Features)}


class FeatureExtractor(base_component.BaseComponent):
    """Puts every labelled image through the frozen encoders; a change of the probe's settings does not repeat it.

    Output ``features`` (``contracts.features_record``).
    """

    SPEC_CLASS = FeatureExtractorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        encoder: types.BaseChannel,
        transform_graph: types.BaseChannel,
        config: FeaturesConfig | RuntimeParameter,
    ):
        """Declare the step.

        Args:
            examples: image records with splits ``train`` and ``test``.
            encoder: the Trainer's model.
            transform_graph: Transform's graph, which prepares images for the encoder.
            config: which features to extract.
        """
        spec = FeatureExtractorSpec(
            **{
                artifact_files.CONFIG: configuration.to_parameter(config),
                artifact_files.CODE_DIGEST: code_digest(executor.__name__),
                executor.EXAMPLES: examples,
                executor.ENCODER: encoder,
                executor.TRANSFORM_GRAPH: transform_graph,
                executor.FEATURES: types.Channel(type=artifacts.Features),
            }
        )
        super().__init__(spec=spec)
