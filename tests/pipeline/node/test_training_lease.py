"""The lease between real processes: kept, lost with a killed holder, taken over, and never held twice.

The same on MariaDB: tests/e2e/test_databases.py.
"""

import os
import pathlib
import select
import signal
import subprocess
import sys
import time

import pytest
from google.protobuf import json_format
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from pipeline.node import training_lease
from pipeline.node.training_lease import IfTaken, Lease, LeaseTakenError, TrainingLease

_ROOT = pathlib.Path(__file__).parents[3]
_SOON = 20  # seconds, on a busy machine
_HOLDER = """
import logging, sys, time
from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2
from pipeline.node.training_lease import TrainingLease
from pipeline.node.training_lease import Lease
logging.basicConfig(stream=sys.stderr)
connection = json_format.Parse(sys.argv[1], metadata_store_pb2.ConnectionConfig())
lease = Lease(connection, "digits", sys.argv[2], TrainingLease(expires_seconds=int(sys.argv[3])))
print("ready", flush=True)
sys.stdin.readline()
lease.acquire(float(sys.argv[3]))
with lease.kept():
    print("trains", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def connection(tmp_path):
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri, connection.sqlite.connection_mode = str(tmp_path / "metadata.sqlite"), 3
    return connection


@pytest.fixture
def start(connection):
    """Start a process that trains as a run until it reads a line; the fixture kills it in the end."""
    started = []

    def start(run_id, expires_seconds):
        words = [sys.executable, "-c", _HOLDER, json_format.MessageToJson(connection), run_id, str(expires_seconds)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(words, cwd=_ROOT, text=True, **pipes)
        started.append(process)
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _say(process):
    process.stdin.write("\n")
    process.stdin.flush()


def _train(process):
    _say(process)
    assert process.stdout.readline() == "trains\n", process.communicate()[1]


def _lease(connection, run_id, **terms):
    return Lease(connection, "digits", run_id, TrainingLease(**terms))


def test_a_second_run_fails_and_names_the_first(connection):
    _lease(connection, "first").acquire(60)
    second = _lease(connection, "second", if_taken=IfTaken.FAIL)
    with pytest.raises(
        LeaseTakenError, match=r"run first \(.+\) is training pipeline digits and holds its lease until 20"
    ):
        second.acquire(60)
    other = Lease(connection, "photos", "second", TrainingLease(if_taken=IfTaken.FAIL))
    other.acquire(60)  # the lease of another pipeline is free


def test_a_retry_of_the_same_run_takes_over_at_once_and_the_old_pod_has_lost(connection):
    old, new = _lease(connection, "first", expires_seconds=3600), _lease(connection, "first", if_taken=IfTaken.FAIL)
    old.acquire(3600)
    started = time.monotonic()
    new.acquire(3600)
    assert time.monotonic() - started < _SOON
    new.release()
    _lease(connection, "second", if_taken=IfTaken.FAIL).acquire(60)


def test_training_that_ends_well_leaves_the_lease_and_training_that_fails_keeps_it(connection):
    first = _lease(connection, "first")
    first.acquire(60)
    with first.kept():
        pass
    second = _lease(connection, "second", if_taken=IfTaken.FAIL)
    second.acquire(60)
    with pytest.raises(ZeroDivisionError), second.kept():
        raise ZeroDivisionError
    with pytest.raises(LeaseTakenError, match="run second"):
        _lease(connection, "third", if_taken=IfTaken.FAIL).acquire(60)
    _lease(connection, "second", if_taken=IfTaken.FAIL).acquire(60)


def test_a_holder_renews_and_a_killed_one_is_followed_after_expiry(connection, start, monkeypatch):
    expires_seconds = 4
    holder = start("first", expires_seconds)
    _train(holder)
    until = _expires_at(connection)
    while _expires_at(connection) < until + expires_seconds / 2:  # renewed more than once
        assert holder.poll() is None and time.time() < until + _SOON
        time.sleep(0.1)
    with pytest.raises(LeaseTakenError, match="run first"):
        _lease(connection, "second", if_taken=IfTaken.FAIL).acquire(60)
    os.kill(holder.pid, signal.SIGKILL)
    monkeypatch.setattr(training_lease, "_CLOCK_SKEW_SECONDS", 0)  # both processes have one clock
    until = _expires_at(connection)
    waiting = _lease(connection, "second", expires_seconds=2)
    waiting.acquire(60)
    assert until < time.time() < until + _SOON


def _expires_at(connection):
    """When the one lease in ML Metadata ends, in seconds since 1970."""
    [lease] = metadata_store.MetadataStore(connection).get_contexts_by_type("TrainingLease")
    return lease.custom_properties["expires_at"].double_value


def test_of_several_that_start_at_once_one_trains_and_the_others_follow(start):
    processes = [start(f"run-{number}", 60) for number in range(3)]
    for process in processes:
        _say(process)
    seen = []
    while len(seen) < 3:
        [holder] = _training(processes, seen)
        assert not _training(processes, [*seen, holder], seconds=0.3)
        seen.append(holder)
        _say(holder)
        assert holder.wait(_SOON) == 0


def _training(processes, seen, seconds=30):
    """Processes other than ``seen`` that report within ``seconds`` that they train."""

    streams = {process.stdout: process for process in processes if process not in seen}
    ready, _, _ = select.select(list(streams), [], [], seconds)
    for stream in ready:
        assert stream.readline() == "trains\n"
    return [streams[stream] for stream in ready]


def test_a_holder_that_was_cut_off_ends_when_it_finds_a_successor(connection, start, monkeypatch):
    holder = start("first", 2)
    _train(holder)
    os.kill(holder.pid, signal.SIGSTOP)
    monkeypatch.setattr(training_lease, "_CLOCK_SKEW_SECONDS", 0)
    _lease(connection, "second", expires_seconds=5).acquire(600)
    os.kill(holder.pid, signal.SIGCONT)
    assert holder.wait(_SOON) == 1
    assert "the lease was lost: run second" in holder.stderr.read()
