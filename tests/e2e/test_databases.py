"""ML Metadata on real servers of PostgreSQL and MariaDB, as clusters have them: `make test-databases`."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from ml_metadata import metadata_store

from pipeline import ir_file, metadata_connection

from . import database_servers
from .cluster import Cluster

_ROOT = pathlib.Path(__file__).parents[2]
_PASSWORD = database_servers.PASSWORD
_INSTALLED = shutil.which("mariadbd") and any(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.databases,
    pytest.mark.skipif(not _INSTALLED, reason="needs PostgreSQL and MariaDB: `make test-databases` installs them"),
]


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def connection(request):
    """Of an empty database."""
    with getattr(database_servers, request.param)() as connection:
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


def test_three_runs_may_be_the_first(cluster):
    """Of any pipeline: they register all of TFX's types at the same time."""
    runs = ("one", "two", "three")
    codes = cluster.run_at_once(*(("ImageExampleGen", run_id) for run_id in runs))
    assert codes == [0, 0, 0], [cluster.log(run_id, "ImageExampleGen")[-2000:] for run_id in runs]
    results = [cluster.results(run_id)["ImageExampleGen"] for run_id in runs]
    assert all(result.is_good for result in results)
    assert len({result.execution_id for result in results}) == 3


def test_a_killed_node_rejoins_its_execution(cluster):
    cluster.run_and_kill("StatisticsGen", "one", "pipeline_root/StatisticsGen/statistics/*")
    killed = cluster.results("one")["StatisticsGen"]
    assert killed.state == "RUNNING"
    assert cluster.run("StatisticsGen", "one") == 0
    result = cluster.results("one")["StatisticsGen"]
    assert (result.state, result.execution_id) == ("COMPLETE", killed.execution_id)


def test_a_whole_run_with_nodes_side_by_side(cluster):
    node_ids = ir_file.node_ids(cluster.graph)
    for node_id in node_ids[node_ids.index("StatisticsGen") + 1 : node_ids.index("AnomalyGate") + 1]:
        assert cluster.run(node_id, "one") == 0, cluster.log("one", node_id)[-2000:]
    both = ("Transform", "ViewGen")
    codes = cluster.run_at_once(*((node_id, "one") for node_id in both))
    assert codes == [0, 0], [cluster.log("one", node_id)[-3000:] for node_id in both]
    for node_id in node_ids[node_ids.index("Trainer") :]:
        assert cluster.run(node_id, "one") == 0, cluster.log("one", node_id)[-2000:]
    results = cluster.results("one")
    assert set(results) == set(node_ids)
    assert all(result.is_good for result in results.values())
    assert (cluster.root / "registry" / "image-encoder" / "1").is_dir()


def test_two_runs_come_from_the_cache_side_by_side(cluster):
    for node_id in ir_file.node_ids(cluster.graph):
        assert cluster.run_at_once((node_id, "two"), (node_id, "three")) == [0, 0], node_id
    for run_id in ("two", "three"):
        results = cluster.results(run_id)
        uncached = {node_id for node_id, result in results.items() if not result.is_cached}
        assert uncached <= {"SchemaInUse", "PreviousStatistics", "BlessedBaseline", "ImageExampleGen"}
        assert all(result.is_good for result in results.values())


def test_no_log_and_no_record_holds_the_password(cluster):
    for log in (cluster.root / "logs").iterdir():
        assert _PASSWORD not in log.read_text(), log.name
    store = metadata_store.MetadataStore(cluster.connection)
    records = [*store.get_executions(), *store.get_artifacts(), *store.get_contexts()]
    assert len(records) > 40
    assert not [record for record in records if _PASSWORD in str(record)]
