"""Finds the report of a run by the run's id, by a version that it pushed, or by a path."""

import pathlib
from typing import TYPE_CHECKING

from components.contracts import artifact_files, signatures
from components.contracts.paths import is_uri
from components.export import registry
from components.export.version_record import VersionRecord
from pipeline.metadata import connection as metadata_connection
from pipeline.metadata import moved_artifacts
from pipeline.workdir import Workdir

if TYPE_CHECKING:
    from ml_metadata import metadata_store

LATEST = "latest"
_ALIASES = (registry.BLESSED, registry.PREVIOUS, registry.CANDIDATE)
_RUN_CONTEXT_TYPE = "pipeline_run"
_REPORT_TYPE = "Report"


class NoSuchRunError(ValueError):
    """No run has this name; the message says where it was looked up."""


def report_folder(name: str, workdir: pathlib.Path | None) -> str:
    """Folder or URI of a Report artifact.

    Args:
        name: id of a run or ``LATEST``; number or alias of a version, as ``MODEL:VERSION`` if the registry holds
            several models; or path or URI of a work directory, of a report, or of the folder of a report.
        workdir: absolute path of the work directory that has these ids and versions; None looks ids up in the
            database that the environment names.

    Raises:
        NoSuchRunError: there is no such run, or it left no report.
        RegistryError: there is no such model or version, or another version of this project pushed it.
        ConfigError: the environment names no database.
    """
    if is_uri(name):
        return name.removesuffix(f"/{artifact_files.REPORT_FILE}")
    path = pathlib.Path(name).resolve()
    if path.exists():
        return _at_path(path)
    version = name.rpartition(":")[2]
    if workdir is not None and (version.isdecimal() or version in _ALIASES):
        return _of_run(_run_of_version(name, workdir), workdir)
    return _of_run(name, workdir)


def _at_path(path: pathlib.Path) -> str:
    database = pathlib.Path(Workdir(path, "").metadata_path)
    if database.exists():
        return _of_run(LATEST, path)
    folder = path.parent if path.name == artifact_files.REPORT_FILE else path
    if not (folder / artifact_files.RUN_FILE).exists():
        raise NoSuchRunError(
            f"{path}: expected a work directory or a report, found neither {database} nor "
            f"{folder / artifact_files.RUN_FILE}"
        )
    return str(folder)


def _run_of_version(name: str, workdir: pathlib.Path) -> str:
    """Id of the run that pushed a version."""
    folder = pathlib.Path(Workdir(workdir, "").registry)
    model, _, version = name.rpartition(":")
    models = [model] if model else registry.list_models(folder)
    if len(models) != 1:
        raise NoSuchRunError(f"{name}: {folder} holds {', '.join(models) or 'no model'}; say MODEL:{version}")
    found = registry.find_version(folder, models[0], version)
    return registry.load(VersionRecord, registry.version_folder(folder, models[0], found) / signatures.RECORD_FILE).run


def _of_run(run: str, workdir: pathlib.Path | None) -> str:
    """Folder of the report that a run wrote or took from the cache."""
    store, place = _local_store(workdir) if workdir else _cluster_store()
    found = {context.name: context.id for context in store.get_contexts_by_type(_RUN_CONTEXT_TYPE)}
    names = [run] if run != LATEST else sorted(found, key=lambda name: found[name], reverse=True)
    for name in names:
        folder = _report_of(store, found[name]) if name in found else None
        if folder is not None:
            # The work directory may have been moved since its last run.
            root = pathlib.Path(Workdir(workdir, "").pipeline_root) if workdir else None
            return moved_artifacts.present_uri(folder, root) if root else folder
    raise NoSuchRunError(f"run {run}: {place} has {'no such run' if run not in found else 'no report of it'}")


def _report_of(store: "metadata_store.MetadataStore", context_id: int) -> str | None:
    """Folder of the report among the outputs of a run; a report among its inputs belongs to another run."""
    from ml_metadata.proto import metadata_store_pb2

    executions = [execution.id for execution in store.get_executions_by_context(context_id)]
    events = store.get_events_by_execution_ids(executions) if executions else []
    outputs = {event.artifact_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT}
    reports = [found for found in store.get_artifacts_by_id(outputs) if found.type == _REPORT_TYPE]
    return max(reports, key=lambda report: report.id).uri if reports else None


def _local_store(workdir: pathlib.Path) -> tuple["metadata_store.MetadataStore", str]:
    from ml_metadata import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    path = Workdir(workdir, "").metadata_path
    if not pathlib.Path(path).exists():
        raise NoSuchRunError(f"there is no {path}; name another --workdir")
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = path
    connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    return metadata_store.MetadataStore(connection), path


def _cluster_store() -> tuple["metadata_store.MetadataStore", str]:
    from ml_metadata import metadata_store

    connection = metadata_connection.from_environment()
    metadata_connection.connect(connection, metadata_connection.PATIENCE_SECONDS)
    return metadata_store.MetadataStore(connection), metadata_connection.place(connection)
