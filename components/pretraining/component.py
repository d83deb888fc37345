"""Trainer: TFX's component with this project's ``run_fn``, parameters and executor."""

from tfx import types
from tfx.components import Trainer as TfxTrainer
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter

from components.contracts import artifact_files, configuration, records
from components.contracts.code_digest import code_digest
from components.contracts.images import ImageConfig
from components.pretraining import executor
from components.pretraining.config import PretrainingConfig


class TrainerSpec(standard_component_specs.TrainerSpec):
    """TFX's spec and this project's three parameters."""

    PARAMETERS = {
        **standard_component_specs.TrainerSpec.PARAMETERS,
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.IMAGE_CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }


class Trainer(TfxTrainer):
    """Views and a transform graph in; pretrained encoder out, in ``model``, with ``pretraining.json`` beside it."""

    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        views: types.BaseChannel,
        transform_graph: types.BaseChannel,
        config: PretrainingConfig | RuntimeParameter,
        image_config: ImageConfig | RuntimeParameter,
        hyperparameters: types.BaseChannel | None = None,
    ):
        """Make the step.

        Args:
            views: ViewGen's view records, splits ``train`` and ``eval``.
            transform_graph: Transform's graph, for the channel moments.
            config: settings of this step.
            image_config: what the encoder sees.
            hyperparameters: the Tuner's best ones; they replace those of ``config``.
        """
        tuned = {} if hyperparameters is None else {standard_component_specs.HYPERPARAMETERS_KEY: hyperparameters}
        spec = TrainerSpec(
            **{
                **tuned,
                standard_component_specs.EXAMPLES_KEY: views,
                standard_component_specs.TRANSFORM_GRAPH_KEY: transform_graph,
                standard_component_specs.RUN_FN_KEY: executor.RUN_FN,
                standard_component_specs.TRAIN_ARGS_KEY: trainer_pb2.TrainArgs(splits=[records.TRAIN]),
                standard_component_specs.EVAL_ARGS_KEY: trainer_pb2.EvalArgs(splits=[records.EVAL]),
                standard_component_specs.MODEL_KEY: types.Channel(type=standard_artifacts.Model),
                standard_component_specs.MODEL_RUN_KEY: types.Channel(type=standard_artifacts.ModelRun),
                artifact_files.CONFIG: configuration.to_parameter(config),
                artifact_files.IMAGE_CONFIG: configuration.to_parameter(image_config),
                artifact_files.CODE_DIGEST: code_digest(executor.__name__),
            }
        )
        base_component.BaseComponent.__init__(self, spec=spec)
