"""Servers of PostgreSQL and MariaDB for a test: on loopback, on a free port, with their data in a temporary folder.

Both refuse to run as root; where the test does, they run as the user that Debian's packages made for them.
"""

import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

PASSWORD = "planted-5d20"
_DEADLINE_SECONDS = 60


@contextlib.contextmanager
def postgresql() -> Iterator[dict]:
    """A server with an empty database; gives ML Metadata's connection to it."""
    programs = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    with _folder("postgres") as (folder, user):
        (folder / "password").write_text("superuser-only")
        words = [programs / "initdb", "-D", folder / "data", "-U", "admin", "--auth=scram-sha-256"]
        subprocess.run([*words, "--pwfile", folder / "password"], user=user, check=True, capture_output=True)
        port = _free_port()
        server = [programs / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder]
        with _running([*server, "-c", "listen_addresses=127.0.0.1"], folder, user, port):
            sql = f"CREATE ROLE simclr LOGIN PASSWORD '{PASSWORD}'; CREATE DATABASE metadata OWNER simclr"
            for statement in sql.split("; "):
                client = [programs / "psql", "-h", "127.0.0.1", "-p", str(port), "-U", "admin", "-c", statement]
                environment = {"PGPASSWORD": "superuser-only"}
                subprocess.run([*client, "postgres"], env=environment, check=True, capture_output=True)
            at = {"host": "127.0.0.1", "port": str(port), "dbname": "metadata"}
            yield {"postgresql": {**at, "user": "simclr", "password": PASSWORD}}


@contextlib.contextmanager
def mariadb() -> Iterator[dict]:
    """A server with an empty database; gives ML Metadata's connection to it."""
    with _folder("mysql") as (folder, user):
        data = f"--datadir={folder / 'data'}"
        install = ["mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal"]
        subprocess.run(install, user=user, check=True, capture_output=True)
        port = _free_port()
        local = f"--socket={folder / 'socket'}"
        # Without names, or where 127.0.0.1 has the name localhost, its anonymous user would go before ours.
        server = ["mariadbd", "--no-defaults", "--skip-name-resolve", data, local]
        server += [f"--port={port}", "--bind-address=127.0.0.1"]
        with _running([*server, f"--pid-file={folder / 'pid'}"], folder, user, port):
            sql = f"CREATE DATABASE metadata; CREATE USER simclr IDENTIFIED BY '{PASSWORD}'; "
            sql += "GRANT ALL ON metadata.* TO simclr"
            subprocess.run(
                ["mariadb", "--no-defaults", local, "--user=root", "-e", sql], check=True, capture_output=True
            )
            yield {
                "mysql": {
                    "host": "127.0.0.1",
                    "port": port,
                    "user": "simclr",
                    "password": PASSWORD,
                    "database": "metadata",
                }
            }


@contextlib.contextmanager
def _folder(unprivileged: str) -> Iterator[tuple[pathlib.Path, str | None]]:
    user = unprivileged if os.geteuid() == 0 else None
    # Not one of pytest's, which only their owner can enter.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="simclr-database-"))
    try:
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        yield folder, user
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _running(command: list, folder: pathlib.Path, user: str | None, port: int) -> Iterator[None]:
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, user=user, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for(port, server, folder / "log")
        yield
    finally:
        server.terminate()
        server.wait(_DEADLINE_SECONDS)


def _wait_for(port: int, server: subprocess.Popen, log: pathlib.Path) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
