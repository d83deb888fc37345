"""How a node outside of a local run reaches ML Metadata: one environment variable, which a Secret fills.

ML Metadata's client creates the schema on an empty database, and of several first clients at once some fail; and what
it says about a server that it cannot reach names no reason. ``connect`` mends both.
"""

import os
import time

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2

from components.contracts.configuration import ConfigError

VARIABLE = "SIMCLR_METADATA_CONNECTION"
PATIENCE_SECONDS = 60  # of a node, for a database that is restarted just now; after that its pod is retried
_WAIT_SECONDS = 1.0
_REQUIRED = {
    "sqlite": ("filename_uri",),
    "mysql": ("host", "port", "user", "database"),
    "postgresql": ("host", "port", "user", "dbname"),
}


class MetadataUnreachableError(RuntimeError):
    """The database did not answer, or refuses."""


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
    _require_whole(config)
    return config


def _require_whole(config: metadata_store_pb2.ConnectionConfig) -> None:
    """Refuse what ML Metadata's client would end the process for."""
    kind = config.WhichOneof("config")
    missing = [key for key in _REQUIRED[kind] if not getattr(getattr(config, kind), key)]
    if missing:
        raise ConfigError(f"environment variable {VARIABLE}: {kind}: {', '.join(missing)}: required, but missing")


def place(config: metadata_store_pb2.ConnectionConfig) -> str:
    """Kind and address of the database, for logs: no user, no password, no path."""
    kind = config.WhichOneof("config")
    if kind == "sqlite":
        return kind
    database = getattr(config, kind)
    return f"{kind} at {database.host}:{database.port}"


def connect(config: metadata_store_pb2.ConnectionConfig, patience_seconds: float) -> None:
    """Wait until the database answers, and see to it that the schema is there; to be called before any other use.

    Args:
        config: of the database, which is created too where the user may.
        patience_seconds: for a server that starts, or another client that creates the schema just now.

    Raises:
        MetadataUnreachableError: no connection in that time; the message holds no secret.
    """
    from ml_metadata import metadata_store

    if config.WhichOneof("config") == "postgresql":
        from pipeline.metadata import postgresql

        postgresql.install()
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            metadata_store.MetadataStore(config)
            return
        except RuntimeError as error:
            if time.monotonic() >= deadline:
                raise MetadataUnreachableError(_refusal(config, str(error))) from None
        time.sleep(_WAIT_SECONDS)


def _refusal(config: metadata_store_pb2.ConnectionConfig, said: str) -> str:
    password = getattr(getattr(config, config.WhichOneof("config")), "password", "")
    reason = (said.splitlines() or ["no reason given"])[0].strip()
    if password:
        reason = reason.replace(password, "…")
    return (
        f"no connection to ML Metadata, {place(config)} ({reason}): is the server up, and are address, user, password "
        f"and database in {VARIABLE} right?"
    )
