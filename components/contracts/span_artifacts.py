"""Finds artifacts of earlier spans: of the same series, passed by the AnomalyGate, the newest of each span.

Examples, statistics and clearances carry the same identity, so no step has to follow lineage in ML Metadata.
"""

from collections.abc import Sequence

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import types

from components.contracts import artifact_files, artifacts


def copy_identity(source: types.Artifact, target: types.Artifact) -> None:
    """Give ``target`` the identity of ``source``: series, span and digest of the content."""
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
    """Artifacts before ``current`` in its series: one of each earlier span that passed the AnomalyGate.

    Args:
        store: tells which execution last had an artifact as output. An artifact from the cache counts as new, although
            it may be older than the artifact that it replaces.
        current: Examples or statistics of a run.
        candidates: artifacts of the same type, of all runs.
        clearances: of all runs.

    Returns:
        The latest output of each span, latest span first; empty if the data has no spans.
    """
    span = artifacts.data_span(current)
    cleared = {content_of(clearance) for clearance in clearances}
    series = current.get_string_custom_property(artifact_files.SERIES_DIGEST)
    of_series = [
        (found, artifact)
        for artifact in candidates
        if artifact.get_string_custom_property(artifact_files.SERIES_DIGEST) == series
        and (found := artifacts.data_span(artifact)) is not None
        and content_of(artifact) in cleared
    ]
    earlier = [(found, artifact) for found, artifact in of_series if span is not None and found < span]
    last_output = _last_executions(store, [artifact for _, artifact in earlier])
    newest: dict[int, types.Artifact] = {}
    for found, artifact in sorted(earlier, key=lambda pair: (last_output.get(pair[1].id, 0), pair[1].id)):
        newest[found] = artifact
    return [newest[found] for found in sorted(newest, reverse=True)]


def _last_executions(store: mlmd.MetadataStore, found: Sequence[types.Artifact]) -> dict[int, int]:
    """By artifact id: id of the last execution with that artifact as output, whether it ran or used the cache."""
    last: dict[int, int] = {}
    for event in store.get_events_by_artifact_ids([artifact.id for artifact in found]) if found else []:
        if event.type == metadata_store_pb2.Event.OUTPUT:
            last[event.artifact_id] = max(event.execution_id, last.get(event.artifact_id, 0))
    return last
