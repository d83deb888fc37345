"""Rows of the training benchmark: what was measured, and what is said where a batch did not fit."""

import json
import subprocess
import sys

import pytest

from benchmarks import training
from benchmarks.timed_training import BATCHES

FOUND = {"seconds_per_step": 2.0, "cpu_seconds_per_step": 3.5, "input_wait": 0.25, "peak_mib": 1500.0, "steps": 3}


@pytest.fixture
def run_instead(tmp_path, monkeypatch):
    """Function from shell commands to a program that does them in the place of the measuring process."""

    def set_program(*lines: str) -> None:
        program = tmp_path / "program"
        program.write_text("\n".join(["#!/bin/sh", *lines]))
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))

    return set_program


def said(**values) -> str:
    return f"echo '{json.dumps(values)}'"


def test_batches_after_a_kill_did_not_fit(run_instead):
    run_instead(said(batch=BATCHES[0], **FOUND), said(batch=BATCHES[1], reason="needs more"), "kill -9 $$")
    results = list(training._results({}))
    assert [found["batch"] for found in results] == list(BATCHES)
    rows = [training._row("case", found, {}) for found in results]
    assert [row.ours for row in rows] == [f"{BATCHES[0] / 2:,.1f} images/s", *["does not fit"] * 3]
    assert rows[1].remark == "needs more"
    assert {row.remark for row in rows[2:]} == {"the system ended the process for want of memory"}


def test_a_process_that_fails_is_an_error(run_instead):
    run_instead(said(batch=BATCHES[0], **FOUND), "exit 3")
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        list(training._results({}))


def test_a_row_compares_with_plain_float32():
    plain: dict[int, float] = {}
    first = training._row("float32", {"batch": 32, **FOUND}, plain)
    second = training._row("bfloat16", {"batch": 32, **FOUND, "seconds_per_step": 1.6}, plain)
    assert (first.ours, first.other, first.ratio) == ("16.0 images/s", "", None)
    assert (second.ours, second.other, second.ratio) == ("20.0 images/s", "float32 16.0", pytest.approx(1.25))
    assert "2 s per step" in first.remark and "25.0% waiting for input" in first.remark
