"""TFX's Transform executor; it analyses the train images and, if there are any, the unlabeled ones.

The executor chooses the splits, because the graph is compiled before anyone knows which splits the data has.
"""

import time
from typing import Any

from tfx import types
from tfx.components.transform import executor as transform_executor
from tfx.proto import transform_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import json_utils, proto_utils

from components.contracts import artifact_files, records

# TFX loads this by name.
PREPROCESSING_FN = "components.preprocessing.transform_module.preprocessing_fn"


class Executor(transform_executor.Executor):
    """Makes a full pass over the images that pretraining may see; test images do not enter the moments."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Run TFX's Transform with the analysed splits and the module's settings filled in."""
        started = time.monotonic()
        examples = input_dict[standard_component_specs.EXAMPLES_KEY]
        present = {split for artifact in examples for split in artifact_utils.decode_split_names(artifact.split_names)}
        analysed = [split for split in (records.TRAIN, records.UNLABELED) if split in present]
        splits = transform_pb2.SplitsConfig(analyze=analysed)
        exec_properties[standard_component_specs.SPLITS_CONFIG_KEY] = proto_utils.proto_to_json(splits)
        settings = {artifact_files.IMAGE_CONFIG: exec_properties[artifact_files.IMAGE_CONFIG]}
        exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY] = json_utils.dumps(settings)
        super().Do(input_dict, output_dict, exec_properties)
        graph = artifact_utils.get_single_instance(output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY])
        graph.set_float_custom_property(artifact_files.SECONDS, time.monotonic() - started)
