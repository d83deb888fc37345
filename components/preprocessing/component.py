"""Transform: TFX's component with this project's module, parameters and executor."""

from tfx import types
from tfx.components import Transform as TfxTransform
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter

from components.contracts import artifact_files, configuration
from components.contracts.code_digest import code_digest
from components.contracts.images import ImageConfig
from components.preprocessing import executor


class TransformSpec(standard_component_specs.TransformSpec):
    """TFX's spec and this project's two parameters."""

    PARAMETERS = {
        **standard_component_specs.TransformSpec.PARAMETERS,
        artifact_files.IMAGE_CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }


class Transform(TfxTransform):
    """Image records and a schema in, transform graph out; nothing is materialised.

    The features of the graph's output are ``PIXELS``, ``CHANNEL_MEAN``, ``CHANNEL_STD`` and ``LABEL_INDEX`` of
    ``contracts.records``.
    """

    SPEC_CLASS = TransformSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self, examples: types.BaseChannel, schema: types.BaseChannel, image_config: ImageConfig | RuntimeParameter
    ):
        spec = TransformSpec(
            **{
                standard_component_specs.EXAMPLES_KEY: examples,
                standard_component_specs.SCHEMA_KEY: schema,
                standard_component_specs.PREPROCESSING_FN_KEY: executor.PREPROCESSING_FN,
                standard_component_specs.FORCE_TF_COMPAT_V1_KEY: 0,
                standard_component_specs.DISABLE_STATISTICS_KEY: 1,
                standard_component_specs.TRANSFORM_GRAPH_KEY: types.Channel(type=standard_artifacts.TransformGraph),
                artifact_files.IMAGE_CONFIG: configuration.to_parameter(image_config),
                artifact_files.CODE_DIGEST: code_digest(executor.__name__),
            }
        )
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
