"""Lets a person see the schema in use, or accept the data of the latest run as normal."""

import dataclasses
import pathlib
import time

from ml_metadata import errors, metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.orchestration import metadata
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.contracts import artifact_files, artifacts, span_artifacts
from components.validation import schema_resolver
from pipeline.metadata import connection as metadata_connection
from pipeline.metadata import moved_artifacts
from pipeline.workdir import Workdir

_PIPELINE_CONTEXT = "pipeline"  # the type that TFX gives the context of all runs of a pipeline


class NoSchemaError(LookupError):
    """No run has produced a schema yet."""


@dataclasses.dataclass(frozen=True)
class Runs:
    """Earlier runs in ML Metadata.

    Attributes:
        connection: of the database.
        place: the database or work directory, for messages.
        pipeline_name: only runs of this pipeline; None for all runs in the database.
    """

    connection: metadata_store_pb2.ConnectionConfig
    place: str
    pipeline_name: str | None = None


def local_runs(workdir: pathlib.Path) -> Runs:
    """Runs in a work directory.

    Raises:
        NoSchemaError: there has been no run.
    """
    database = pathlib.Path(Workdir(workdir, "").metadata_path)
    if not database.is_file():
        raise NoSchemaError(f"there has been no run in {workdir}: expected ML Metadata at {database}")
    connection = metadata_connection.local(str(database))
    moved_artifacts.settle(connection, pathlib.Path(Workdir(workdir, "").pipeline_root))
    return Runs(connection, str(workdir))


def cluster_runs(pipeline_name: str) -> Runs:
    """Runs of a pipeline in the database that the environment names; this machine must reach their artifacts.

    Raises:
        ConfigError: the environment names no database.
        MetadataUnreachableError: it does not answer.
    """
    connection = metadata_connection.from_environment()
    metadata_connection.connect(connection, metadata_connection.PATIENCE_SECONDS)
    place = f"pipeline {pipeline_name} ({metadata_connection.place(connection)})"
    return Runs(connection, place, pipeline_name)


def show(runs: Runs) -> str:
    """The schema in use, as text.

    Raises:
        NoSchemaError: no run has produced a schema yet.
    """
    with metadata.Metadata(runs.connection) as handle:
        return _text(schema_resolver.choose(_all(handle, runs, standard_artifacts.Schema)))


def accept(runs: Runs) -> str:
    """Accept the schema that the latest run inferred from its data, and the distributions of that data.

    The schema is in use from now on. The distributions are accepted only for these images: they may differ from the
    previous span, and the next span is compared with them. What is in use already, or passed the AnomalyGate, is left
    as it is: another artifact in its place would make the next run compute everything again.

    Returns:
        A sentence that names what was accepted, or says that there was nothing to accept.

    Raises:
        NoSchemaError: no run has produced a schema yet.
    """
    with metadata.Metadata(runs.connection) as handle:
        schema = _latest(handle, runs, standard_artifacts.Schema, "SchemaGen")
        statistics = _latest(handle, runs, standard_artifacts.ExampleStatistics, "StatisticsGen")
        in_use = schema_resolver.choose(_all(handle, runs, standard_artifacts.Schema))
        is_new_schema = _text(schema) != _text(in_use)
        has_new_distributions = not _is_cleared(handle, runs, statistics)
        accepted = [schema] * is_new_schema + [statistics] * has_new_distributions
        for artifact in accepted:
            artifact.set_int_custom_property(artifact_files.ACCEPTED_AT, int(time.time()))
        handle.store.put_artifacts([artifact.mlmd_artifact for artifact in accepted])
    return _accepted(schema if is_new_schema else None, statistics if has_new_distributions else None)


def _accepted(schema: types.Artifact | None, statistics: types.Artifact | None) -> str:
    sentences = []
    if schema is not None:
        path = io_utils.get_only_uri_in_dir(schema.uri)
        sentences.append(f"Accepted {path}; the next run compares its data with it.")
    span = artifacts.data_span(statistics) if statistics is not None else None
    if span is not None:
        sentences.append(f"Accepted the distributions of span {span}; the next span is compared with them.")
    elif statistics is not None and schema is None:
        sentences.append("Accepted the distributions of the latest run's data.")
    nothing = "Nothing to accept: the data of the latest run fits the schema in use, so nothing was changed."
    return " ".join(sentences) or nothing


def _text(schema: types.Artifact) -> str:
    return io_utils.read_string_file(io_utils.get_only_uri_in_dir(schema.uri))


def _is_cleared(handle: metadata.Metadata, runs: Runs, statistics: types.Artifact) -> bool:
    """Whether the AnomalyGate let the images of ``statistics`` pass, or a person accepted them."""
    if statistics.has_custom_property(artifact_files.ACCEPTED_AT):
        return True
    content = span_artifacts.content_of(statistics)
    clearances = _artifacts(handle.store, runs, artifacts.AnomalyClearance)
    cleared = {found.custom_properties[artifact_files.CONTENT_DIGEST].string_value for found in clearances}
    return content in cleared


def _all(handle: metadata.Metadata, runs: Runs, kind: type[types.Artifact]) -> list[types.Artifact]:
    try:
        artifact_type = handle.store.get_artifact_type(_type_name(kind))
    except errors.NotFoundError:
        artifact_type = None
    live = [
        artifact
        for artifact in _artifacts(handle.store, runs, kind)
        if artifact.state == metadata_store_pb2.Artifact.LIVE
    ]
    if artifact_type is None or not live:
        raise NoSchemaError(f"no run in {runs.place} has produced a schema yet")
    return [artifact_utils.deserialize_artifact(artifact_type, artifact) for artifact in live]


def _artifacts(
    store: metadata_store.MetadataStore, runs: Runs, kind: type[types.Artifact]
) -> list[metadata_store_pb2.Artifact]:
    if runs.pipeline_name is None:
        return store.get_artifacts_by_type(_type_name(kind))
    context = store.get_context_by_type_and_name(_PIPELINE_CONTEXT, runs.pipeline_name)
    found = store.get_artifacts_by_context(context.id) if context else []
    return [artifact for artifact in found if artifact.type == kind.TYPE_NAME]


def _type_name(kind: type[types.Artifact]) -> str:
    if kind.TYPE_NAME is None:
        raise TypeError(f"expected a type of artifacts that has a name, found {kind.__name__}")
    return kind.TYPE_NAME


def _latest(handle: metadata.Metadata, runs: Runs, kind: type[types.Artifact], producer: str) -> types.Artifact:
    """The output of a step's newest execution; if that used the cache, it is an older artifact."""
    found = {artifact.id: artifact for artifact in _all(handle, runs, kind)}
    outputs = [
        event
        for event in handle.store.get_events_by_artifact_ids(list(found))
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    executions = {
        execution.id: execution
        for execution in handle.store.get_executions_by_id([event.execution_id for event in outputs])
    }
    produced = [event for event in outputs if executions[event.execution_id].type.endswith(producer)]
    return found[max(produced, key=lambda event: event.execution_id).artifact_id]
