"""The compiled pipeline in real containers: fresh and killed half-way, again from the cache, and failing.

``make test-container`` builds and names the image. Every container is started by ``kfp.local.DockerRunner`` as the
compiled YAML says; ``walk_compiled_pipeline`` does what kfp.local leaves out. There is no GPU here, so the pool has a
count of 0: the pipeline has the same shape, and its GPU task starts only where there is work. The settings are those of
the digits config but for 20 epochs (of 150), a checkpoint every 10 steps, so that there is one to be killed after, and
6 linear classifiers (of 33).
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import time

import pytest
from ml_metadata.proto import metadata_store_pb2

from components.contracts import artifact_files
from components.contracts.evidence import ProbeReport, Verdict, VerdictReport
from components.contracts.record_files import read_record
from pipeline import config as pipeline_config
from pipeline import ir_file, local_runner
from pipeline.kfp import compilation, environment
from pipeline.kfp import target as targets
from pipeline.local import bundled_data
from pipeline.metadata import states
from pipeline.workdir import Workdir

_IMAGE = os.environ.get("SIMCLR_IMAGE")
pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not _IMAGE, reason="needs an image: `make test-container`")]

_WALK = pathlib.Path(__file__).with_name("walk_compiled_pipeline.py")
_EXAMPLE = pathlib.Path(__file__).parents[2] / "kubeflow" / "targets" / "example.yaml"
_SHORTER = (
    "pretraining.epochs=20",
    "pretraining.checkpoint_every_steps=10",
    "linear_evaluation.label_fractions=[0.1, 1.0]",
    "linear_evaluation.label_draws=1",
)
_RESOLVERS = {"SchemaInUse", "PreviousStatistics", "BlessedBaseline"}
_DEADLINE_SECONDS = 1800
# 7 of 332 test images. Both sides have seed 0 and came to the same accuracies when they were last compared, but the
# runner here may have the other version set, whose training need not repeat bit by bit.
_SPREAD = 0.02


class Cluster:
    """A folder that stands for the cluster's volume, the compiled pipeline, and runs of it."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.volume = root / "volume"
        for folder in (self.volume, root / "outputs"):
            folder.mkdir()
            folder.chmod(0o777)  # the image's user is not this one
        self.data = bundled_data.write_digits(self.volume / "digits")
        self.config = pipeline_config.load("digits", _SHORTER)
        self.connection = metadata_store_pb2.ConnectionConfig()
        self.connection.sqlite.filename_uri = str(self.volume / "metadata.sqlite")
        self.graph = compilation.compile_graph(self.config)
        self.pipeline = root / "pipeline.yaml"
        compilation.emit(compilation.job(self.config, self._target(), self.graph), self.pipeline)

    def _target(self) -> targets.Target:
        example = targets.load(_EXAMPLE)
        return dataclasses.replace(
            example,
            image=_IMAGE,
            # The same path inside and outside, so that what ML Metadata says of places is true in both.
            volumes=(targets.Volume(claim="simclr-runs", mount_path=str(self.volume)),),
            pipeline_root=str(self.volume / "pipeline_root"),
            registry=str(self.volume / "registry"),
            data_root=str(self.data),
            gpu_pool=dataclasses.replace(example.gpu_pool, count=0),
            retries=targets.Retries(count=1, wait_seconds=1),
        )

    def start(self, run_id: str, **parameters: str) -> subprocess.Popen:
        connection = {"sqlite": {"filename_uri": self.connection.sqlite.filename_uri, "connection_mode": 3}}
        job = {
            "pipeline": str(self.pipeline),
            "parameters": parameters,
            "run_id": run_id,
            "secrets": {"simclr-metadata": {"connection.json": json.dumps(connection)}},
            "volumes": {"simclr-runs": str(self.volume)},
            "outputs": str(self.root / "outputs"),
            "ended": str(self._ended(run_id)),
        }
        with (self.root / f"{run_id}.log").open("w") as log:
            command = [str(environment.python()), str(_WALK)]
            walk = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        walk.stdin.write(json.dumps(job))
        walk.stdin.close()
        return walk

    def run(self, run_id: str, **parameters: str) -> int:
        return self.start(run_id, **parameters).wait(_DEADLINE_SECONDS)

    def containers(self, run_id: str) -> list[tuple[str, int]]:
        """Task and exit code of every container of a run, in the order in which they ended."""
        return [(ended["task"], ended["exit_code"]) for ended in self._all_ended(run_id)]

    def outputs(self, run_id: str, task: str) -> dict:
        return next(ended["outputs"] for ended in self._all_ended(run_id) if ended["task"] == task)

    def results(self, run_id: str) -> dict[str, states.NodeResult]:
        return states.node_results(self.connection, self.config.pipeline_name, run_id)

    def log(self, run_id: str) -> str:
        return (self.root / f"{run_id}.log").read_text()

    def _ended(self, run_id: str) -> pathlib.Path:
        return self.root / f"{run_id}.jsonl"

    def _all_ended(self, run_id: str) -> list[dict]:
        return [json.loads(line) for line in self._ended(run_id).read_text().splitlines()]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    return Cluster(tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="module")
def first(cluster):
    """A run in which the Trainer's container is killed; gives its exit code and the Trainer's record after the kill."""
    walk = cluster.start("first")
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not any(cluster.volume.glob("pipeline_root/checkpoints/*/*.npz")):
        assert walk.poll() is None and time.monotonic() < deadline, cluster.log("first")[-3000:]
        time.sleep(0.05)
    subprocess.run(["docker", "kill", "first-trainer-work-0"], check=True, capture_output=True)
    killed = cluster.results("first")["Trainer"]
    return walk.wait(_DEADLINE_SECONDS), killed


def test_a_node_killed_half_way_is_retried_and_the_run_completes(cluster, first):
    code, killed = first
    assert killed.state == "RUNNING"
    assert code == 0, cluster.log("first")[-3000:]
    containers = cluster.containers("first")
    assert [code for task, code in containers if task == "trainer-work"] == [137, 0]
    assert {code for task, code in containers if task != "trainer-work"} == {0}
    results = cluster.results("first")
    assert set(results) == set(ir_file.node_ids(cluster.graph))
    assert {result.state for result in results.values()} == {"COMPLETE"}
    assert results["Trainer"].execution_id == killed.execution_id
    record = _json(results["Trainer"], "model", "Format-Serving", artifact_files.PRETRAINING_FILE)
    assert record["resumed_from_steps"]


def test_the_runs_page_is_given_report_verdict_and_metrics(cluster, first):
    shown = cluster.outputs("first", "summary")
    assert shown["metrics"]["blessed"] == 1.0
    assert 0.95 <= shown["metrics"]["encoder_accuracy_with_100%_of_labels"] <= 1.0
    folder = cluster.root / "outputs" / "first" / "summary"
    assert "# blessed" in (folder / "verdict").read_text()
    assert "<html" in (folder / "report").read_text()


def test_a_second_run_comes_from_the_cache_and_starts_no_gpu_container(cluster, first):
    assert cluster.run("second") == 0, cluster.log("second")[-3000:]
    containers = dict(cluster.containers("second"))
    assert "trainer-check" in containers and "trainer-work" not in containers
    assert cluster.outputs("second", "trainer-check") == {"answer": "skip"}
    results = cluster.results("second")
    assert set(results) == set(ir_file.node_ids(cluster.graph))
    assert {node_id for node_id, result in results.items() if not result.is_cached} == _RESOLVERS
    assert all(result.is_good for result in results.values())
    # What comes after the GPU step ran, although that was skipped.
    assert {"linear-probe", "gate", "pusher", "report", "summary"} <= set(containers)


def test_a_failed_run_is_red_stops_there_and_still_has_its_summary(cluster):
    assert cluster.run("failed", data_root=str(cluster.volume / "nothing")) == 1
    containers = cluster.containers("failed")
    assert [task for task, _ in containers] == ["image-example-gen", "image-example-gen", "summary"]
    assert [code == 0 for _, code in containers] == [False, False, True]
    verdict = (cluster.root / "outputs" / "failed" / "summary" / "verdict").read_text()
    assert "# The run failed" in verdict and "- ImageExampleGen: stopped half-way" in verdict


def test_the_local_runner_comes_to_the_same_result(cluster, first, tmp_path):
    workdir = Workdir(tmp_path, str(cluster.data))
    local = local_runner.run(cluster.config, workdir, local_runner.RunnerKind.LOCAL)
    results = cluster.results("first")
    [blessing], [probe_report] = results["Gate"].outputs["blessing"], results["LinearProbe"].outputs["probe_report"]
    verdict = read_record(VerdictReport, f"{blessing.uri}/{artifact_files.VERDICT_FILE}").verdict
    assert verdict is local.outcome.verdict is Verdict.BLESSED
    in_containers = _accuracies(read_record(ProbeReport, f"{probe_report.uri}/{artifact_files.PROBE_FILE}"))
    here = _accuracies(local.outcome.probe)
    assert in_containers.keys() == here.keys()
    for fraction, accuracy in in_containers.items():
        assert accuracy == pytest.approx(here[fraction], abs=_SPREAD), fraction


def _accuracies(probe: ProbeReport) -> dict[float, float]:
    """Test accuracy of the encoder's representations by part of the labels."""
    return {result.fraction: result.accuracy_mean for result in probe.encoder.fractions}


def _json(result: states.NodeResult, key: str, *path: str) -> dict:
    [artifact] = result.outputs[key]
    return json.loads(pathlib.Path(artifact.uri, *path).read_text())
