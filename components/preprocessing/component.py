"""Transform: TFX's component with this room's module and executor."""

from tfx import types
from tfx.components import Transform as TfxTransform
from tfx.dsl.components.base import executor_spec

from components.contracts import artifacts, configuration
from components.contracts.code_digest import code_digest
from components.contracts.images import ImageConfig
from components.preprocessing import executor


class Transform(TfxTransform):
    """Image records and a schema in, transform graph out; nothing is materialised.

    The features of the graph's output are ``PIXELS``, ``CHANNEL_MEAN``, ``CHANNEL_STD`` and ``LABEL_INDEX`` of
    ``contracts.records``.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(self, examples: types.BaseChannel, schema: types.BaseChannel, image_config: ImageConfig):
        super().__init__(
            examples=examples,
            schema=schema,
            preprocessing_fn="components.preprocessing.transform_module.preprocessing_fn",
            materialize=False,
            disable_analyzer_cache=True,
            disable_statistics=True,
            custom_config={
                artifacts.IMAGE_CONFIG: configuration.to_json(image_config),
                artifacts.CODE_DIGEST: code_digest("preprocessing"),
            },
        )
