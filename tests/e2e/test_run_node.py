"""The compiled graph as a cluster runs it: one process per node, nothing shared but files and ML Metadata.

The processes come from a server that has TFX imported, which saves each of them ten seconds and more; the first one is
started from nothing, as a container is.
"""

import json
import multiprocessing
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import time

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.contracts import evidence
from pipeline import compilation, ir_file, run_parameters, states
from pipeline import config as pipeline_config

from . import tiny

pytestmark = pytest.mark.e2e

_ROOT = pathlib.Path(__file__).parents[2]
_NODE_IN_PROCESS = str(pathlib.Path(__file__).with_name("node_in_process.py"))
_SECRET = "planted-9f3c"
_DEADLINE_SECONDS = 300
_IMAGES_PER_CLASS = 30
_OVERRIDES = (
    "pretraining.epochs=6",
    "pretraining.checkpoint_every_steps=1",
    "pretraining.jit_compile=false",
    "linear_evaluation.label_fractions=[1.0]",
    "linear_evaluation.label_draws=1",
    "gate.min_accuracy=0.2",
)


class Cluster:
    """A folder that outlives the processes, and the processes."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        tiny.write(root, _IMAGES_PER_CLASS)
        self.config = pipeline_config.load(str(root / "tiny.yaml"), _OVERRIDES)
        self.graph = compilation.compile_graph(self.config)
        (root / "graph.json").write_text(self.graph)
        # A Secret: whatever else is in it, nothing of it may be seen anywhere.
        database = str(root / _SECRET / "metadata.sqlite")
        (root / _SECRET).mkdir()
        self.connection = metadata_store_pb2.ConnectionConfig()
        self.connection.sqlite.filename_uri = database
        self.connection.sqlite.connection_mode = 3
        self.environment = {
            "SIMCLR_METADATA_CONNECTION": json.dumps({"sqlite": {"filename_uri": database, "connection_mode": 3}})
        }
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["pipeline.node_launch", "pipeline.intermediate_representation"])

    def arguments(self, node_id: str, run_id: str, *extra: str, gpus: int = 0) -> list[str]:
        rooms = run_parameters.bindings(self.config, "", "")
        values = {
            "ir": str(self.root / "graph.json"),
            "ir-digest": ir_file.digest(self.graph),
            "run-id": run_id,
            "node": node_id,
            "gpus": str(gpus),
            "pipeline-root": str(self.root / "pipeline_root"),
            "registry": str(self.root / "registry"),
            "data-root": str(self.root / "digits"),
            "span-range": "latest",
            **{room.replace("_", "-"): rooms[room] for room in run_parameters.ROOMS},
        }
        return [*(word for name, value in values.items() for word in (f"--{name}", value)), *extra]

    def start(self, node_id: str, run_id: str, *extra: str) -> multiprocessing.Process:
        arguments = self.arguments(node_id, run_id, *extra)
        log = self.root / "logs" / f"{run_id}-{node_id}.log"
        log.parent.mkdir(exist_ok=True)
        given = {"ARGUMENTS": arguments, "ENVIRONMENT": self.environment, "LOG": str(log)}
        process = self._processes.Process(target=runpy.run_path, args=(_NODE_IN_PROCESS, given, "__main__"))
        process.start()
        return process

    def run(self, node_id: str, run_id: str, *extra: str) -> int:
        process = self.start(node_id, run_id, *extra)
        process.join(_DEADLINE_SECONDS)
        assert process.exitcode is not None, f"{node_id} did not end"
        return process.exitcode

    def run_and_kill(self, node_id: str, run_id: str, when: str) -> None:
        """Start a node and kill it as soon as a path fits the pattern ``when``."""
        process = self.start(node_id, run_id)
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not any(self.root.glob(when)):
            assert process.is_alive() and time.monotonic() < deadline, f"{node_id} ended before {when}"
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL

    def check(self, node_id: str, run_id: str) -> tuple[int, str | None]:
        answer = self.root / "answers" / f"{run_id}-{node_id}"
        code = self.run(node_id, run_id, "--check", str(answer))
        return code, answer.read_text() if answer.exists() else None

    def results(self, run_id: str) -> dict[str, states.NodeResult]:
        return states.node_results(self.connection, "tiny", run_id)

    def log(self, run_id: str, node_id: str) -> str:
        return (self.root / "logs" / f"{run_id}-{node_id}.log").read_text()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    return Cluster(tmp_path_factory.mktemp("cluster"))


def test_a_container_runs_the_first_node(cluster):
    command = [sys.executable, "-m", "pipeline.run_node", *cluster.arguments("ImageExampleGen", "first")]
    finished = subprocess.run(
        command, cwd=_ROOT, env={**os.environ, **cluster.environment}, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert _SECRET not in finished.stdout + finished.stderr
    assert cluster.results("first")["ImageExampleGen"].state == "COMPLETE"


def test_a_node_without_its_inputs_is_an_error_and_so_is_its_check(cluster):
    assert cluster.run("LinearProbe", "unresolved") == 1
    assert cluster.results("unresolved")["LinearProbe"].state == "FAILED"
    assert "LinearProbe is FAILED" in cluster.log("unresolved", "LinearProbe")
    assert cluster.check("Trainer", "unresolved") == (1, None)
    assert cluster.run("NoSuchNode", "unresolved") == 1
    assert "no node NoSuchNode; the graph has ImageExampleGen" in cluster.log("unresolved", "NoSuchNode")


def test_a_killed_node_rejoins_its_execution(cluster):
    cluster.run_and_kill("StatisticsGen", "first", "pipeline_root/StatisticsGen/statistics/*")
    killed = cluster.results("first")["StatisticsGen"]
    assert killed.state == "RUNNING"
    # What an attempt left half written must not be taken for a result, nor be in the way.
    [output] = (cluster.root / "pipeline_root/StatisticsGen/statistics").iterdir()
    (output / "leftover").write_text("half a file")
    assert cluster.run("StatisticsGen", "first") == 0
    result = cluster.results("first")["StatisticsGen"]
    assert (result.state, result.execution_id) == ("COMPLETE", killed.execution_id)
    assert not (output / "leftover").exists()
    for node_id in ("SchemaGen", "SchemaInUse", "ExampleValidator", "AnomalyGate", "Transform", "ViewGen"):
        assert cluster.run(node_id, "first") == 0, cluster.log("first", node_id)[-2000:]


def test_a_resolver_that_runs_again_gives_its_readers_one_artifact(cluster):
    before = cluster.results("first")["SchemaInUse"].execution_id
    assert cluster.run("SchemaInUse", "first") == 0
    assert cluster.results("first")["SchemaInUse"].execution_id == before


def test_a_killed_training_goes_on_from_its_checkpoint(cluster):
    assert cluster.check("Trainer", "first") == (0, "work")
    registered = cluster.results("first")["Trainer"]
    assert registered.state == "RUNNING"
    cluster.run_and_kill("Trainer", "first", "pipeline_root/checkpoints/*/*.npz")
    assert cluster.run("Trainer", "first") == 0, cluster.log("first", "Trainer")[-2000:]
    result = cluster.results("first")["Trainer"]
    assert (result.state, result.execution_id) == ("COMPLETE", registered.execution_id)
    [model] = result.outputs["model"]
    pretraining = json.loads(pathlib.Path(model.uri, "Format-Serving", "pretraining.json").read_text())
    assert pretraining["resumed_from_steps"]
    assert not any((cluster.root / "pipeline_root/checkpoints").iterdir())
    assert cluster.check("Trainer", "first") == (0, "skip")


def test_the_run_comes_to_its_end(cluster):
    node_ids = ir_file.node_ids(cluster.graph)
    for node_id in node_ids[node_ids.index("Trainer") + 1 :]:
        assert cluster.run(node_id, "first") == 0, cluster.log("first", node_id)[-2000:]
    results = cluster.results("first")
    assert {result.state for result in results.values()} == {"COMPLETE"}
    assert set(results) == set(node_ids)
    [blessing] = results["Gate"].outputs["blessing"]
    verdict = json.loads(pathlib.Path(blessing.uri, "verdict.json").read_text())
    assert verdict["verdict"] == evidence.BLESSED
    assert (cluster.root / "registry" / "image-encoder" / "1").is_dir()


def test_the_summary_shows_what_came_of_a_run(cluster):
    shown = _summary(cluster, "first")
    assert "# blessed" in shown["verdict"]
    assert "<html" in shown["report"] and "No report" not in shown["report"]
    metrics = shown["executor output"]["artifacts"]["metrics"]["artifacts"][0]["metadata"]
    assert metrics["blessed"] == 1.0
    assert 0.2 <= metrics["encoder_accuracy_with_100%_of_labels"] <= 1.0
    failed = _summary(cluster, "unresolved")
    assert "# The run failed" in failed["verdict"] and "- LinearProbe: FAILED" in failed["verdict"]
    assert "- ImageExampleGen: not run" in failed["verdict"]
    assert "No report" in failed["report"] and "LinearProbe" in failed["report"]
    assert failed["executor output"]["artifacts"]["metrics"]["artifacts"][0]["metadata"] == {}


def _summary(cluster, run_id):
    folder = cluster.root / "summary" / run_id
    outputs = {
        "artifacts": {"metrics": {"artifacts": [{"name": "metrics", "uri": "minio://metrics"}]}},
        "outputFile": str(folder / "output.json"),
    }
    command = [sys.executable, "-m", "pipeline.run_summary", "--executor-input", json.dumps({"outputs": outputs})]
    command += ["--ir", str(cluster.root / "graph.json"), "--ir-digest", ir_file.digest(cluster.graph)]
    command += ["--run-id", run_id]
    for name in ("report", "verdict", "metrics"):
        command += [f"--{name}", str(folder / name)]
    finished = subprocess.run(
        command, cwd=_ROOT, env={**os.environ, **cluster.environment}, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert _SECRET not in finished.stdout + finished.stderr
    files = {name: (folder / name).read_text() for name in ("report", "verdict", "metrics")}
    return {**files, "executor output": json.loads((folder / "output.json").read_text())}


def test_a_second_run_comes_from_the_cache_and_its_check_says_so(cluster):
    for node_id in ir_file.node_ids(cluster.graph):
        if node_id == "Trainer":
            assert cluster.check(node_id, "second") == (0, "skip")
        else:
            assert cluster.run(node_id, "second") == 0, cluster.log("second", node_id)[-2000:]
    results = cluster.results("second")
    resolvers = {"SchemaInUse", "BlessedBaseline"}
    assert {node_id for node_id, result in results.items() if not result.is_cached} == resolvers
    assert all(result.is_good for result in results.values())


def test_no_log_and_no_record_holds_the_secret(cluster):
    for log in (cluster.root / "logs").iterdir():
        assert _SECRET not in log.read_text(), log.name
    store = metadata_store.MetadataStore(cluster.connection)
    records = [*store.get_executions(), *store.get_artifacts(), *store.get_contexts()]
    assert len(records) > 30
    assert not [record for record in records if _SECRET in str(record)]
