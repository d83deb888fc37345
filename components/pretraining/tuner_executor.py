"""The TFX Tuner's executor; it passes this step's parameters to ``tuner_fn`` and records every trial."""

import logging
import time
from typing import Any

from tfx import types
from tfx.components.tuner import executor as tfx_executor
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import json_utils

from components.contracts import artifact_files
from components.contracts.record_files import write_record

TUNER_FN = "components.pretraining.tuner_module.tuner_fn"  # TFX loads it by name

# Keys of execution parameters.
PRETRAINING_CONFIG = "pretraining_config"  # canonical JSON of PretrainingConfig

ARTIFACT_URI = "artifact_uri"  # in tuner_fn's custom config: an output of this execution

_PARAMETERS = (artifact_files.CONFIG, PRETRAINING_CONFIG, artifact_files.IMAGE_CONFIG, artifact_files.CODE_DIGEST)

_logger = logging.getLogger(__name__)


class Executor(tfx_executor.Executor):
    """Runs the search that ``tuner_module`` sets up."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Search, and write the best hyperparameters, TFX's table of trials and ``tuning.json``."""
        started = time.monotonic()
        results = artifact_utils.get_single_instance(output_dict[standard_component_specs.TUNER_RESULTS_KEY])
        settings = {name: exec_properties[name] for name in _PARAMETERS} | {ARTIFACT_URI: results.uri}
        exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY] = json_utils.dumps(settings)
        tuner = tfx_executor.search(input_dict, exec_properties, self._get_tmp_dir(), print_tuning_summary=False)
        tfx_executor.write_best_hyperparameters(tuner, output_dict)
        write_record(f"{results.uri}/{artifact_files.TUNING_FILE}", tuner.record())
        seconds = time.monotonic() - started
        results.set_float_custom_property(artifact_files.SECONDS, seconds)
        _logger.info("tuning: done in %.1f s, trials in %s", seconds, results.uri)
