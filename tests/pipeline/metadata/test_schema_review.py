"""Schemas of several pipelines in one database, as on a cluster: the name of the pipeline selects the schema."""

import json

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration import metadata
from tfx.types import standard_artifacts

from components.contracts import artifact_files, artifacts
from pipeline import cli
from pipeline.metadata import connection as metadata_connection
from pipeline.metadata import schema_review


@pytest.fixture
def database(tmp_path, monkeypatch):
    """An empty ML Metadata database that the environment names."""
    path = tmp_path / "metadata.sqlite"
    connection = {"sqlite": {"filename_uri": str(path), "connection_mode": "READWRITE_OPENCREATE"}}
    monkeypatch.setenv(metadata_connection.VARIABLE, json.dumps(connection))
    return metadata.sqlite_metadata_connection_config(str(path))


class _Pipeline:
    """Writes the artifacts of a pipeline's runs: a schema and statistics each, from nodes with TFX's names."""

    def __init__(self, connection, name, folder):
        self._store, self._folder = metadata_store.MetadataStore(connection), folder / name
        kind = self._store.put_context_type(mlmd.ContextType(name="pipeline"))
        [self._context] = self._store.put_contexts([mlmd.Context(type_id=kind, name=name)])

    def run(self, text, is_cleared=False):
        self._publish(standard_artifacts.Schema, "SchemaGen", "schema.pbtxt", text)
        content = f"digest of run {len(self._store.get_executions())}"
        self._publish(standard_artifacts.ExampleStatistics, "StatisticsGen", "FeatureStats.pb", "", content)
        if is_cleared:
            self._publish(artifacts.AnomalyClearance, "AnomalyGate", "none", "", content)

    def _publish(self, kind, producer, file_name, text, content=""):
        node = self._store.put_execution_type(mlmd.ExecutionType(name=f"components.validation.component.{producer}"))
        live = mlmd.Artifact(type_id=self._store.put_artifact_type(kind().artifact_type), state=mlmd.Artifact.LIVE)
        folder = self._folder / f"{producer}-{len(self._store.get_executions())}"
        folder.mkdir(parents=True)
        (folder / file_name).write_text(text)
        live.uri = str(folder)
        live.custom_properties[artifact_files.CONTENT_DIGEST].string_value = content
        event = mlmd.Event(type=mlmd.Event.OUTPUT)
        execution = mlmd.Execution(type_id=node, last_known_state=mlmd.Execution.COMPLETE)
        self._store.put_execution(execution, [(live, event)], self._store.get_contexts_by_id([self._context]))


def test_each_pipeline_has_its_own_schema(database, tmp_path, capsys):
    cats, dogs = (_Pipeline(database, name, tmp_path) for name in ("cats", "dogs"))
    cats.run("first cats")
    dogs.run("first dogs")
    cats.run("second cats")
    dogs.run("second dogs")
    assert cli.main(["schema", "accept", "--pipeline", "cats"]) == 0
    assert "cats/SchemaGen" in capsys.readouterr().out
    shown = {name: schema_review.show(schema_review.cluster_runs(name)) for name in ("cats", "dogs")}
    assert shown == {"cats": "second cats", "dogs": "first dogs"}
    [accepted] = [
        artifact
        for artifact in metadata_store.MetadataStore(database).get_artifacts_by_type("ExampleStatistics")
        if artifact_files.ACCEPTED_AT in artifact.custom_properties
    ]
    assert "cats/StatisticsGen" in accepted.uri


def _state(database):
    """Everything that decides what is in use and what comes from the cache."""
    found = metadata_store.MetadataStore(database).get_artifacts()
    return [artifact.SerializeToString(deterministic=True) for artifact in found]


def test_with_nothing_to_accept_nothing_changes(database, tmp_path, capsys):
    cats = _Pipeline(database, "cats", tmp_path)
    cats.run("cats", is_cleared=True)
    cats.run("cats", is_cleared=True)
    before = _state(database)
    assert cli.main(["schema", "accept", "--pipeline", "cats"]) == 0
    assert capsys.readouterr().out.startswith("Nothing to accept: the data of the latest run fits the schema in use")
    assert _state(database) == before


def test_what_was_accepted_is_not_accepted_again(database, tmp_path, capsys):
    cats = _Pipeline(database, "cats", tmp_path)
    cats.run("cats", is_cleared=True)
    cats.run("more cats")
    assert cli.main(["schema", "accept", "--pipeline", "cats"]) == 0
    before = _state(database)
    assert cli.main(["schema", "accept", "--pipeline", "cats"]) == 0
    assert "Nothing to accept" in capsys.readouterr().out
    assert _state(database) == before


def test_a_drift_alone_leaves_the_schema_as_it_is(database, tmp_path, capsys):
    cats = _Pipeline(database, "cats", tmp_path)
    cats.run("cats", is_cleared=True)
    cats.run("cats")
    assert cli.main(["schema", "accept", "--pipeline", "cats"]) == 0
    assert capsys.readouterr().out == "Accepted the distributions of the latest run's data.\n"
    accepted = [
        artifact.uri
        for artifact in metadata_store.MetadataStore(database).get_artifacts()
        if artifact_files.ACCEPTED_AT in artifact.custom_properties
    ]
    assert len(accepted) == 1 and "StatisticsGen" in accepted[0]


def test_a_pipeline_that_never_ran_is_named(database, tmp_path, capsys):
    _Pipeline(database, "cats", tmp_path).run("cats")
    assert cli.main(["schema", "show", "--pipeline", "birds"]) == 1
    assert "pipeline birds (sqlite) has produced a schema yet" in capsys.readouterr().err


def test_a_cluster_is_named_by_the_environment(monkeypatch, capsys):
    monkeypatch.delenv(metadata_connection.VARIABLE, raising=False)
    assert cli.main(["schema", "accept", "--pipeline", "cats"]) == 2
    assert metadata_connection.VARIABLE in capsys.readouterr().err


def test_either_a_folder_or_a_pipeline_is_named(capsys):
    with pytest.raises(SystemExit):
        cli.main(["schema", "accept"])
    with pytest.raises(SystemExit):
        cli.main(["schema", "accept", "--workdir", "runs/cats", "--pipeline", "cats"])
    assert "not allowed with argument" in capsys.readouterr().err
