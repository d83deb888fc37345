"""A server of MariaDB for a test: on loopback, on a free port, with its data in a temporary folder.

MariaDB refuses to run as root. If the test runs as root, the server runs as the user that Debian's package created.
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
def mariadb() -> Iterator[dict]:
    """Start a server with an empty database; yields ML Metadata's connection to it."""
    with _folder() as (folder, user):
        data = f"--datadir={folder / 'data'}"
        install = ["mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal"]
        subprocess.run(install, user=user, check=True, capture_output=True)
        port = _free_port()
        local = f"--socket={folder / 'socket'}"
        # Without host names, because the anonymous user of localhost would take precedence over ours. The image that
        # kubeflow/base uses does the same.
        server = ["mariadbd", "--no-defaults", "--skip-name-resolve", data, local]
        server += [f"--port={port}", "--bind-address=127.0.0.1"]
        with _running([*server, f"--pid-file={folder / 'pid'}"], folder, user, port):
            sql = f"CREATE DATABASE metadata; CREATE USER simclr IDENTIFIED BY '{PASSWORD}'; "
            sql += "GRANT ALL ON metadata.* TO simclr"
            subprocess.run(
                ["mariadb", "--no-defaults", local, "--user=root", "-e", sql], check=True, capture_output=True
            )
            at = {"host": "127.0.0.1", "port": port, "database": "metadata"}
            yield {"mysql": {**at, "user": "simclr", "password": PASSWORD}}


@contextlib.contextmanager
def _folder() -> Iterator[tuple[pathlib.Path, str | None]]:
    user = "mysql" if os.geteuid() == 0 else None
    # Not pytest's tmp_path, which only its owner can enter.
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
