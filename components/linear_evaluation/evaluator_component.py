"""Evaluator: TFX's component; the Gate's config decides what it measures."""

from tfx import types
from tfx.components import Evaluator as TfxEvaluator
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter
from tfx.utils import json_utils

from components.contracts import artifact_files, configuration, records
from components.contracts.code_digest import code_digest
from components.linear_evaluation import evaluator_executor
from components.linear_evaluation.config import GateConfig


class EvaluatorSpec(standard_component_specs.EvaluatorSpec):
    """TFX's spec and this project's two parameters."""

    PARAMETERS = {
        **standard_component_specs.EvaluatorSpec.PARAMETERS,
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }


class Evaluator(TfxEvaluator):
    """A model, its baseline and images in; TFMA's metrics on test out, compared with the Gate's thresholds."""

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(evaluator_executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel,
        config: GateConfig | RuntimeParameter,
    ):
        """Declare the step.

        Args:
            examples: image records with split ``test``.
            model: LinearProbe's model.
            baseline_model: the model it is compared with; may resolve to nothing.
            config: the Gate's thresholds.
        """
        spec = EvaluatorSpec(
            **{
                standard_component_specs.EXAMPLES_KEY: examples,
                standard_component_specs.MODEL_KEY: model,
                standard_component_specs.BASELINE_MODEL_KEY: baseline_model,
                standard_component_specs.EXAMPLE_SPLITS_KEY: json_utils.dumps([records.TEST]),
                standard_component_specs.FAIRNESS_INDICATOR_THRESHOLDS_KEY: json_utils.dumps(None),
                standard_component_specs.EVALUATION_KEY: types.Channel(type=standard_artifacts.ModelEvaluation),
                standard_component_specs.BLESSING_KEY: types.Channel(type=standard_artifacts.ModelBlessing),
                artifact_files.CONFIG: configuration.to_parameter(config),
                artifact_files.CODE_DIGEST: code_digest(evaluator_executor.__name__),
            }
        )
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
