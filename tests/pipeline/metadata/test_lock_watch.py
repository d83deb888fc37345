"""A run that waits for a database which another process has locked says so."""

import contextlib
import os
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
    assert lock_watch.writer_of(database, os.getpid()) is None
    with _locked(database, how) as pid:
        assert lock_watch.writer_of(database, os.getpid()) == pid
    assert lock_watch.writer_of(database, os.getpid()) is None


def test_a_lock_of_this_process_is_no_wait(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("begin exclusive")
        assert lock_watch.writer_of(database, os.getpid()) is None


def test_a_file_that_does_not_exist_yet_is_not_locked(tmp_path):
    assert lock_watch.writer_of(tmp_path / "none.sqlite", os.getpid()) is None


def test_a_long_wait_is_told_once(database, tmp_path):
    said = tmp_path / "said"
    with contextlib.ExitStack() as held:
        file = held.enter_context(said.open("wb"))
        held.enter_context(lock_watch.say_when_waiting(database, file.fileno(), patience_seconds=0.2))
        pid = held.enter_context(_locked(database, "begin immediate"))
        deadline = time.monotonic() + 30
        while not said.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
    assert said.read_text() == f"Waiting for {database}: process {pid} has locked it.\n"
