"""A run that waits for a database which another process has locked says so."""

import contextlib
import sqlite3
import subprocess
import sys
import time

import pytest

from pipeline.metadata import lock_watch

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute(sys.argv[2])
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "metadata.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("create table some (value)")
    return path


@contextlib.contextmanager
def _locked(path, how):
    command = [sys.executable, "-c", _HOLD, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        yield holder.pid
        holder.stdin.close()


@pytest.mark.parametrize("how", ["begin immediate", "begin exclusive"])
def test_the_process_that_writes_is_found(database, how):
    assert lock_watch.writer_of(database) is None
    with _locked(database, how) as pid:
        assert lock_watch.writer_of(database) == pid
    assert lock_watch.writer_of(database) is None


def test_a_lock_of_this_process_is_no_wait(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("begin exclusive")
        assert lock_watch.writer_of(database) is None


def test_a_file_that_does_not_exist_yet_is_not_locked(tmp_path):
    assert lock_watch.writer_of(tmp_path / "none.sqlite") is None


def test_a_long_wait_is_told_once(database, monkeypatch):
    monkeypatch.setattr(lock_watch, "_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(lock_watch, "_INTERVAL_SECONDS", 0.01)
    said = []
    with lock_watch.say_when_waiting(database, said.append), _locked(database, "begin immediate") as pid:
        deadline = time.monotonic() + 30
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
    assert said == [f"Waiting for {database}: process {pid} has locked it."]
