"""Where ML Metadata is, told without what must not be told."""

import json

import pytest
from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2

from components.contracts.configuration import ConfigError
from pipeline.metadata import connection as metadata_connection


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"sqlite": {"filename_uri": "/planted/db", "connection_mode": "READWRITE_OPENCREATE"}}, "sqlite"),
        (
            {"mysql": {"host": "db", "port": 3306, "user": "planted", "password": "planted", "database": "planted"}},
            "mysql at db:3306",
        ),
        (
            {"postgresql": {"host": "db", "port": "5432", "user": "planted", "password": "p", "dbname": "planted"}},
            "postgresql at db:5432",
        ),
    ],
)
def test_the_variable_is_read_and_told_without_secrets(monkeypatch, given, place):
    monkeypatch.setenv(metadata_connection.VARIABLE, json.dumps(given))
    connection = metadata_connection.from_environment()
    assert connection.WhichOneof("config") == next(iter(given))
    assert metadata_connection.place(connection) == place


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"sqlite": {}}, "sqlite: filename_uri"),
        ({"mysql": {"host": "db", "user": "planted"}}, "mysql: port, database"),
        ({"postgresql": {"password": "planted"}}, "postgresql: host, port, user, dbname"),
    ],
)
def test_what_would_end_the_process_is_refused(monkeypatch, given, missing):
    monkeypatch.setenv(metadata_connection.VARIABLE, json.dumps(given))
    with pytest.raises(ConfigError, match=f"{missing}: required, but missing") as error:
        metadata_connection.from_environment()
    assert "planted" not in str(error.value)


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_database_that_does_not_answer_is_one_sentence_without_secrets(kind):
    given = {"host": "127.0.0.1", "user": "planted", "password": "planted"}
    given |= {"port": 9, "database": "db"} if kind == "mysql" else {"port": "9", "dbname": "db"}
    connection = json_format.ParseDict({kind: given}, metadata_store_pb2.ConnectionConfig())
    with pytest.raises(metadata_connection.MetadataUnreachableError) as error:
        metadata_connection.connect(connection, patience_seconds=0)
    told = str(error.value)
    assert told.startswith(f"no connection to ML Metadata, {kind} at 127.0.0.1:9 (")
    assert "planted" not in told and "\n" not in told
