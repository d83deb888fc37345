"""Where ML Metadata is, told without what must not be told."""

import json

import pytest

from pipeline import metadata_connection


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"sqlite": {"filename_uri": "/planted/db", "connection_mode": "READWRITE_OPENCREATE"}}, "sqlite"),
        ({"mysql": {"host": "db", "port": 3306, "user": "planted", "password": "planted"}}, "mysql at db:3306"),
        ({"postgresql": {"host": "db", "port": "5432", "password": "planted"}}, "postgresql at db:5432"),
    ],
)
def test_the_variable_is_read_and_told_without_secrets(monkeypatch, given, place):
    monkeypatch.setenv(metadata_connection.VARIABLE, json.dumps(given))
    connection = metadata_connection.from_environment()
    assert connection.WhichOneof("config") == next(iter(given))
    assert metadata_connection.place(connection) == place
