"""Runs the graph once with one of TFX's local runners and collects the results. Imports TFX."""

import dataclasses
import os
import pathlib
import shlex

from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from components.validation import anomalies
from pipeline import intermediate_representation as representation
from pipeline import run_parameters
from pipeline.check import early
from pipeline.config import BundledData, PipelineConfig
from pipeline.local import bundled_data, outcome
from pipeline.local.console import Console, show_progress
from pipeline.metadata import connection as metadata_connection
from pipeline.metadata import lock_watch, moved_artifacts, states
from pipeline.node import finished_checkpoints, full_disk, initial_weights, process
from pipeline.workdir import Workdir


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run whose nodes are all complete or cached.

    Attributes:
        run_id: as in ML Metadata.
        results: of each node, by node id.
        outcome: a summary for people.
    """

    run_id: str
    results: dict[str, states.NodeResult]
    outcome: outcome.Outcome


def execute(
    config: PipelineConfig, workdir: Workdir, runner: LocalDagRunner | BeamDagRunner, run_id: str, console: Console
) -> FinishedRun:
    """Run the graph once.

    Args:
        config: all settings.
        workdir: paths of data, artifacts, metadata and registry.
        runner: runs the graph.
        run_id: the run's name in ML Metadata.
        console: shows when each node starts and finishes.

    Raises:
        states.RunFailedError: a node is neither complete nor cached.
        full_disk.DiskFullError: a node could not write.
        Exception: whatever a node raised.
    """
    process.configure_logging()
    if note := config.pretraining.schedule.note(config.pretraining.epochs):
        console.line(f"Note: {note}")
    process.open_filesystems(config.beam.pipeline_args)
    disk = full_disk.DiskWatch(workdir.path)
    with disk.explained(), lock_watch.say_when_waiting(pathlib.Path(workdir.metadata_path), console.descriptor):
        return _execute(config, workdir, runner, run_id, console, disk)


def _execute(
    config: PipelineConfig,
    workdir: Workdir,
    runner: LocalDagRunner | BeamDagRunner,
    run_id: str,
    console: Console,
    disk: full_disk.DiskWatch,
) -> FinishedRun:
    if config.bundled_data is BundledData.DIGITS and workdir.data_root == str(workdir.bundled_data):
        bundled_data.write_digits(workdir.bundled_data)
    os.environ[anomalies.ACCEPT_VARIABLE] = f"simclr schema accept --workdir {shlex.quote(str(workdir.path))}"
    connection = metadata_connection.local(workdir.metadata_path)
    if moved := moved_artifacts.settle(connection, pathlib.Path(workdir.pipeline_root)):
        console.line(f"{moved} results were recorded at another place; from now on those in {workdir.path} are used.")
    ir = representation.compile_graph(config, connection)
    # Binds the run id too: the states are read back by it, and the runner has nothing left to bind.
    values = run_parameters.bindings(initial_weights.resolved(config), workdir.data_root, workdir.registry)
    representation.bind(ir, run_id, workdir.pipeline_root, values)
    reporter = _NodeReporter(console, connection, config.pipeline_name, run_id, total=len(ir.nodes))

    def start(node_id: str) -> None:
        disk.step_started(node_id)
        reporter.node_started(node_id)

    def finish(node_id: str) -> None:
        images = reporter.node_finished(node_id)
        if images is not None:
            early.after_ingestion(config, node_id, images.uri, console.line)

    with show_progress(console, start, finish):
        runner.run_with_ir(ir)
    results = states.node_results(connection, config.pipeline_name, run_id)
    states.require_success(states.node_ids(ir), results)
    for result in results.values():
        finished_checkpoints.remove(result, workdir.pipeline_root)
    return FinishedRun(run_id, results, outcome.read(results, workdir, config))


class _NodeReporter:
    """Reports when nodes start, and when they finish with the result that ML Metadata has."""

    def __init__(
        self,
        console: Console,
        connection: metadata_store_pb2.ConnectionConfig,
        pipeline_name: str,
        run_id: str,
        total: int,
    ):
        self._console = console
        self._connection = connection
        self._pipeline_name = pipeline_name
        self._run_id = run_id
        self._total = total
        self._started = 0

    def node_started(self, node_id: str) -> None:
        self._started += 1
        self._console.line(f"[{self._started:2d}/{self._total}] {node_id} …")

    def node_finished(self, node_id: str) -> types.Artifact | None:
        """Report; gives the images if the node is one that makes some."""
        result = states.node_results(self._connection, self._pipeline_name, self._run_id).get(node_id)
        if result is None or not result.is_good:
            self._console.line(f"        ✗ {node_id}: {result.state if result else 'inputs could not be resolved'}")
        elif result.is_cached:
            self._console.line("        ✓ from the cache")
        else:
            self._console.line(f"        ✓ {result.seconds:.1f} s")
        if result is None or not result.is_good or node_id not in early.IMAGES:
            return None
        return result.output(early.IMAGES[node_id])
