"""ImageExampleGen: image files in, an Examples artifact with splits train, test and, where needed, unlabeled out."""

from tfx.components.example_gen import component
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import channel, standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter

from components.contracts import artifacts
from components.contracts.code_digest import code_digest
from components.contracts.configuration import to_json
from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.driver import ImageExampleGenDriver
from components.ingestion.executor import Executor


class ImageExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):
    """The file-based ExampleGen's spec and this project's three parameters."""

    PARAMETERS = {
        **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
        artifacts.CONFIG: ExecutionParameter(type=str),
        artifacts.IMAGE_CONFIG: ExecutionParameter(type=str),
        artifacts.CODE_DIGEST: ExecutionParameter(type=str),
    }


class ImageExampleGen(component.FileBasedExampleGen):
    """Reads images, refuses what is none, removes duplicates, splits by pixel digest, and stores the rest in shards.

    Outputs:
        examples: standard ``Examples`` (gzipped TFRecords of tf.Example, see ``contracts.records``), with
            ``artifacts.QUARANTINE_FILE`` and ``artifacts.INGESTION_SUMMARY_FILE`` beside the splits.
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = ImageExampleGenDriver

    def __init__(
        self,
        input_base: str | data_types.RuntimeParameter,
        config: IngestionConfig,
        image_config: ImageConfig,
        range_config: range_config_pb2.RangeConfig | data_types.RuntimeParameter | None = None,
    ):
        """Make the node.

        Args:
            input_base: data root; spans are folders below it where ``config.span_pattern`` says so.
            config: settings of ingestion.
            image_config: colours of the stored images.
            range_config: the span to read, in place of ``config.span``, for instance as a run-time parameter.

        Raises:
            ValueError: ``input_base`` is empty, or spans are asked for in two ways.
        """
        if not input_base:
            raise ValueError("input_base: a folder of images expected, found nothing")
        if range_config is not None and (config.span is not None or not config.span_pattern):
            raise ValueError("range_config: needs ingestion.span_pattern, and ingestion.span must be null")
        if config.span is not None:
            span = range_config_pb2.StaticRange(start_span_number=config.span, end_span_number=config.span)
            range_config = range_config_pb2.RangeConfig(static_range=span)
        # One input split, because the splits of the output follow folders and digests; the pattern is a folder.
        split = example_gen_pb2.Input.Split(name="images", pattern=config.span_pattern.strip("/"))
        spec = ImageExampleGenSpec(
            **{
                standard_component_specs.INPUT_BASE_KEY: input_base,
                standard_component_specs.INPUT_CONFIG_KEY: example_gen_pb2.Input(splits=[split]),
                standard_component_specs.OUTPUT_CONFIG_KEY: example_gen_pb2.Output(),
                standard_component_specs.OUTPUT_DATA_FORMAT_KEY: example_gen_pb2.FORMAT_TF_EXAMPLE,
                standard_component_specs.OUTPUT_FILE_FORMAT_KEY: example_gen_pb2.FORMAT_TFRECORDS_GZIP,
                standard_component_specs.RANGE_CONFIG_KEY: range_config,
                standard_component_specs.EXAMPLES_KEY: channel.Channel(type=standard_artifacts.Examples),
                artifacts.CONFIG: to_json(config),
                artifacts.IMAGE_CONFIG: to_json(image_config),
                artifacts.CODE_DIGEST: code_digest("ingestion"),
            }
        )
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
