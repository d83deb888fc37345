"""A full disk is told as such, with the step and the space that is missing, even if ML Metadata hides it."""

import errno
import logging
import os
import re
import shutil

import pytest

from components.contracts import progress
from pipeline.node.full_disk import DiskFullError, DiskWatch


@pytest.fixture
def free(monkeypatch):
    """Sets the free space of every disk; steps report their progress, as in a run."""
    monkeypatch.setattr(logging.getLogger(progress.LOGGER_NAME), "level", logging.INFO)
    usage = shutil.disk_usage("/")
    return lambda megabytes: monkeypatch.setattr(
        shutil, "disk_usage", lambda place: usage._replace(free=int(megabytes * 1e6))
    )


def _write_to_a_full_device():
    with open("/dev/full", "wb", buffering=0) as file:
        file.write(b"x")


def _hidden_by_ml_metadata():
    try:
        _write_to_a_full_device()
    finally:
        raise RuntimeError("mysql_query failed: errno: , error: ; Query execution failed: INSERT INTO ...")


def _as_tensorflow_says_it():
    raise RuntimeError("/runs/x/view-1.partial; No space left on device")


@pytest.mark.parametrize("fail", [_write_to_a_full_device, _hidden_by_ml_metadata, _as_tensorflow_says_it])
def test_the_step_and_the_space_that_is_missing_are_told(tmp_path, free, fail):
    free(300)
    watch = DiskWatch(tmp_path / "workdir")
    watch.step_started("ViewGen")
    with pytest.raises(DiskFullError) as caught, watch.explained():
        progress.report_progress(300, 1000, "images cropped")
        free(290)
        fail()
    assert str(caught.value) == (
        f"ViewGen could not write: the disk of {tmp_path / 'workdir'} is full. 300.0 MB were free when it started, and "
        "290.0 MB are free now. It had done 300 of 1000: if the rest writes as much, 700.0 MB are missing. "
        "Make room, then the same command goes on from here."
    )


def test_the_progress_of_an_earlier_step_does_not_count(tmp_path, free):
    free(300)
    watch = DiskWatch(tmp_path)
    with pytest.raises(DiskFullError) as caught, watch.explained():
        progress.report_progress(300, 1000, "images decoded")
        watch.step_started("Trainer")
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
    assert re.match("Trainer could not write.*", str(caught.value)) and "missing" not in str(caught.value)


def test_another_failure_stays_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), DiskWatch(tmp_path).explained():
        (tmp_path / "none").read_bytes()
