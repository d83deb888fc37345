"""Runs TFX's Transform. Not in ``conftest``, because TFX takes long to import."""

import pathlib

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts

from components.contracts import artifact_files, configuration, records
from components.contracts.images import ImageConfig
from components.preprocessing import executor
from components.validation.schema_executor import declare_tensors


def run_transform(
    examples: standard_artifacts.Examples, folder: pathlib.Path, image_config: ImageConfig
) -> standard_artifacts.TransformGraph:
    """Analyse these images and labels; the graph and all intermediate files go into ``folder``."""
    schema = schema_pb2.Schema(feature=[schema_pb2.Feature(name=records.LABEL, type=schema_pb2.BYTES)])
    declare_tensors(schema)
    (folder / "schema").mkdir(parents=True)
    (folder / "schema" / "schema.pbtxt").write_text(text_format.MessageToString(schema))
    schema_artifact, graph = standard_artifacts.Schema(), standard_artifacts.TransformGraph()
    schema_artifact.uri, graph.uri = str(folder / "schema"), str(folder / "graph")
    context = executor.Executor.Context(
        beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    executor.Executor(context).Do(
        {"examples": [examples], "schema": [schema_artifact]},
        {"transform_graph": [graph]},
        {
            "preprocessing_fn": "components.preprocessing.transform_module.preprocessing_fn",
            artifact_files.IMAGE_CONFIG: configuration.to_json(image_config),
            "disable_statistics": 1,
        },
    )
    return graph
