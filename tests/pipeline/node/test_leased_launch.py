"""A node under the training lease: a real graph of one step, and a real metadata store."""

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import pipeline
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts

from components.contracts.configuration import ConfigError
from pipeline import intermediate_representation as representation
from pipeline.node import launch as node_launch
from pipeline.node import training_lease
from pipeline.node.launch import Answer
from pipeline.node.leased_launch import LeasedLaunch
from pipeline.node.training_lease import IfTaken, TrainingLease

_TERMS = '{"if_taken": "fail", "expires_seconds": 600, "handover_seconds": 600}'


@component
def Trainer(model: OutputArtifact[standard_artifacts.Model], effort: Parameter[str]):
    if effort == "too much":
        raise MemoryError("too much")
    with open(f"{model.uri}.txt", "w") as file:
        file.write(effort)


@pytest.fixture
def connection(tmp_path):
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri, connection.sqlite.connection_mode = str(tmp_path / "metadata.sqlite"), 3
    return connection


@pytest.fixture
def launch(connection, tmp_path):
    """The node of a run, under the lease."""
    trainer = Trainer(effort=RuntimeParameter("effort", str))
    graph = pipeline.Pipeline("tiny", str(tmp_path / "root"), components=[trainer], enable_cache=True)

    def launch(run_id, effort="some", terms=_TERMS):
        ir = compiler.Compiler().compile(graph)
        representation.bind(ir, run_id, str(tmp_path / "root"), {"effort": effort})
        return LeasedLaunch(node_launch.NodeLaunch(ir, "Trainer", connection), connection, "tiny", run_id, terms)

    return launch


def _is_free(connection):
    lease = training_lease.Lease(connection, "tiny", "another", TrainingLease(if_taken=IfTaken.FAIL))
    try:
        lease.acquire(600)
    except training_lease.LeaseTakenError:
        return False
    lease.release()
    return True


def test_from_check_to_end_the_lease_is_the_runs(launch, connection):
    assert launch("first").prepare() is Answer.WORK
    with pytest.raises(training_lease.LeaseTakenError, match="run first "):
        launch("second", effort="other").prepare()
    with pytest.raises(training_lease.LeaseTakenError, match="run first "):
        launch("third", effort="other").run()
    assert launch("first").run().state == "COMPLETE"
    assert _is_free(connection)


def test_where_there_is_no_work_no_lease_is_taken(launch, connection):
    assert launch("first").run().state == "COMPLETE"
    held = training_lease.Lease(connection, "tiny", "another", TrainingLease())
    held.acquire(600)
    assert launch("second").prepare() is Answer.SKIP
    assert launch("second").run().is_cached
    assert launch("first").run().state == "COMPLETE"
    with pytest.raises(training_lease.LeaseTakenError, match="run another "):
        launch("third", effort="other").prepare()


def test_a_failure_keeps_the_lease_for_a_retry(launch, connection):
    with pytest.raises(MemoryError):
        launch("first", effort="too much").run()
    assert not _is_free(connection)
    assert launch("first", effort="less").run().state == "COMPLETE"
    assert _is_free(connection)


def test_terms_that_cannot_be_used_are_named(launch):
    with pytest.raises(ConfigError, match="--training-lease: if_taken"):
        launch("first", terms='{"if_taken": "queue"}')
