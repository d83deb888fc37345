"""A person's say in the schema: look at the one in use, or accept the one of the latest run's data."""

import pathlib
import time

from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.orchestration import metadata
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.validation import schema_resolver
from pipeline.places import Places


class NoSchemaError(LookupError):
    """The work directory has no schema yet."""


def show(workdir: pathlib.Path) -> str:
    """The schema in use, as text.

    Raises:
        NoSchemaError: no run has come as far as a schema.
    """
    with _open(workdir) as handle:
        schema = schema_resolver.choose(_schemas(handle, workdir))
    return pathlib.Path(io_utils.get_only_uri_in_dir(schema.uri)).read_text(encoding="utf-8")


def accept(workdir: pathlib.Path) -> str:
    """Take over the schema that the latest run inferred from its data.

    Returns:
        A sentence that names the accepted schema.

    Raises:
        NoSchemaError: no run has come as far as a schema.
    """
    with _open(workdir) as handle:
        latest = _latest(handle, workdir)
        latest.set_int_custom_property(schema_resolver.ACCEPTED_AT, int(time.time()))
        handle.store.put_artifacts([latest.mlmd_artifact])
    return f"Accepted {io_utils.get_only_uri_in_dir(latest.uri)}; the next run holds its data against it."


def _open(workdir: pathlib.Path) -> metadata.Metadata:
    database = pathlib.Path(Places(workdir, "").metadata_path)
    if not database.is_file():
        raise NoSchemaError(f"no run has taken place in {workdir}: expected ML Metadata at {database}")
    return metadata.Metadata(metadata.sqlite_metadata_connection_config(str(database)))


def _schemas(handle: metadata.Metadata, workdir: pathlib.Path) -> list[types.Artifact]:
    try:
        artifact_type = handle.store.get_artifact_type(standard_artifacts.Schema.TYPE_NAME)
    except errors.NotFoundError:
        artifact_type = None
    live = [
        artifact
        for artifact in handle.store.get_artifacts_by_type(standard_artifacts.Schema.TYPE_NAME)
        if artifact.state == metadata_store_pb2.Artifact.LIVE
    ]
    if artifact_type is None or not live:
        raise NoSchemaError(f"no run in {workdir} has come as far as a schema")
    return [artifact_utils.deserialize_artifact(artifact_type, artifact) for artifact in live]


def _latest(handle: metadata.Metadata, workdir: pathlib.Path) -> types.Artifact:
    """The output of SchemaGen's newest execution, which may come from the cache and so be an older artifact."""
    schemas = {schema.id: schema for schema in _schemas(handle, workdir)}
    outputs = [
        event
        for event in handle.store.get_events_by_artifact_ids(list(schemas))
        if event.type == metadata_store_pb2.Event.OUTPUT and event.path.steps[0].key == "schema"
    ]
    executions = {
        execution.id: execution
        for execution in handle.store.get_executions_by_id([event.execution_id for event in outputs])
    }
    generated = [event for event in outputs if executions[event.execution_id].type.endswith("SchemaGen")]
    return schemas[max(generated, key=lambda event: event.execution_id).artifact_id]
