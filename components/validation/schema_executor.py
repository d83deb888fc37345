"""The TFX SchemaGen executor, adding the image bytes that statistics never look at.

The image is declared through a TensorRepresentation alone: with ``presence`` the validator would report a dropped
column, with ``shape`` it would raise, and without any declaration Transform would drop the image.
"""

import os
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.schema_gen import executor as schema_gen_executor
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils

from components.contracts import records


class Executor(schema_gen_executor.Executor):
    """Infers the schema of the light features and declares the image."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Run TFX's SchemaGen, then write the schema again with the image in it."""
        super().Do(input_dict, output_dict, exec_properties)
        uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.SCHEMA_KEY])
        path = os.path.join(uri, schema_gen_executor.DEFAULT_FILE_NAME)
        schema = io_utils.SchemaReader().read(path)
        declare_image(schema)
        io_utils.write_pbtxt_file(path, schema)


def declare_image(schema: schema_pb2.Schema) -> None:
    """Say in ``schema`` that ``records.IMAGE`` is one byte string per record."""
    representation = schema_pb2.TensorRepresentation()
    representation.dense_tensor.column_name = records.IMAGE
    representation.dense_tensor.shape.SetInParent()
    schema.feature.add(name=records.IMAGE, type=schema_pb2.BYTES)
    schema.tensor_representation_group[""].tensor_representation[records.IMAGE].CopyFrom(representation)
