"""The TFX Trainer's executor; it passes this step's parameters to ``run_fn`` as TFX's custom config."""

from typing import Any

from tfx import types
from tfx.components.trainer import executor as trainer_executor
from tfx.types import standard_component_specs
from tfx.utils import json_utils

from components.contracts import artifact_files

RUN_FN = "components.pretraining.trainer_module.run_fn"  # TFX loads it by name
_PARAMETERS = (artifact_files.CONFIG, artifact_files.IMAGE_CONFIG, artifact_files.CODE_DIGEST)


class Executor(trainer_executor.GenericExecutor):
    """Calls ``trainer_module.run_fn``."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Run TFX's Trainer with the parameters as its custom config."""
        settings = {name: exec_properties[name] for name in _PARAMETERS}
        exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY] = json_utils.dumps(settings)
        super().Do(input_dict, output_dict, exec_properties)
