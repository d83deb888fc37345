"""Removes the large files of old runs from a work directory: image records, views and features.

What a version of the registry, a blessing, a report or the newest runs need is never touched: models, verdicts,
reports, statistics, schemas and all JSON records stay, whatever run they are of. TFX's cache must not serve an artifact
without its files, so the artifact is marked as deleted in ML Metadata before its files go.
"""

import dataclasses
import pathlib
import shutil
from typing import TYPE_CHECKING

from pipeline.metadata import connection as metadata_connection
from pipeline.workdir import Workdir

if TYPE_CHECKING:
    from ml_metadata import metadata_store
    from ml_metadata.proto import metadata_store_pb2

_RUN_CONTEXT_TYPE = "pipeline_run"
_TYPES = ("Examples", "Features")  # of image records and views, and of features: the next run can make them again
_FILES = "Split-*"  # folders of an artifact that hold records; the JSON beside them stays


@dataclasses.dataclass(frozen=True)
class Removed:
    """What was removed of one artifact."""

    path: pathlib.Path
    bytes: int


def clean(workdir: Workdir, keep_runs: int, is_trial: bool) -> list[Removed]:
    """Remove what only runs before the newest ones used.

    Args:
        workdir: of the runs; no run may be using it.
        keep_runs: how many of the newest runs keep everything, >= 1.
        is_trial: whether to remove nothing and only say what would go.

    Returns:
        What was removed, or would be, by path.

    Raises:
        FileNotFoundError: the work directory has no database.
        MetadataUnreachableError: the database cannot be opened.
    """
    if not pathlib.Path(workdir.metadata_path).exists():
        raise FileNotFoundError(f"{workdir.metadata_path}: expected the database of earlier runs, found no such file")
    connection = metadata_connection.local(workdir.metadata_path)
    metadata_connection.connect(connection, metadata_connection.PATIENCE_WITH_A_LOCK_SECONDS)
    from ml_metadata import metadata_store

    store = metadata_store.MetadataStore(connection)
    used = _used_by_the_newest(store, keep_runs)
    root = pathlib.Path(workdir.pipeline_root).resolve()
    found = []
    for artifact in (artifact for kind in _TYPES for artifact in store.get_artifacts_by_type(kind)):
        folders = _folders(artifact, root) if artifact.id not in used else []
        if folders:
            size = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
            found.append(Removed(pathlib.Path(artifact.uri), size))
            if not is_trial:
                _remove(store, artifact, folders)
    return sorted(found, key=lambda removed: removed.path)


def _used_by_the_newest(store: "metadata_store.MetadataStore", keep_runs: int) -> set[int]:
    """Artifacts that the newest runs read, wrote or took from the cache."""
    runs = sorted(store.get_contexts_by_type(_RUN_CONTEXT_TYPE), key=lambda context: context.id)[-keep_runs:]
    executions = [execution.id for run in runs for execution in store.get_executions_by_context(run.id)]
    events = store.get_events_by_execution_ids(executions) if executions else []
    return {event.artifact_id for event in events}


def _folders(artifact: "metadata_store_pb2.Artifact", root: pathlib.Path) -> list[pathlib.Path]:
    """The folders of records of an artifact below ``root``; none if it lies elsewhere."""
    place = pathlib.Path(artifact.uri).resolve()
    if root not in place.parents:
        return []
    return [folder for folder in sorted(place.glob(_FILES)) if folder.is_dir() and not folder.is_symlink()]


def _remove(
    store: "metadata_store.MetadataStore", artifact: "metadata_store_pb2.Artifact", folders: list[pathlib.Path]
) -> None:
    from ml_metadata.proto import metadata_store_pb2

    artifact.state = metadata_store_pb2.Artifact.DELETED
    store.put_artifacts([artifact])
    for folder in folders:
        shutil.rmtree(folder)
