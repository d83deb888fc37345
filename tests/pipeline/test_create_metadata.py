"""The preparation of ML Metadata on SQLite; a Kubernetes Job calls it as a command."""

import json
import sqlite3

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from pipeline import create_metadata
from pipeline.metadata import connection as metadata_connection


def _describe(monkeypatch, **connection):
    monkeypatch.setenv(metadata_connection.VARIABLE, json.dumps(connection))


def test_database_and_schema_are_created_once_and_kept(tmp_path, monkeypatch):
    path = tmp_path / "metadata.sqlite"
    _describe(monkeypatch, sqlite={"filename_uri": str(path), "connection_mode": 3})
    assert create_metadata.main() == 0
    with sqlite3.connect(path) as database:
        assert ("Execution",) in database.execute("select name from sqlite_master where type = 'table'").fetchall()
    store = metadata_store.MetadataStore(metadata_connection.from_environment())
    store.put_contexts([_context(store)])
    assert create_metadata.main() == 0
    assert [context.name for context in store.get_contexts()] == ["kept"]


def _context(store):
    type_id = store.put_context_type(metadata_store_pb2.ContextType(name="kind"))
    return metadata_store_pb2.Context(type_id=type_id, name="kept")


def test_a_server_that_does_not_answer_is_told_without_the_password(monkeypatch, capfd):
    server = {"host": "127.0.0.1", "port": 1, "user": "simclr", "password": "planted-9f3c", "database": "metadata"}
    _describe(monkeypatch, mysql=server)
    monkeypatch.setattr(create_metadata, "_PATIENCE_SECONDS", 0)
    assert create_metadata.main() == 1
    told = capfd.readouterr().err
    assert "Error: no connection to ML Metadata, mysql at 127.0.0.1:1 (" in told
    assert "planted-9f3c" not in told


def test_a_connection_that_is_missing_is_told(monkeypatch, capfd):
    monkeypatch.delenv(metadata_connection.VARIABLE, raising=False)
    assert create_metadata.main() == 2
    assert f"environment variable {metadata_connection.VARIABLE}: required" in capfd.readouterr().err
