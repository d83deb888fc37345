"""Reading the files of a run; a file that is missing or of another version is named."""

import pathlib

import pytest

from components.contracts import artifact_files
from components.contracts.record_files import RecordError, write_record
from components.report.run_record import MissingPartError, read_run, read_trace

from .conftest import make_trace


def read(path: str) -> bytes | None:
    return pathlib.Path(path).read_bytes() if pathlib.Path(path).exists() else None


def test_a_trace_comes_back_as_it_was_written(tmp_path):
    write_record(str(tmp_path / artifact_files.RUN_FILE), make_trace())
    assert read_trace(read, str(tmp_path)) == make_trace()


def test_no_trace_or_one_of_another_version_is_named(tmp_path):
    with pytest.raises(MissingPartError, match=r"run\.json is missing"):
        read_trace(read, str(tmp_path))
    (tmp_path / artifact_files.RUN_FILE).write_text('{"run": "x", "colour": "blue"}')
    with pytest.raises(RecordError, match=r"run\.json: format_version: expected 1, found None"):
        read_trace(read, str(tmp_path))


def test_a_trace_without_a_folder_is_named():
    with pytest.raises(MissingPartError, match=r"run\.json of run 20260131-120000 names no folder of blessing"):
        read_run(read, make_trace())


@pytest.mark.parametrize(
    ("content", "message"), [("{", "expected JSON"), ("[1]", "expected a JSON object, found list")]
)
def test_a_damaged_trace_is_named(tmp_path, content, message):
    (tmp_path / artifact_files.RUN_FILE).write_text(content)
    with pytest.raises(RecordError, match=rf"run\.json: {message}"):
        read_trace(read, str(tmp_path))
