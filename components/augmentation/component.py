"""ViewGen: what the step takes and gives."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.augmentation import executor
from components.augmentation.config import ViewsConfig
from components.contracts import artifact_files, configuration
from components.contracts.code_digest import code_digest
from components.contracts.images import ImageConfig


class ViewGenSpec(ComponentSpec):
    """Image records in, view records out."""

    PARAMETERS = {
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.IMAGE_CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }
    INPUTS = {executor.EXAMPLES: ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {executor.VIEWS_OUTPUT: ChannelParameter(type=standard_artifacts.Examples)}


class ViewGen(base_beam_component.BaseBeamComponent):
    """Random crops of each train image, prepared once on CPU workers, and a held-out part of train for watching.

    Output ``views`` has split ``train`` (train and unlabeled images, no labels) and split ``eval`` (labelled, not
    augmented), each in uncompressed TFRecord shards.
    """

    SPEC_CLASS = ViewGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        config: ViewsConfig | RuntimeParameter,
        image_config: ImageConfig | RuntimeParameter,
    ):
        """Make the step.

        Args:
            examples: channel of image records; several artifacts are joined.
            config: settings of this step.
            image_config: size and colour of the views.
        """
        spec = ViewGenSpec(
            **{
                executor.EXAMPLES: examples,
                executor.VIEWS_OUTPUT: types.Channel(type=standard_artifacts.Examples),
                artifact_files.CONFIG: configuration.to_parameter(config),
                artifact_files.IMAGE_CONFIG: configuration.to_parameter(image_config),
                artifact_files.CODE_DIGEST: code_digest(executor.__name__),
            }
        )
        super().__init__(spec=spec)
