"""TrainingWindow: what the step takes and gives."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.contracts import artifact_files
from components.contracts.code_digest import code_digest
from components.window import executor


class TrainingWindowSpec(ComponentSpec):
    """Examples of several spans in, one data set out."""

    PARAMETERS = {artifact_files.CODE_DIGEST: ExecutionParameter(type=str)}
    INPUTS = {executor.EXAMPLES: ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {executor.WINDOW: ChannelParameter(type=standard_artifacts.Examples)}


class TrainingWindow(base_beam_component.BaseBeamComponent):
    """Spans as one data set in which every image is there once, and in test if any span has it there.

    Output ``window`` has the format of ImageExampleGen's Examples, so that all later steps see the same images. Files
    that keep all their records become hard links if the file system has them, else copies.
    """

    SPEC_CLASS = TrainingWindowSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(self, examples: types.BaseChannel):
        """Make the step.

        Args:
            examples: image records, one artifact per span, in any order.
        """
        spec = TrainingWindowSpec(
            **{
                executor.EXAMPLES: examples,
                executor.WINDOW: types.Channel(type=standard_artifacts.Examples),
                artifact_files.CODE_DIGEST: code_digest(executor.__name__),
            }
        )
        super().__init__(spec=spec)
