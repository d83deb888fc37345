"""Runs an ingestion for TFX: parameters in, an Examples artifact with its properties out."""

import logging
from typing import Any

from tfx import types
from tfx.components.example_gen import utils
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.contracts import artifact_files, artifacts
from components.contracts.configuration import digest, from_json, to_mapping
from components.contracts.images import ImageConfig
from components.contracts.ingestion_record import IngestionSummary
from components.ingestion.config import NOT_OF_A_SERIES, IngestionConfig
from components.ingestion.decoding.white_level import WHITE_OF_16_BITS
from components.ingestion.ingest import ingest
from components.ingestion.reading import listing

_logger = logging.getLogger(__name__)
_FILE_FORMAT = "tfrecords_gzip"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Executor of ImageExampleGen."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See ``ingest.ingest``; ``exec_properties`` come from ``ImageExampleGenDriver``.

        Raises:
            SourceError, IngestionError: as ``ingest.ingest``.
        """
        del input_dict
        config = from_json(IngestionConfig, exec_properties[artifact_files.CONFIG], artifact_files.CONFIG)
        image_config = from_json(ImageConfig, exec_properties[artifact_files.IMAGE_CONFIG], artifact_files.IMAGE_CONFIG)
        examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        root = _data_root(exec_properties)
        _logger.info("ingestion of %s (config %s)", root, digest(config)[:12])
        summary = ingest(root, examples.uri, config, image_config, self._make_beam_pipeline)
        _describe(examples, summary)
        artifacts.set_data_span(examples, exec_properties[utils.SPAN_PROPERTY_NAME] if config.span_pattern else None)
        series = _series(exec_properties[standard_component_specs.INPUT_BASE_KEY], config, image_config)
        if summary.white_level not in (None, WHITE_OF_16_BITS):  # images of another white level look different
            series["white_level_found"] = summary.white_level
        examples.set_string_custom_property(artifact_files.SERIES_DIGEST, digest(series))
        _logger.info(
            "ingestion finished: %s in %.1f s, written to %s",
            ", ".join(f"{number} {split}" for split, number in summary.records.items()),
            summary.seconds,
            examples.uri,
        )


def _data_root(exec_properties: dict[str, Any]) -> str:
    input_config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config)
    [split] = input_config.splits
    return listing.join(exec_properties[standard_component_specs.INPUT_BASE_KEY], split.pattern)


def _series(input_base: str, config: IngestionConfig, image_config: ImageConfig) -> dict[str, Any]:
    """What spans must share to be used together: data root, and every setting that decides what a record holds."""
    settings = {name: value for name, value in to_mapping(config).items() if name not in NOT_OF_A_SERIES}
    return {**settings, "data_root": input_base.rstrip("/"), "color": image_config.color}


def _describe(examples: types.Artifact, summary: IngestionSummary) -> None:
    """Set split names, formats, digest and counts as properties of the artifact."""
    examples.split_names = artifact_utils.encode_split_names(list(summary.records))
    examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, _FILE_FORMAT)
    examples.set_string_custom_property(artifact_files.CONTENT_DIGEST, summary.content_digest)
    examples.set_float_custom_property(artifact_files.SECONDS, summary.seconds)
    for split, number in summary.records.items():
        artifacts.set_record_count(examples, split, number)
        examples.set_int_custom_property(f"bytes_{split}", summary.record_bytes[split])
    for reason, number in summary.refused.items():
        examples.set_int_custom_property(f"refused_{reason}", number)
