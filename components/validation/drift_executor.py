"""The TFX DistributionValidator executor with the limits of ``ValidationConfig``; it writes ``drift.json`` too.

TFX writes distances without saying what they mean. ``drift.json`` adds what was measured before and now, what was not
compared, and whether a person accepted the new data.
"""

import logging
import os
import time
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx import types
from tfx.components.distribution_validator import executor as tfx_executor
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.io import fileio
from tfx.proto import distribution_validator_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import json_utils

from components.contracts import artifact_files, artifacts, configuration, records
from components.contracts.drift_record import DriftRecord
from components.contracts.record_files import write_record
from components.validation import drift
from components.validation.config import ValidationConfig

_logger = logging.getLogger(__name__)

STATISTICS = standard_component_specs.STATISTICS_KEY
BASELINE = standard_component_specs.BASELINE_STATISTICS_KEY
ACCEPTED = "accepted_statistics"
ANOMALIES = standard_component_specs.ANOMALIES_KEY


class Executor(tfx_executor.Executor):
    """Compares the statistics of a span with those of the span before."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Run TFX's DistributionValidator on the splits that have enough images in both spans."""
        started = time.monotonic()
        config = configuration.from_json(
            ValidationConfig, exec_properties[artifact_files.CONFIG], "DistributionValidator"
        )
        current = artifact_utils.get_single_instance(input_dict[STATISTICS])
        before = next(iter(input_dict.get(BASELINE, [])), None)
        splits = _both(before, current) if before else {}
        chosen, notes = drift.comparable(splits, config.min_drift_images)
        if not before:
            notes = [drift.nothing_before(artifacts.data_span(current))]
        pairs = json_utils.dumps([[split, split] for split in chosen])
        properties = {
            **exec_properties,
            standard_component_specs.INCLUDE_SPLIT_PAIRS_KEY: pairs,
            standard_component_specs.DISTRIBUTION_VALIDATOR_CONFIG_KEY: tfx_config(config),
        }
        # If no pair is named, TFX compares all splits; if there is no baseline, it compares none.
        baseline = [before] if before and chosen else []
        super().Do({STATISTICS: [current], BASELINE: baseline}, output_dict, properties)
        found = artifact_utils.get_single_instance(output_dict[ANOMALIES])
        compared = tuple(
            comparison
            for split in chosen
            for comparison in drift.comparisons(split, _measured(found, split), splits[split], config)
        )
        record = DriftRecord(
            span=artifacts.data_span(current),
            baseline_span=artifacts.data_span(before) if before else None,
            is_accepted=bool(input_dict.get(ACCEPTED)),
            notes=tuple(notes),
            comparisons=compared,
        )
        write_record(os.path.join(found.uri, artifact_files.DRIFT_FILE), record)
        found.set_float_custom_property(artifact_files.SECONDS, time.monotonic() - started)
        for sentence in notes:
            _logger.info("DistributionValidator: %s", sentence)
        _logger.info("DistributionValidator compared %d distributions, %s", len(compared), found.uri)


def tfx_config(config: ValidationConfig) -> distribution_validator_pb2.DistributionValidatorConfig:
    """The limits in TFX's form: label shares are compared by their largest change, all else by divergence."""
    validator_config = distribution_validator_pb2.DistributionValidatorConfig()
    for feature, limit in drift.limits(config).items():
        compared = validator_config.default_slice_config.feature.add()
        compared.path.step.append(feature)
        comparator = compared.distribution_comparator
        norm = comparator.infinity_norm if feature == records.LABEL else comparator.jensen_shannon_divergence
        norm.threshold = limit
    return validator_config


def _both(before: types.Artifact, current: types.Artifact) -> dict[str, drift.SplitStatistics]:
    """Statistics of the splits that both artifacts have."""
    earlier, new = (artifact_utils.decode_split_names(artifact.split_names) for artifact in (before, current))
    shared = [split for split in new if split in earlier]
    return {split: drift.SplitStatistics(_load(before, split), _load(current, split)) for split in shared}


def _load(statistics: types.Artifact, split: str) -> statistics_pb2.DatasetFeatureStatistics:
    return stats_artifact_utils.load_statistics(statistics, split).proto().datasets[0]


def _measured(found: types.Artifact, split: str) -> anomalies_pb2.Anomalies:
    path = os.path.join(found.uri, f"SplitPair-{split}_{split}", tfx_executor.DEFAULT_FILE_NAME)
    with fileio.open(path, "rb") as file:
        return anomalies_pb2.Anomalies.FromString(file.read())
