"""LinearProbe measures an encoder and gives it a linear head; Gate judges the result."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.contracts import artifact_files, artifacts, configuration
from components.contracts.code_digest import code_digest
from components.contracts.images import ImageConfig
from components.linear_evaluation import executor, gate_executor
from components.linear_evaluation.config import GateConfig, LinearEvaluationConfig


class LinearProbeSpec(ComponentSpec):
    """Features, and the images, encoder and transform graph they were made from, in; SavedModel and numbers out."""

    PARAMETERS = {
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.IMAGE_CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }
    INPUTS = {
        executor.EXAMPLES: ChannelParameter(type=standard_artifacts.Examples),
        executor.ENCODER: ChannelParameter(type=standard_artifacts.Model),
        executor.TRANSFORM_GRAPH: ChannelParameter(type=standard_artifacts.TransformGraph),
        executor.FEATURES: ChannelParameter(type=artifacts.Features),
    }
    OUTPUTS = {
        executor.MODEL: ChannelParameter(type=standard_artifacts.Model),
        executor.PROBE_REPORT: ChannelParameter(type=artifacts.ProbeReport),
    }


class LinearProbe(base_component.BaseComponent):
    """Fits a linear classifier on frozen features, measures it, and exports encoder and classifier as one SavedModel.

    Outputs ``model`` (SavedModel with the signatures of ``contracts.signatures``) and ``probe_report``
    (``contracts.evidence``).
    """

    SPEC_CLASS = LinearProbeSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        encoder: types.BaseChannel,
        transform_graph: types.BaseChannel,
        features: types.BaseChannel,
        config: LinearEvaluationConfig | RuntimeParameter,
        image_config: ImageConfig | RuntimeParameter,
    ):
        """Declare the step.

        Args:
            examples: image records with splits ``train`` and ``test``.
            encoder: the Trainer's model.
            transform_graph: Transform's graph.
            features: FeatureExtractor's, of ``examples`` and ``encoder``.
            config: the protocol.
            image_config: size and colour of the encoder's input.
        """
        spec = LinearProbeSpec(
            **{
                artifact_files.CONFIG: configuration.to_parameter(config),
                artifact_files.IMAGE_CONFIG: configuration.to_parameter(image_config),
                artifact_files.CODE_DIGEST: code_digest(executor.__name__),
                executor.EXAMPLES: examples,
                executor.ENCODER: encoder,
                executor.TRANSFORM_GRAPH: transform_graph,
                executor.FEATURES: features,
                executor.MODEL: types.Channel(type=standard_artifacts.Model),
                executor.PROBE_REPORT: types.Channel(type=artifacts.ProbeReport),
            }
        )
        super().__init__(spec=spec)


class GateSpec(ComponentSpec):
    """Evidence in, blessing out."""

    PARAMETERS = {
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }
    INPUTS = {
        gate_executor.EVALUATION: ChannelParameter(type=standard_artifacts.ModelEvaluation),
        gate_executor.PROBE_REPORT: ChannelParameter(type=artifacts.ProbeReport),
        gate_executor.MODEL: ChannelParameter(type=standard_artifacts.Model),
        # In the first run, the Resolver finds nothing.
        gate_executor.BASELINE_MODEL: ChannelParameter(type=standard_artifacts.Model, optional=True),
        gate_executor.MODEL_BLESSING: ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
        gate_executor.EARLIER_BLESSINGS: ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
    }
    OUTPUTS = {gate_executor.BLESSING: ChannelParameter(type=standard_artifacts.ModelBlessing)}


class Gate(base_component.BaseComponent):
    """Gives the one verdict on a model; the only producer of the blessing that Pusher and Resolver read."""

    SPEC_CLASS = GateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(gate_executor.Executor)

    def __init__(
        self,
        evaluation: types.BaseChannel,
        probe_report: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        earlier_blessings: types.BaseChannel,
        config: GateConfig | RuntimeParameter,
    ):
        """Declare the step.

        Args:
            evaluation: the Evaluator's result for ``model`` and ``baseline_model``.
            probe_report: LinearProbe's numbers for ``model``.
            model: LinearProbe's model.
            baseline_model: ``model`` of ``BlessedBaseline``; may resolve to nothing.
            model_blessing: ``model_blessing`` of ``BlessedBaseline``; may resolve to nothing.
            earlier_blessings: ``earlier_blessings`` of ``BlessedBaseline``; may resolve to nothing.
            config: the thresholds.
        """
        spec = GateSpec(
            **{
                artifact_files.CONFIG: configuration.to_parameter(config),
                artifact_files.CODE_DIGEST: code_digest(gate_executor.__name__),
                gate_executor.EVALUATION: evaluation,
                gate_executor.PROBE_REPORT: probe_report,
                gate_executor.MODEL: model,
                gate_executor.BASELINE_MODEL: baseline_model,
                gate_executor.MODEL_BLESSING: model_blessing,
                gate_executor.EARLIER_BLESSINGS: earlier_blessings,
                gate_executor.BLESSING: types.Channel(type=standard_artifacts.ModelBlessing),
            }
        )
        super().__init__(spec=spec)
