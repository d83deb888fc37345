"""Artifacts of spans: which belong to one series, which of a span is the newest, which span passed the AnomalyGate.

Examples, statistics and clearances carry the same identity, so that no step follows lineage.
"""

from collections.abc import Sequence

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import types

from components.contracts import artifact_files, artifacts


def copy_identity(source: types.Artifact, target: types.Artifact) -> None:
    """Say that ``target`` is about the span of ``source``: series, span and digest of the content."""
    artifacts.set_data_span(target, artifacts.data_span(source))
    for key in (artifact_files.SERIES_DIGEST, artifact_files.CONTENT_DIGEST):
        target.set_string_custom_property(key, source.get_string_custom_property(key))


def content_of(artifact: types.Artifact) -> str:
    """Digest of the images that ``artifact`` is about."""
    return artifact.get_string_custom_property(artifact_files.CONTENT_DIGEST)


def cleared_before(
    store: mlmd.MetadataStore,
    current: types.Artifact,
    candidates: Sequence[types.Artifact],
    clearances: Sequence[types.Artifact],
) -> list[types.Artifact]:
    """What came before ``current`` in its series: one artifact of each earlier span that the AnomalyGate let pass.

    Args:
        store: says when an artifact was given out last; one from the cache may be older than one it replaces again.
        current: Examples or statistics of a run.
        candidates: artifacts of the same type, of all runs.
        clearances: of all runs.

    Returns:
        The artifact given out last of each span, latest span first; none where the data has no spans.
    """
    span = artifacts.data_span(current)
    cleared = {content_of(clearance) for clearance in clearances}
    series = current.get_string_custom_property(artifact_files.SERIES_DIGEST)
    earlier = [
        artifact
        for artifact in candidates
        if artifact.get_string_custom_property(artifact_files.SERIES_DIGEST) == series
        and span is not None
        and artifacts.data_span(artifact) < span
        and content_of(artifact) in cleared
    ]
    given_out = _last_executions(store, earlier)
    newest: dict[int, types.Artifact] = {}
    for artifact in sorted(earlier, key=lambda artifact: (given_out.get(artifact.id, 0), artifact.id)):
        newest[artifacts.data_span(artifact)] = artifact
    return [newest[span] for span in sorted(newest, reverse=True)]


def _last_executions(store: mlmd.MetadataStore, found: Sequence[types.Artifact]) -> dict[int, int]:
    """Id of the last execution that gave out an artifact, made or from the cache, by id of the artifact."""
    last: dict[int, int] = {}
    for event in store.get_events_by_artifact_ids([artifact.id for artifact in found]) if found else []:
        if event.type == metadata_store_pb2.Event.OUTPUT:
            last[event.artifact_id] = max(event.execution_id, last.get(event.artifact_id, 0))
    return last
