"""Reads the states of a run's nodes from ML Metadata.

The local runners and TFX's launcher return without an error if the inputs of a node cannot be resolved, so only the
states in the database tell whether a run succeeded.
"""

import dataclasses
from collections.abc import Sequence

from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.orchestration import metadata
from tfx.proto.orchestration import pipeline_pb2
from tfx.types import artifact_utils

_State = metadata_store_pb2.Execution
_RUN_CONTEXT_TYPE = "pipeline_run"
_NODE_CONTEXT_TYPE = "node"
_GOOD_STATES = (_State.COMPLETE, _State.CACHED)


class RunFailedError(RuntimeError):
    """A node is neither complete nor cached; the message names each such node and its state."""


@dataclasses.dataclass(frozen=True)
class NodeResult:
    """A node's latest execution in one run.

    Attributes:
        node_id: as in the graph.
        execution_id: in ML Metadata.
        state: name of the MLMD state, such as COMPLETE or CACHED.
        seconds: wall time from the creation of the execution to its last update.
        outputs: artifacts by output key.
    """

    node_id: str
    execution_id: int
    state: str
    seconds: float
    outputs: dict[str, list[types.Artifact]]

    @property
    def is_good(self) -> bool:
        """Complete or taken from the cache."""
        return self.state in [_State.State.Name(state) for state in _GOOD_STATES]

    @property
    def is_cached(self) -> bool:
        """Taken from the cache."""
        return self.state == _State.State.Name(_State.CACHED)

    def output(self, key: str) -> types.Artifact:
        """The only artifact of an output."""
        (artifact,) = self.outputs[key]
        return artifact


def node_results(
    connection: metadata_store_pb2.ConnectionConfig, pipeline_name: str, run_id: str
) -> dict[str, NodeResult]:
    """Results of all nodes that have an execution in this run, by node id."""
    with metadata.Metadata(connection) as handle:
        run = handle.store.get_context_by_type_and_name(_RUN_CONTEXT_TYPE, run_id)
        if run is None:
            return {}
        executions = sorted(handle.store.get_executions_by_context(run.id), key=lambda execution: execution.id)
        results = {}
        for execution in executions:
            node_id = _node_id(handle, execution.id, pipeline_name)
            milliseconds = execution.last_update_time_since_epoch - execution.create_time_since_epoch
            results[node_id] = NodeResult(
                node_id=node_id,
                execution_id=execution.id,
                state=_State.State.Name(execution.last_known_state),
                seconds=milliseconds / 1000,
                outputs=_outputs(handle, execution.id),
            )
        return results


def require_success(node_ids: Sequence[str], results: dict[str, NodeResult]) -> None:
    """Check that every node of the graph is complete or cached.

    Raises:
        RunFailedError: a node failed, never ran, or could not get its inputs.
    """
    bad = [
        f"{node_id} is {results[node_id].state if node_id in results else 'without an execution'}"
        for node_id in node_ids
        if node_id not in results or not results[node_id].is_good
    ]
    if bad:
        raise RunFailedError(f"The run failed: {', '.join(bad)}.")


def node_ids(ir: pipeline_pb2.Pipeline) -> list[str]:
    """Ids of the graph's nodes, in topological order."""
    return [node.pipeline_node.node_info.id for node in ir.nodes]


def _node_id(handle: metadata.Metadata, execution_id: int, pipeline_name: str) -> str:
    for context in handle.store.get_contexts_by_execution(execution_id):
        if context.type == _NODE_CONTEXT_TYPE:
            return context.name.removeprefix(f"{pipeline_name}.")
    raise RunFailedError(f"execution {execution_id} belongs to no node")


def _outputs(handle: metadata.Metadata, execution_id: int) -> dict[str, list[types.Artifact]]:
    events = [
        event
        for event in handle.store.get_events_by_execution_ids([execution_id])
        if event.type in (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.PENDING_OUTPUT)
    ]
    by_id = {artifact.id: artifact for artifact in handle.store.get_artifacts_by_id([e.artifact_id for e in events])}
    outputs: dict[str, list[types.Artifact]] = {}
    for event in events:
        artifact = by_id[event.artifact_id]
        artifact_type = handle.store.get_artifact_types_by_id([artifact.type_id])[0]
        outputs.setdefault(event.path.steps[0].key, []).append(
            artifact_utils.deserialize_artifact(artifact_type, artifact)
        )
    return outputs
