"""The connection to ML Metadata is read and checked, and no message holds a secret."""

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
    ],
)
def test_what_would_end_the_process_is_refused(monkeypatch, given, missing):
    monkeypatch.setenv(metadata_connection.VARIABLE, json.dumps(given))
    with pytest.raises(ConfigError, match=f"{missing}: required, but missing") as error:
        metadata_connection.from_environment()
    assert "planted" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"postgresql": {"host": "db", "port": "5432", "user": "planted", "password": "planted", "dbname": "db"}},
            "postgresql: ML Metadata's client does not work reliably on PostgreSQL; use MariaDB",
        ),
        ({"fake_database": {}}, "expected JSON with one of the keys sqlite or mysql"),
        ({"mysql": "planted"}, "expected JSON with one of the keys sqlite or mysql"),
        ({}, "expected JSON with one of the keys sqlite or mysql"),
    ],
)
def test_a_database_that_does_not_work_is_refused(monkeypatch, given, message):
    monkeypatch.setenv(metadata_connection.VARIABLE, json.dumps(given))
    with pytest.raises(ConfigError, match=message) as error:
        metadata_connection.from_environment()
    assert "planted" not in str(error.value)


def test_a_database_that_does_not_answer_is_one_sentence_without_secrets():
    given = {"host": "127.0.0.1", "port": 9, "user": "planted", "password": "planted", "database": "db"}
    connection = json_format.ParseDict({"mysql": given}, metadata_store_pb2.ConnectionConfig())
    with pytest.raises(metadata_connection.MetadataUnreachableError) as error:
        metadata_connection.connect(connection, patience_seconds=0)
    told = str(error.value)
    assert told.startswith("no connection to ML Metadata, mysql at 127.0.0.1:9 (")
    assert "planted" not in told and "\n" not in told
