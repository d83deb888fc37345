"""Short door: one run of the graph on this machine, on LocalDagRunner or BeamDagRunner."""

import contextlib
import dataclasses
import datetime
import enum
import fcntl
import logging
import pathlib
import shutil
import sys
from collections.abc import Iterator

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
from pipeline.console import Console, quiet_streams, show_progress
from pipeline.places import Places

_logger = logging.getLogger(__name__)


class RunnerKind(str, enum.Enum):
    """Which of TFX's local runners walks the graph."""

    LOCAL = "local"
    BEAM = "beam"


class WorkdirInUseError(RuntimeError):
    """Another run is going on in the work directory."""


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run all of whose nodes came to a good end.

    Attributes:
        run_id: as in ML Metadata.
        results: of each node, by node id.
        outcome: what a person wants to know of it.
        log: file with everything that was not shown.
    """

    run_id: str
    results: dict[str, states.NodeResult]
    outcome: outcome.Outcome
    log: pathlib.Path


def run(config: PipelineConfig, places: Places, runner: RunnerKind) -> FinishedRun:
    """Run the graph once, showing on standard error what happens.

    Raises:
        WorkdirInUseError: another run is going on in ``places.workdir``.
        states.RunFailedError: a node is neither complete nor cached.
        Exception: whatever a node raised; the log file holds all of it.
    """
    run_id = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S.%f")
    log = places.logs / f"{run_id}.log"
    with _sole_use(places.workdir), quiet_streams(log) as console:
        _configure_logging()
        try:
            results = _run(config, places, runner, run_id, console)
        except BaseException:
            _logger.exception("The run %s failed", run_id)
            console.line(f"✗ The log is {log}")
            raise
    return FinishedRun(run_id, results, outcome.read(results, places, config), log)


def compile_pipeline(config: PipelineConfig, places: Places) -> pipeline_pb2.Pipeline:
    """The graph as TFX IR, with its run-time parameters still open."""
    return compiler.Compiler().compile(graph.create_pipeline(config, places))


def _run(
    config: PipelineConfig, places: Places, runner: RunnerKind, run_id: str, console: Console
) -> dict[str, states.NodeResult]:
    if config.bundled_data is BundledData.DIGITS and places.data_root == str(digits_folder(places.workdir)):
        bundled_data.write_digits(digits_folder(places.workdir))
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
    return results


def digits_folder(workdir: pathlib.Path) -> pathlib.Path:
    """Where the bundled digits are written."""
    return workdir / "data" / "digits"


def _runner(kind: RunnerKind) -> LocalDagRunner | BeamDagRunner:
    if kind is RunnerKind.LOCAL:
        return LocalDagRunner()
    # The pipeline that walks the graph takes its runner from here alone; any other local runner builds Prism first.
    StandardOptions.DEFAULT_RUNNER = "FnApiRunner"
    return BeamDagRunner()


@contextlib.contextmanager
def _sole_use(workdir: pathlib.Path) -> Iterator[None]:
    workdir.mkdir(parents=True, exist_ok=True)
    # The kernel frees the lock when the process ends, however it ends.
    with (workdir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            sentence = f"another run is going on in {workdir}; wait for it, or name another --workdir"
            raise WorkdirInUseError(sentence) from error
        yield


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
