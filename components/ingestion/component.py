"""ImageExampleGen: image files in, an Examples artifact with splits train, test and, where needed, unlabeled out."""

from tfx.components.example_gen import component
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import example_gen_pb2
from tfx.types import channel, standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter

from components.contracts import artifact_files
from components.contracts.code_digest import code_digest
from components.contracts.configuration import to_parameter
from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.driver import ImageExampleGenDriver
from components.ingestion.executor import Executor


class ImageExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):
    """The file-based ExampleGen's spec and this project's three parameters."""

    PARAMETERS = {
        **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.IMAGE_CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }


class ImageExampleGen(component.FileBasedExampleGen):
    """Reads images, refuses other files, removes duplicates, splits by pixel digest, and stores the rest in shards.

    Outputs:
        examples: standard ``Examples`` (gzipped TFRecords of tf.Example, see ``contracts.records``), with
            ``artifact_files.QUARANTINE_FILE`` and ``artifact_files.INGESTION_SUMMARY_FILE`` beside the splits.
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = ImageExampleGenDriver

    def __init__(
        self,
        input_base: str | RuntimeParameter,
        config: IngestionConfig | RuntimeParameter,
        image_config: ImageConfig | RuntimeParameter,
    ):
        """Make the node.

        Args:
            input_base: data root; spans are folders below it where ``config.span_pattern`` says so.
            config: settings of ingestion, among them the span to read.
            image_config: colours of the stored images.

        Raises:
            ValueError: ``input_base`` is empty.
        """
        if not input_base:
            raise ValueError("input_base: a folder of images expected, found nothing")
        spec = ImageExampleGenSpec(
            **{
                standard_component_specs.INPUT_BASE_KEY: input_base,
                standard_component_specs.INPUT_CONFIG_KEY: example_gen_pb2.Input(),  # the driver fills it in
                standard_component_specs.OUTPUT_CONFIG_KEY: example_gen_pb2.Output(),
                standard_component_specs.OUTPUT_DATA_FORMAT_KEY: example_gen_pb2.FORMAT_TF_EXAMPLE,
                standard_component_specs.OUTPUT_FILE_FORMAT_KEY: example_gen_pb2.FORMAT_TFRECORDS_GZIP,
                standard_component_specs.EXAMPLES_KEY: channel.Channel(type=standard_artifacts.Examples),
                artifact_files.CONFIG: to_parameter(config),
                artifact_files.IMAGE_CONFIG: to_parameter(image_config),
                artifact_files.CODE_DIGEST: code_digest(Executor.__module__),
            }
        )
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
