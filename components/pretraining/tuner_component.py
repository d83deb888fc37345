"""Tuner: TFX's component with this step's door, parameters and executor."""

from tfx import types
from tfx.components import Tuner as TfxTuner
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter

from components.contracts import artifact_files, configuration, records
from components.contracts.code_digest import code_digest
from components.contracts.images import ImageConfig
from components.pretraining import tuner_executor
from components.pretraining.config import PretrainingConfig
from components.pretraining.tuning_config import TuningConfig


class TunerSpec(standard_component_specs.TunerSpec):
    """TFX's spec and this project's parameters."""

    PARAMETERS = {
        **standard_component_specs.TunerSpec.PARAMETERS,
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.IMAGE_CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
        tuner_executor.PRETRAINING_CONFIG: ExecutionParameter(type=str),
    }


class Tuner(TfxTuner):
    """Views and a transform graph in; the best of some short pretrainings out, and all of them in ``tuning.json``."""

    SPEC_CLASS = TunerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(tuner_executor.Executor)

    def __init__(
        self,
        views: types.BaseChannel,
        transform_graph: types.BaseChannel,
        config: TuningConfig | RuntimeParameter,
        pretraining_config: PretrainingConfig | RuntimeParameter,
        image_config: ImageConfig | RuntimeParameter,
    ):
        """Make the step.

        Args:
            views: ViewGen's view records, splits ``train`` and ``eval``.
            transform_graph: Transform's graph, for the channel moments.
            config: search space and budget.
            pretraining_config: what the search starts from.
            image_config: what the encoder sees.
        """
        results = types.Channel(type=standard_artifacts.TunerResults)
        spec = TunerSpec(
            **{
                standard_component_specs.EXAMPLES_KEY: views,
                standard_component_specs.TRANSFORM_GRAPH_KEY: transform_graph,
                standard_component_specs.TUNER_FN_KEY: tuner_executor.TUNER_FN,
                standard_component_specs.TRAIN_ARGS_KEY: trainer_pb2.TrainArgs(splits=[records.TRAIN]),
                standard_component_specs.EVAL_ARGS_KEY: trainer_pb2.EvalArgs(splits=[records.EVAL]),
                standard_component_specs.BEST_HYPERPARAMETERS_KEY: types.Channel(
                    type=standard_artifacts.HyperParameters
                ),
                standard_component_specs.TUNER_RESULTS_KEY: results,
                artifact_files.CONFIG: configuration.to_parameter(config),
                artifact_files.IMAGE_CONFIG: configuration.to_parameter(image_config),
                artifact_files.CODE_DIGEST: code_digest(tuner_executor.__name__),
                tuner_executor.PRETRAINING_CONFIG: configuration.to_parameter(pretraining_config),
            }
        )
        base_component.BaseComponent.__init__(self, spec=spec)
