"""The compiled graph as a cluster runs it: one process per node, which share nothing but files and ML Metadata.

The fixtures are the stretches of one run, "first"; each goes on from the one before. The run's first process is started
from nothing, as a container is; see ``cluster.py`` for the others.
"""

import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from ml_metadata import metadata_store

from components.contracts import configuration
from components.contracts.evidence import Verdict, VerdictReport
from components.contracts.record_files import read_record
from pipeline import ir_file
from pipeline.metadata.states import NodeResult
from pipeline.node.training_lease import IfTaken, Lease, LeaseTakenError, TrainingLease

from .cluster import SECRET, Cluster

pytestmark = pytest.mark.e2e

_ROOT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Killed:
    """A node of the first run that was killed and started again.

    Attributes:
        before: what ML Metadata said of it after the kill.
        after: what it said after the second start.
    """

    before: NodeResult
    after: NodeResult


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    return Cluster(tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="module")
def container(cluster):
    """The process that ran the first node of the first run."""
    command = [sys.executable, "-m", "pipeline.run_node", *cluster.arguments("ImageExampleGen", "first")]
    return subprocess.run(command, cwd=_ROOT, env={**os.environ, **cluster.environment}, capture_output=True, text=True)


@pytest.fixture(scope="module")
def killed_statistics(cluster, container):
    cluster.run_and_kill("StatisticsGen", "first", "pipeline_root/StatisticsGen/statistics/*")
    before = cluster.results("first")["StatisticsGen"]
    # The next attempt must neither take a half-written file for a result nor stumble over it.
    [output] = (cluster.root / "pipeline_root/StatisticsGen/statistics").iterdir()
    (output / "leftover").write_text("half a file")
    _run(cluster, "StatisticsGen")
    return Killed(before, cluster.results("first")["StatisticsGen"])


@pytest.fixture(scope="module")
def prepared(cluster, killed_statistics):
    """The first run up to the Trainer."""
    node_ids = ir_file.node_ids(cluster.graph)
    _run(cluster, *node_ids[node_ids.index("StatisticsGen") + 1 : node_ids.index("Trainer")])


@dataclasses.dataclass(frozen=True)
class Training(Killed):
    """The Trainer, checked and killed before it was started again.

    Attributes:
        registered: what ML Metadata said of it after the first check.
        checks: exit code and answer of the check before it trained, and of the one after.
        refusal: what another run was told that asked for the training lease after the kill.
    """

    registered: NodeResult
    checks: tuple[tuple[int, str | None], tuple[int, str | None]]
    refusal: str


@pytest.fixture(scope="module")
def training(cluster, prepared):
    check = cluster.check("Trainer", "first")
    registered = cluster.results("first")["Trainer"]
    checkpoints = "pipeline_root/checkpoints/*/*.npz"
    cluster.run_and_kill("Trainer", "first", checkpoints)
    cluster.run_and_kill("Trainer", "first", checkpoints, signal.SIGTERM)  # as an evicted or preempted pod gets
    before = cluster.results("first")["Trainer"]
    with pytest.raises(LeaseTakenError) as refused:
        _other_lease(cluster).acquire(600)
    _run(cluster, "Trainer")
    after = cluster.results("first")["Trainer"]
    return Training(before, after, registered, (check, cluster.check("Trainer", "first")), str(refused.value))


@pytest.fixture(scope="module")
def completed(cluster, training):
    """The first run to its end."""
    node_ids = ir_file.node_ids(cluster.graph)
    _run(cluster, *node_ids[node_ids.index("Trainer") + 1 :])


@pytest.fixture(scope="module")
def unresolved(cluster):
    """A run whose one node finds no inputs."""
    return cluster.run("LinearProbe", "unresolved")


@pytest.fixture(scope="module")
def second(cluster, completed):
    """Another run of the same graph; gives the answer of the Trainer's check."""
    for node_id in ir_file.node_ids(cluster.graph):
        if node_id == "Trainer":
            answer = cluster.check(node_id, "second")
        else:
            _run(cluster, node_id, run_id="second")
    return answer


def _run(cluster, *node_ids, run_id="first"):
    for node_id in node_ids:
        assert cluster.run(node_id, run_id) == 0, cluster.log(run_id, node_id)[-2000:]


def _other_lease(cluster):
    return Lease(cluster.connection, "tiny", "other", TrainingLease(if_taken=IfTaken.FAIL))


def test_a_container_runs_the_first_node(cluster, container):
    assert container.returncode == 0, container.stderr[-2000:]
    assert SECRET not in container.stdout + container.stderr
    assert cluster.results("first")["ImageExampleGen"].state == "COMPLETE"


def test_too_few_test_images_fail_the_node_that_counts_them(cluster, container):
    """So that no GPU is paid for a model that cannot be blessed; the second time they come from the cache."""
    gate = configuration.to_json(dataclasses.replace(cluster.config.gate, min_test_images=300))
    for _ in range(2):
        assert cluster.run("ImageExampleGen", "few", "--gate", gate) == 1
        assert "test images are fewer than gate.min_test_images (300)" in cluster.log("few", "ImageExampleGen")
    lenient = dataclasses.replace(cluster.config.gate, min_test_images=300, stop_early=False)
    assert cluster.run("ImageExampleGen", "few", "--gate", configuration.to_json(lenient)) == 0


def test_a_node_without_its_inputs_is_an_error_and_so_is_its_check(cluster, unresolved):
    assert unresolved == 1
    assert cluster.results("unresolved")["LinearProbe"].state == "FAILED"
    assert "LinearProbe is FAILED" in cluster.log("unresolved", "LinearProbe")
    assert cluster.check("Trainer", "unresolved") == (1, None)
    assert cluster.run("NoSuchNode", "unresolved") == 1
    assert "no node NoSuchNode; the graph has ImageExampleGen" in cluster.log("unresolved", "NoSuchNode")


def test_a_killed_node_rejoins_its_execution(cluster, killed_statistics):
    before, after = killed_statistics.before, killed_statistics.after
    assert before.state == "RUNNING"
    assert (after.state, after.execution_id) == ("COMPLETE", before.execution_id)
    [output] = (cluster.root / "pipeline_root/StatisticsGen/statistics").iterdir()
    assert not (output / "leftover").exists()


def test_a_resolver_that_runs_again_gives_its_readers_one_artifact(cluster, prepared):
    before = cluster.results("first")["SchemaInUse"].execution_id
    _run(cluster, "SchemaInUse")
    assert cluster.results("first")["SchemaInUse"].execution_id == before


def test_a_killed_training_goes_on_from_its_checkpoint(cluster, training):
    assert training.checks == ((0, "work"), (0, "skip"))
    assert training.registered.state == training.before.state == "RUNNING"
    assert (training.after.state, training.after.execution_id) == ("COMPLETE", training.registered.execution_id)
    [model] = training.after.outputs["model"]
    pretraining = json.loads(pathlib.Path(model.uri, "Format-Serving", "pretraining.json").read_text())
    assert len(pretraining["resumed_from_steps"]) == 2
    assert not any((cluster.root / "pipeline_root/checkpoints").iterdir())


def test_a_killed_training_keeps_its_lease_and_a_finished_one_gives_it_back(cluster, training):
    assert re.search(r"run first \(.*\) is training pipeline tiny", training.refusal)
    other = _other_lease(cluster)
    other.acquire(600)
    other.release()


def test_the_run_comes_to_its_end(cluster, completed):
    results = cluster.results("first")
    assert {result.state for result in results.values()} == {"COMPLETE"}
    assert set(results) == set(ir_file.node_ids(cluster.graph))
    [blessing] = results["Gate"].outputs["blessing"]
    assert read_record(VerdictReport, f"{blessing.uri}/verdict.json").verdict is Verdict.BLESSED
    assert (cluster.root / "registry" / "image-encoder" / "1").is_dir()


def test_the_summary_shows_the_results_of_a_run(cluster, completed):
    shown = _summary(cluster, "first")
    assert "# blessed" in shown["verdict"]
    assert "<html" in shown["report"] and "No report" not in shown["report"]
    metrics = shown["executor output"]["artifacts"]["metrics"]["artifacts"][0]["metadata"]
    assert metrics["blessed"] == 1.0
    assert 0.2 <= metrics["encoder_accuracy_with_100%_of_labels"] <= 1.0


def test_the_summary_of_a_failed_run_says_where_it_failed(cluster, unresolved):
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


def test_a_second_run_comes_from_the_cache_and_its_check_says_so(cluster, second):
    assert second == (0, "skip")
    results = cluster.results("second")
    resolvers = {"SchemaInUse", "PreviousStatistics", "BlessedBaseline"}
    assert {node_id for node_id, result in results.items() if not result.is_cached} == resolvers
    assert all(result.is_good for result in results.values())


def test_no_log_and_no_record_holds_the_secret(cluster, second, unresolved):
    for log in (cluster.root / "logs").iterdir():
        assert SECRET not in log.read_text(), log.name
    store = metadata_store.MetadataStore(cluster.connection)
    records = [*store.get_executions(), *store.get_artifacts(), *store.get_contexts()]
    assert len(records) > 30
    assert not [record for record in records if SECRET in str(record)]
