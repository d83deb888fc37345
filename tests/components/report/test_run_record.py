"""Reading what a run left: every part, and the part that is missing by its name."""

import dataclasses
import json
import pathlib

import pytest

from components.contracts import artifact_files
from components.report.run_record import MissingPartError, read_trace

from .conftest import make_trace


def read(path: str) -> bytes | None:
    return pathlib.Path(path).read_bytes() if pathlib.Path(path).exists() else None


def test_a_trace_comes_back_as_it_was_written(tmp_path):
    (tmp_path / artifact_files.RUN_FILE).write_text(json.dumps(dataclasses.asdict(make_trace())))
    assert read_trace(read, str(tmp_path)) == make_trace()


def test_no_trace_or_one_of_another_version_is_named(tmp_path):
    with pytest.raises(MissingPartError, match=r"run\.json is missing"):
        read_trace(read, str(tmp_path))
    (tmp_path / artifact_files.RUN_FILE).write_text(json.dumps({"run": "x", "colour": "blue"}))
    with pytest.raises(MissingPartError, match="other keys"):
        read_trace(read, str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"), [("{", "is no JSON"), ("[1]", "should hold a JSON object, found list")]
)
def test_a_damaged_trace_is_named(tmp_path, content, message):
    (tmp_path / artifact_files.RUN_FILE).write_text(content)
    with pytest.raises(ValueError, match=rf"run\.json {message}"):
        read_trace(read, str(tmp_path))
