"""Launches one node of a compiled graph as TFX's local runners do, or only prepares it.

The state is read back from ML Metadata, because TFX's launcher returns without an error if inputs are missing.
"""

import enum

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.io import fileio
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, outputs_utils
from tfx.proto.orchestration import pipeline_pb2

from pipeline.metadata import states


class Answer(str, enum.Enum):
    """Whether a prepared node has work."""

    SKIP = "skip"  # complete in this run, or taken from the cache
    WORK = "work"


class NodeLaunch:
    """A node of one run."""

    def __init__(self, ir: pipeline_pb2.Pipeline, node_id: str, connection: metadata_store_pb2.ConnectionConfig):
        """Find the node in its graph.

        Args:
            ir: the compiled graph, with every run-time parameter bound.
            node_id: id of a node in ``ir``.
            connection: of ML Metadata.

        Raises:
            ValueError: the graph has no such node.
        """
        self._ir, self._node_id, self._connection = ir, node_id, connection
        nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
        if node_id not in nodes:
            raise ValueError(f"no node {node_id}; the graph has {', '.join(nodes)}")
        self._node = nodes[node_id]

    def run(self) -> states.NodeResult:
        """Launch the node, unless it is complete or cached in this run already.

        Raises:
            states.RunFailedError: the node failed, could not get its inputs, or was skipped; no node of this graph
                may be skipped.
            Exception: whatever the executor raised.
        """
        before = self._result()
        # A resolver that runs again would add a second execution, and later nodes would find its outputs twice.
        if before is None or not before.is_good:
            self._remove_leftovers(before)
            self._launcher().launch()
        return self._good_result()

    def prepare(self) -> Answer:
        """Register the execution, look in the cache, publish a cached result, and say whether work is left.

        Raises:
            states.RunFailedError: the node's inputs could not be resolved.
            Exception: whatever the node's driver raised.
        """
        before = self._result()
        if before is None or not before.is_good:
            if _prepare(self._launcher()):
                return Answer.WORK
            self._good_result()
        return Answer.SKIP

    def _launcher(self) -> launcher.Launcher:
        deployment = runner_utils.extract_local_deployment_config(self._ir)
        return launcher.Launcher(
            pipeline_node=self._node,
            mlmd_connection=metadata.Metadata(self._connection),
            pipeline_info=self._ir.pipeline_info,
            pipeline_runtime_spec=self._ir.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, self._node_id),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, self._node_id),
        )

    def _result(self) -> states.NodeResult | None:
        run_id = self._ir.runtime_spec.pipeline_run_id.field_value.string_value
        return states.node_results(self._connection, self._ir.pipeline_info.id, run_id).get(self._node_id)

    def _good_result(self) -> states.NodeResult:
        result = self._result()
        results = {} if result is None else {self._node_id: result}
        states.require_success([self._node_id], results)
        return results[self._node_id]

    def _remove_leftovers(self, before: states.NodeResult | None) -> None:
        """Remove what a killed attempt wrote; the next attempt has the same execution and writes to the same places."""
        if before is None:
            return
        resolver = outputs_utils.OutputsResolver(self._node, self._ir.pipeline_info, self._ir.runtime_spec)
        for outputs in resolver.generate_output_artifacts(before.execution_id).values():
            for artifact in outputs:
                if fileio.exists(artifact.uri):
                    fileio.rmtree(artifact.uri)


def _prepare(node_launcher: launcher.Launcher) -> bool:
    """Run the first half of the launcher: register the execution, run the driver, look in the cache.

    TFX has no public way to stop before the executor. Only this function uses a private method of the launcher.

    Returns:
        Whether work is left.
    """
    return node_launcher._prepare_execution().is_execution_needed
