"""One run of the graph by one of TFX's local runners, and what became of it. Imports all that a run needs."""

import dataclasses
import logging
import shutil
import sys

import absl.logging
from apache_beam.options.pipeline_options import StandardOptions
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from pipeline import bundled_data, graph, outcome, states
from pipeline.config import BundledData, PipelineConfig
from pipeline.console import Console, show_progress
from pipeline.local_runner import RunnerKind
from pipeline.places import Places


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run all of whose nodes came to a good end.

    Attributes:
        run_id: as in ML Metadata.
        results: of each node, by node id.
        outcome: what a person wants to know of it.
    """

    run_id: str
    results: dict[str, states.NodeResult]
    outcome: outcome.Outcome


def execute(config: PipelineConfig, places: Places, runner: RunnerKind, run_id: str, console: Console) -> FinishedRun:
    """Run the graph once.

    Args:
        config: what to do.
        places: where things are.
        runner: which runner walks the graph.
        run_id: the run's name in ML Metadata.
        console: is told node by node what goes on.

    Raises:
        states.RunFailedError: a node is neither complete nor cached.
        Exception: whatever a node raised.
    """
    _configure_logging()
    if config.bundled_data is BundledData.DIGITS and places.data_root == str(places.bundled_data):
        bundled_data.write_digits(places.bundled_data)
    ir = compile_pipeline(config, places)
    # Bound here, so that the run's states can be read back under a known id; the runner finds nothing left to bind.
    runtime_parameter_utils.substitute_runtime_parameter(ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    connection = metadata.sqlite_metadata_connection_config(places.metadata_path)
    teller = _Teller(console, connection, config.pipeline_name, run_id, total=len(ir.nodes))
    with show_progress(console, teller.node_started, teller.node_finished):
        _runner(runner).run_with_ir(ir)
    results = states.node_results(connection, config.pipeline_name, run_id)
    states.require_success(states.node_ids(ir), results)
    _remove_finished_checkpoints(results["Trainer"])
    return FinishedRun(run_id, results, outcome.read(results, places, config))


def compile_pipeline(config: PipelineConfig, places: Places) -> pipeline_pb2.Pipeline:
    """The graph as TFX IR, with its run-time parameters still open."""
    return compiler.Compiler().compile(graph.create_pipeline(config, places))


def _runner(kind: RunnerKind) -> LocalDagRunner | BeamDagRunner:
    if kind is RunnerKind.LOCAL:
        return LocalDagRunner()
    # The pipeline that walks the graph takes its runner from here alone; any other local runner builds Prism first.
    StandardOptions.DEFAULT_RUNNER = "FnApiRunner"
    return BeamDagRunner()


def _configure_logging() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", force=True
    )
    absl.logging.set_verbosity(absl.logging.INFO)


def _remove_finished_checkpoints(trainer: states.NodeResult) -> None:
    """Training is safe in the Trainer's artifact once its execution is complete; only then may checkpoints go."""
    for model in trainer.outputs["model"]:
        folder = outcome.checkpoint_folder(model)
        if folder is not None and folder.is_dir():
            shutil.rmtree(folder)


class _Teller:
    """Says node by node what goes on, with what ML Metadata knows of it."""

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

    def node_finished(self, node_id: str) -> None:
        result = states.node_results(self._connection, self._pipeline_name, self._run_id).get(node_id)
        if result is None or not result.is_good:
            self._console.line(f"        ✗ {node_id}: {result.state if result else 'inputs could not be resolved'}")
        elif result.is_cached:
            self._console.line("        ✓ from the cache")
        else:
            self._console.line(f"        ✓ {result.seconds:.1f} s")
