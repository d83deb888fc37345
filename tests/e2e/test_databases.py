"""ML Metadata on a real server of MariaDB, as on a cluster: `make test-databases`."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from ml_metadata import metadata_store

from pipeline import ir_file
from pipeline.metadata import connection as metadata_connection

from . import database_server
from .cluster import Cluster

_ROOT = pathlib.Path(__file__).parents[2]
_PASSWORD = database_server.PASSWORD
_RESOLVERS = {"SchemaInUse", "PreviousStatistics", "BlessedBaseline"}
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.databases,
    pytest.mark.skipif(not shutil.which("mariadbd"), reason="needs MariaDB: `make test-databases` installs it"),
]


@pytest.fixture(scope="module")
def connection():
    """A connection to an empty database."""
    with database_server.mariadb() as connection:
        yield connection


@pytest.fixture(scope="module")
def cluster(connection, tmp_path_factory):
    return Cluster(tmp_path_factory.mktemp("cluster"), connection)


def _create(connection):
    environment = {**os.environ, metadata_connection.VARIABLE: json.dumps(connection)}
    command = [sys.executable, "-m", "pipeline.create_metadata"]
    return subprocess.Popen(command, cwd=_ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def test_three_processes_may_be_the_first(connection):
    processes = [_create(connection) for _ in range(3)]
    told = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], told
    assert _PASSWORD not in "".join(told)


def test_of_three_processes_one_gets_the_training_lease(connection):
    code = (
        "import sys\n"
        "from pipeline.metadata import connection as metadata_connection\n"
        "from pipeline.node import training_lease\n"
        "connection = metadata_connection.from_environment()\n"
        "terms = training_lease.TrainingLease(if_taken=training_lease.IfTaken.FAIL)\n"
        "lease = training_lease.Lease(connection, 'digits', sys.argv[1], terms)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "lease.acquire(600)\n"
    )
    environment = {**os.environ, metadata_connection.VARIABLE: json.dumps(connection)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen([sys.executable, "-c", code, run_id], cwd=_ROOT, env=environment, **pipes) for run_id in "abc"
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate()[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 1, 1], told
    refused = [text for process, text in zip(processes, told, strict=True) if process.returncode]
    assert all("is training pipeline digits and holds its lease" in text for text in refused), refused


def test_three_runs_may_be_the_first(cluster):
    """Of any pipeline: they register all of TFX's types at the same time."""
    runs = ("one", "two", "three")
    codes = cluster.run_at_once(*(("ImageExampleGen", run_id) for run_id in runs))
    assert codes == [0, 0, 0], [cluster.log(run_id, "ImageExampleGen")[-2000:] for run_id in runs]
    results = [cluster.results(run_id)["ImageExampleGen"] for run_id in runs]
    assert all(result.is_good for result in results)
    assert len({result.execution_id for result in results}) == 3


def test_a_killed_node_rejoins_its_execution(cluster):
    assert cluster.run("ImageExampleGen", "four") == 0
    assert cluster.results("four")["ImageExampleGen"].is_cached
    cluster.run_and_kill("StatisticsGen", "four", "pipeline_root/StatisticsGen/statistics/*")
    killed = cluster.results("four")["StatisticsGen"]
    assert killed.state == "RUNNING"
    assert cluster.run("StatisticsGen", "four") == 0
    result = cluster.results("four")["StatisticsGen"]
    assert (result.state, result.execution_id) == ("COMPLETE", killed.execution_id)


def test_a_whole_run_with_nodes_side_by_side(cluster):
    node_ids = ir_file.node_ids(cluster.graph)
    for node_id in node_ids[node_ids.index("StatisticsGen") + 1 : node_ids.index("AnomalyGate") + 1]:
        assert cluster.run(node_id, "four") == 0, cluster.log("four", node_id)[-2000:]
    both = ("Transform", "ViewGen")
    codes = cluster.run_at_once(*((node_id, "four") for node_id in both))
    assert codes == [0, 0], [cluster.log("four", node_id)[-3000:] for node_id in both]
    for node_id in node_ids[node_ids.index("Trainer") :]:
        assert cluster.run(node_id, "four") == 0, cluster.log("four", node_id)[-2000:]
    results = cluster.results("four")
    assert set(results) == set(node_ids)
    assert all(result.is_good for result in results.values())
    assert (cluster.root / "registry" / "image-encoder" / "1").is_dir()


def test_two_runs_come_from_the_cache_side_by_side(cluster):
    for node_id in ir_file.node_ids(cluster.graph):
        assert cluster.run_at_once((node_id, "five"), (node_id, "six")) == [0, 0], node_id
    for run_id in ("five", "six"):
        results = cluster.results(run_id)
        assert {node_id for node_id, result in results.items() if not result.is_cached} == _RESOLVERS
        assert all(result.is_good for result in results.values())


def test_no_log_and_no_record_holds_the_password(cluster):
    for log in (cluster.root / "logs").iterdir():
        assert _PASSWORD not in log.read_text(), log.name
    store = metadata_store.MetadataStore(cluster.connection)
    records = [*store.get_executions(), *store.get_artifacts(), *store.get_contexts()]
    assert len(records) > 40
    assert not [record for record in records if _PASSWORD in str(record)]
