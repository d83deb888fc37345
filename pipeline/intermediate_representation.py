"""The graph as TFX's intermediate representation (IR): compile, write and read it, and bind its run-time parameters.

The same code gives the same text. Its digest (``ir_file``) shows whether a compiled pipeline and an image belong
together.
"""

import json
from collections.abc import Mapping

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from components.contracts.configuration import ConfigError
from pipeline import graph
from pipeline.config import PipelineConfig


def compile_graph(
    config: PipelineConfig, connection: metadata_store_pb2.ConnectionConfig | None = None
) -> pipeline_pb2.Pipeline:
    """Compile the graph, with its run-time parameters open.

    Args:
        config: see ``graph.create_pipeline`` for the settings that are built into the graph.
        connection: of ML Metadata, for the local runners; None leaves every place out of the IR.
    """
    return compiler.Compiler().compile(graph.create_pipeline(config, connection))


def bind(ir: pipeline_pb2.Pipeline, run_id: str, pipeline_root: str, values: Mapping[str, str]) -> None:
    """Give every run-time parameter its value, in place.

    Raises:
        ConfigError: the graph has a parameter that ``values`` does not name.
    """
    bound = runtime_parameter_utils.substitute_runtime_parameter(
        ir,
        {
            constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id,
            constants.PIPELINE_ROOT_PARAMETER_NAME: pipeline_root,
            **values,
        },
    )
    unbound = sorted(name for name, value in bound.items() if value is None)
    if unbound:
        raise ConfigError(f"run-time parameters without a value: {', '.join(unbound)}")


def to_text(ir: pipeline_pb2.Pipeline) -> str:
    """Canonical JSON: equal graphs give equal texts."""
    return json.dumps(json.loads(json_format.MessageToJson(ir)), indent=1, sort_keys=True) + "\n"


def from_text(text: str) -> pipeline_pb2.Pipeline:
    """Inverse of ``to_text``."""
    return json_format.Parse(text, pipeline_pb2.Pipeline())
