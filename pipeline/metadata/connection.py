"""How a node of a cluster reaches ML Metadata: an environment variable, filled from a Secret, holds the connection.

ML Metadata's client creates the schema on an empty database. When several clients do so at once, some of them fail, and
when the client cannot reach a server, it does not say why. ``connect`` handles both.
"""

import os
import time

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2

from components.contracts.configuration import ConfigError

VARIABLE = "SIMCLR_METADATA_CONNECTION"
PATIENCE_SECONDS = 60  # how long a node waits for a database that is restarting; after that its pod is retried
_WAIT_SECONDS = 1.0
# While another process writes, ML Metadata's client tries again after 2 seconds on average; by default five times only.
_RETRIES_OF_A_LOCK = 300
PATIENCE_WITH_A_LOCK_SECONDS = 600  # as long as that, on average
_REQUIRED = {
    "sqlite": ("filename_uri",),
    "mysql": ("host", "port", "user", "database"),
}


class MetadataUnreachableError(RuntimeError):
    """The database did not answer, or refused the connection."""


def local(path: str) -> metadata_store_pb2.ConnectionConfig:
    """The connection to a work directory's SQLite file, which is made if it is missing."""
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = path
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    config.retry_options.max_num_retries = _RETRIES_OF_A_LOCK
    return config


def from_environment() -> metadata_store_pb2.ConnectionConfig:
    """Read the connection from ``VARIABLE``: ML Metadata's ``ConnectionConfig`` as JSON.

    Raises:
        ConfigError: the variable is missing, holds something else or names a database that does not work. The message
            does not repeat what the variable holds.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        raise ConfigError(f"environment variable {VARIABLE}: required, but missing; fill it from a Secret")
    config = metadata_store_pb2.ConnectionConfig()
    try:
        json_format.Parse(text, config)
    except json_format.ParseError:
        config.Clear()
    _check_kind(config.WhichOneof("config"))
    _check_fields(config)
    return config


def _check_kind(kind: str | None) -> None:
    if kind == "postgresql":
        # Seen in 1.16: the client quotes strings with a backslash wrongly (it cuts off one character before the text,
        # where PQescapeLiteral puts three), and it returns records in any order, so that TFX's cache mixes up outputs.
        raise ConfigError(
            f"environment variable {VARIABLE}: postgresql: ML Metadata's client does not work reliably on PostgreSQL; "
            "use MariaDB (key mysql)"
        )
    if kind not in _REQUIRED:
        raise ConfigError(
            f"environment variable {VARIABLE}: expected JSON with one of the keys sqlite or mysql, such as "
            '{"sqlite": {"filename_uri": "/runs/metadata.sqlite", "connection_mode": "READWRITE_OPENCREATE"}}'
        )


def _check_fields(config: metadata_store_pb2.ConnectionConfig) -> None:
    """Refuse a connection with an empty field, because ML Metadata's client would end the process."""
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
    """Wait until the database answers, and create the schema if it is missing. Call this before any other use.

    Args:
        config: the connection. The client creates the database too, if the user has the right to.
        patience_seconds: how long to wait for a server that is starting, or a client that is creating the schema.

    Raises:
        MetadataUnreachableError: no connection in that time; the message holds no secret.
    """
    from ml_metadata import metadata_store

    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            metadata_store.MetadataStore(config)
            return
        except RuntimeError as error:
            if time.monotonic() >= deadline:
                raise MetadataUnreachableError(_refusal(config, str(error))) from None
        time.sleep(_WAIT_SECONDS)


def _refusal(config: metadata_store_pb2.ConnectionConfig, message: str) -> str:
    password = getattr(getattr(config, config.WhichOneof("config")), "password", "")
    reason = (message.splitlines() or ["no reason given"])[0].strip()
    if password:
        reason = reason.replace(password, "…")
    if config.HasField("sqlite"):
        return (
            f"no connection to ML Metadata in {config.sqlite.filename_uri} ({reason}): can the file be written, or has "
            "another process locked it?"
        )
    return (
        f"no connection to ML Metadata, {place(config)} ({reason}): is the server up, and are address, user, password "
        f"and database in {VARIABLE} right?"
    )
