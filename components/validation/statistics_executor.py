"""The TFX StatisticsGen executor, with its options made when the step runs.

TFDV serialises all attributes of its options object, which differ between its versions. In the compiled graph, options
would tie the graph to one version.
"""

import time
from typing import Any

import tensorflow_data_validation as tfdv
from tfx import types
from tfx.components.statistics_gen import executor as statistics_gen_executor
from tfx.types import artifact_utils, standard_component_specs

from components.contracts import artifact_files, records, span_artifacts


class Executor(statistics_gen_executor.Executor):
    """Statistics of the light features, without the image bytes."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Run TFX's StatisticsGen on ``records.STATISTICS_FEATURES``."""
        started = time.monotonic()
        options = tfdv.StatsOptions(feature_allowlist=list(records.STATISTICS_FEATURES))
        exec_properties[standard_component_specs.STATS_OPTIONS_JSON_KEY] = options.to_json()
        super().Do(input_dict, output_dict, exec_properties)
        statistics = artifact_utils.get_single_instance(output_dict[standard_component_specs.STATISTICS_KEY])
        span_artifacts.copy_identity(
            artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY]), statistics
        )
        statistics.set_float_custom_property(artifact_files.SECONDS, time.monotonic() - started)
