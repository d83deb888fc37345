"""How a node outside of a local run reaches ML Metadata: one environment variable, which a Secret fills."""

import os

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2

from components.contracts.configuration import ConfigError

VARIABLE = "SIMCLR_METADATA_CONNECTION"


def from_environment() -> metadata_store_pb2.ConnectionConfig:
    """The connection that ``VARIABLE`` describes: ML Metadata's ``ConnectionConfig`` as JSON.

    Raises:
        ConfigError: the variable is missing or holds something else; what it holds is not repeated.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        raise ConfigError(f"environment variable {VARIABLE}: required, but missing; a Secret should fill it")
    config = metadata_store_pb2.ConnectionConfig()
    try:
        json_format.Parse(text, config)
    except json_format.ParseError:
        config.Clear()
    if config.WhichOneof("config") is None:
        raise ConfigError(
            f"environment variable {VARIABLE}: expected JSON with one of the keys sqlite, mysql or postgresql, such as "
            '{"sqlite": {"filename_uri": "/runs/metadata.sqlite", "connection_mode": "READWRITE_OPENCREATE"}}'
        )
    return config


def place(config: metadata_store_pb2.ConnectionConfig) -> str:
    """Kind and address of the database, for logs: no user, no password, no path."""
    kind = config.WhichOneof("config")
    if kind == "sqlite":
        return kind
    database = getattr(config, kind)
    return f"{kind} at {database.host}:{database.port}"
