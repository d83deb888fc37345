"""Decides, before anything runs, which span is read and whether its files changed since the last run.

TFX's own driver looks only at the top folder and at modification times in whole seconds; this one takes the
fingerprint of every file that the source reads.
"""

from collections.abc import Iterable
from typing import Any

from tfx.components.example_gen import driver, input_processor
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.contracts import artifact_files
from components.contracts.configuration import from_json
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading import listing
from components.ingestion.reading.plug_ins import open_source
from components.ingestion.reading.spans import find_span


class ImageInputProcessor(input_processor.FileBasedInputProcessor):
    """Fills spans, versions and dates in as TFX does, but finds them, and takes the fingerprint, from the source."""

    def __init__(
        self,
        input_base_uri: str,
        splits: Iterable[example_gen_pb2.Input.Split],
        config: IngestionConfig,
    ):
        super().__init__(input_base_uri, splits)
        self._config = config
        [self._split] = splits

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """The span to read, 0 if there are none, and its latest version, None if there are none.

        Raises:
            SourceError: no folder below the data root fits the pattern, or a folder names a date that does not exist.
        """
        if not self._split.pattern:
            return 0, None
        root, pattern = self._input_base_uri, self._split.pattern
        found = find_span(listing.open_tree(root), root, pattern, self._config.span)
        return found.number, found.version if "{VERSION" in pattern else None

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        """Digest of the files of this span and version.

        Raises:
            SourceError: there are none, or they are not laid out as expected.
        """
        folder = self.get_pattern_for_span_version(self._split.pattern, span, version)
        return open_source(listing.join(self._input_base_uri, folder), self._config).fingerprint()


class ImageExampleGenDriver(driver.FileBasedDriver):
    """Driver of ImageExampleGen; span, version and fingerprint go into the cache key."""

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Derive the input pattern from the config, which may be a run-time parameter.

        Adds span, version and fingerprint, and the pattern with them filled in.
        """
        self._config = from_json(IngestionConfig, exec_properties[artifact_files.CONFIG], artifact_files.CONFIG)
        # One input split, because the splits of the output follow folders and digests; the pattern is a folder.
        split = example_gen_pb2.Input.Split(name="images", pattern=self._config.span_pattern.strip("/"))
        exec_properties[standard_component_specs.INPUT_CONFIG_KEY] = proto_utils.proto_to_json(
            example_gen_pb2.Input(splits=[split])
        )
        return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> input_processor.InputProcessor:
        """The processor for the configured source.

        Raises:
            SourceError: no data root was given.
        """
        if not input_base_uri:
            raise SourceError("input_base: a folder of images expected, found nothing")
        del range_config  # the config names the span
        return ImageInputProcessor(input_base_uri, splits, self._config)
