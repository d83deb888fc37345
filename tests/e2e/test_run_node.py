"""The compiled graph as a cluster runs it: one process per node, nothing shared but files and ML Metadata.

The first process is started from nothing, as a container is; see ``cluster.py`` for the others.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from ml_metadata import metadata_store

from components.contracts.evidence import Verdict, VerdictReport
from components.contracts.record_files import read_record
from pipeline import ir_file
from pipeline.node.training_lease import IfTaken, Lease, LeaseTakenError, TrainingLease

from .cluster import SECRET, Cluster

pytestmark = pytest.mark.e2e

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    return Cluster(tmp_path_factory.mktemp("cluster"))


def test_a_container_runs_the_first_node(cluster):
    command = [sys.executable, "-m", "pipeline.run_node", *cluster.arguments("ImageExampleGen", "first")]
    finished = subprocess.run(
        command, cwd=_ROOT, env={**os.environ, **cluster.environment}, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert SECRET not in finished.stdout + finished.stderr
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
    node_ids = ir_file.node_ids(cluster.graph)
    for node_id in node_ids[node_ids.index("StatisticsGen") + 1 : node_ids.index("Trainer")]:
        assert cluster.run(node_id, "first") == 0, cluster.log("first", node_id)[-2000:]


def test_a_resolver_that_runs_again_gives_its_readers_one_artifact(cluster):
    before = cluster.results("first")["SchemaInUse"].execution_id
    assert cluster.run("SchemaInUse", "first") == 0
    assert cluster.results("first")["SchemaInUse"].execution_id == before


def test_a_killed_training_goes_on_from_its_checkpoint(cluster):
    assert cluster.check("Trainer", "first") == (0, "work")
    registered = cluster.results("first")["Trainer"]
    assert registered.state == "RUNNING"
    checkpoints = "pipeline_root/checkpoints/*/*.npz"
    cluster.run_and_kill("Trainer", "first", checkpoints)
    cluster.run_and_kill("Trainer", "first", checkpoints, signal.SIGTERM)  # as an evicted or preempted pod gets
    other = Lease(cluster.connection, "tiny", "other", TrainingLease(if_taken=IfTaken.FAIL))
    with pytest.raises(LeaseTakenError, match=r"run first \(.*\) is training pipeline tiny"):
        other.acquire(600)
    assert cluster.run("Trainer", "first") == 0, cluster.log("first", "Trainer")[-2000:]
    other.acquire(600)
    other.release()
    result = cluster.results("first")["Trainer"]
    assert (result.state, result.execution_id) == ("COMPLETE", registered.execution_id)
    [model] = result.outputs["model"]
    pretraining = json.loads(pathlib.Path(model.uri, "Format-Serving", "pretraining.json").read_text())
    assert len(pretraining["resumed_from_steps"]) == 2
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
    assert read_record(VerdictReport, f"{blessing.uri}/verdict.json").verdict is Verdict.BLESSED
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
    assert SECRET not in finished.stdout + finished.stderr
    files = {name: (folder / name).read_text() for name in ("report", "verdict", "metrics")}
    return {**files, "executor output": json.loads((folder / "output.json").read_text())}


def test_a_second_run_comes_from_the_cache_and_its_check_says_so(cluster):
    for node_id in ir_file.node_ids(cluster.graph):
        if node_id == "Trainer":
            assert cluster.check(node_id, "second") == (0, "skip")
        else:
            assert cluster.run(node_id, "second") == 0, cluster.log("second", node_id)[-2000:]
    results = cluster.results("second")
    resolvers = {"SchemaInUse", "PreviousStatistics", "BlessedBaseline"}
    assert {node_id for node_id, result in results.items() if not result.is_cached} == resolvers
    assert all(result.is_good for result in results.values())


def test_no_log_and_no_record_holds_the_secret(cluster):
    for log in (cluster.root / "logs").iterdir():
        assert SECRET not in log.read_text(), log.name
    store = metadata_store.MetadataStore(cluster.connection)
    records = [*store.get_executions(), *store.get_artifacts(), *store.get_contexts()]
    assert len(records) > 30
    assert not [record for record in records if SECRET in str(record)]
