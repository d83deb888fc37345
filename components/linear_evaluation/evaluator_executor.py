"""The TFX Evaluator's executor, with TFMA's configuration made from the Gate's when the step runs."""

import time
from typing import Any

from tfx import types
from tfx.components.evaluator import executor as tfx_executor
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.contracts import artifact_files, configuration
from components.linear_evaluation.config import GateConfig
from components.linear_evaluation.evaluator_config import eval_config


class Executor(tfx_executor.Executor):
    """Measures with TFMA."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Run TFX's Evaluator with ``evaluator_config.eval_config`` filled in."""
        started = time.monotonic()
        config = configuration.from_json(GateConfig, exec_properties[artifact_files.CONFIG], "Evaluator config")
        exec_properties[standard_component_specs.EVAL_CONFIG_KEY] = proto_utils.proto_to_json(eval_config(config))
        super().Do(input_dict, output_dict, exec_properties)
        evaluation = artifact_utils.get_single_instance(output_dict[standard_component_specs.EVALUATION_KEY])
        evaluation.set_float_custom_property(artifact_files.SECONDS, time.monotonic() - started)
