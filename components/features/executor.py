"""FeatureExtractor's executor: opens the artifacts, extracts the features, writes their properties."""

import logging
import time
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.contracts import artifact_files, artifacts, configuration, records
from components.features import frozen_features
from components.features.config import FeaturesConfig

_logger = logging.getLogger(__name__)

EXAMPLES = "examples"
ENCODER = "encoder"
TRANSFORM_GRAPH = "transform_graph"
FEATURES = "features"

_SPLITS = (records.TRAIN, records.TEST)


class Executor(base_executor.BaseExecutor):
    """Puts the labelled images through the frozen encoders."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write ``features``."""
        started = time.monotonic()
        config = configuration.from_json(
            FeaturesConfig, exec_properties[artifact_files.CONFIG], "FeatureExtractor config"
        )
        encoder = artifact_utils.get_single_instance(input_dict[ENCODER])
        features = artifact_utils.get_single_instance(output_dict[FEATURES])
        _logger.info("FeatureExtractor: config %s, encoder %s", configuration.digest(config), encoder.uri)
        inputs = frozen_features.FeatureInputs(
            files_of_splits={split: artifacts.record_files(input_dict[EXAMPLES], split) for split in _SPLITS},
            encoder_dir=path_utils.serving_model_dir(encoder.uri),
            transform_graph_dir=artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH]),
            record_counts=_record_counts(input_dict[EXAMPLES]),
        )
        written = frozen_features.extract(inputs, features.uri, config)
        seconds = time.monotonic() - started
        features.set_string_custom_property(artifact_files.ENCODER_DIGEST, written.encoder_digest)
        features.set_float_custom_property(artifact_files.SECONDS, seconds)
        features.set_int_custom_property("bytes", written.bytes)
        for split, count in written.counts.items():
            features.set_int_custom_property(f"{split}_images", count)
        _logger.info("FeatureExtractor: %s images, %d bytes, %.1f s", written.counts, written.bytes, seconds)


def _record_counts(examples: list[types.Artifact]) -> dict[str, int]:
    """Image records of each split for which every artifact states its number."""
    totals = {}
    for split in _SPLITS:
        stated = [artifacts.record_count(artifact, split) for artifact in examples]
        known = [count for count in stated if count is not None]
        if len(known) == len(stated):
            totals[split] = sum(known)
    return totals
