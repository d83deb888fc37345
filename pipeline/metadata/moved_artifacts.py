"""Makes the ML Metadata of a work directory fit the place where the directory is now.

ML Metadata holds the path of every artifact. After a work directory was moved or copied, these paths lead to where it
was before, and a step would be given the schema or the model of a place that is gone, or of the original.
"""

import logging
import pathlib
from typing import TYPE_CHECKING

from components.contracts.paths import is_uri
from pipeline.metadata import connection as metadata_connection

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2

_PUSHED_DESTINATION = "pushed_destination"  # property that TFX's Pusher gives its artifact

_logger = logging.getLogger(__name__)


def settle(connection: "metadata_store_pb2.ConnectionConfig", pipeline_root: pathlib.Path) -> int:
    """Point every artifact at its files below ``pipeline_root``; artifacts whose files are gone are marked as deleted.

    TFX chooses and reuses only artifacts that are not marked so. A push whose version is no longer in the registry is
    gone too, so that Pusher runs again instead of being taken from the cache.

    Args:
        connection: of the work directory's own database.
        pipeline_root: absolute path of its artifacts.

    Returns:
        How many artifacts are here, but were recorded at another place.

    Raises:
        MetadataUnreachableError: the database cannot be opened, or another process keeps it locked for minutes.
    """
    metadata_connection.connect(connection, metadata_connection.PATIENCE_WITH_A_LOCK_SECONDS)
    from ml_metadata import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    store = metadata_store.MetadataStore(connection)
    changed, num_moved = [], 0
    for artifact in store.get_artifacts():
        if artifact.state != metadata_store_pb2.Artifact.LIVE or not artifact.uri or is_uri(artifact.uri):
            continue
        here = present_uri(artifact.uri, pipeline_root)
        if here != artifact.uri:
            artifact.uri = here
            changed.append(artifact)
            num_moved += 1
        elif not pathlib.Path(here).exists() or _is_lost_push(artifact):
            artifact.state = metadata_store_pb2.Artifact.DELETED
            changed.append(artifact)
            _logger.info("artifact %d is gone: %s", artifact.id, artifact.uri)
    if changed:
        store.put_artifacts(changed)
    return num_moved


def _is_lost_push(artifact: "metadata_store_pb2.Artifact") -> bool:
    """Whether the artifact says that a version was pushed to a folder that is not there."""
    if _PUSHED_DESTINATION not in artifact.custom_properties:
        return False
    place = artifact.custom_properties[_PUSHED_DESTINATION].string_value
    return not is_uri(place) and not pathlib.Path(place).exists()


def present_uri(uri: str, pipeline_root: pathlib.Path) -> str:
    """Where an artifact that was recorded at ``uri`` lies below ``pipeline_root``; ``uri`` if it is not there."""
    parts = pathlib.Path(uri).parts
    if is_uri(uri) or pipeline_root.name not in parts:
        return uri
    last = len(parts) - 1 - parts[::-1].index(pipeline_root.name)
    here = pipeline_root.joinpath(*parts[last + 1 :])
    return str(here) if here != pathlib.Path(uri) and here.exists() else uri
