"""A record is read back as it was written; any other file is one error that names file and field."""

import json

import pytest

from components.contracts import record_files
from components.contracts.configuration import configuration


@configuration
class Share:
    fraction: float
    accuracies: tuple[float, ...]


@record_files.record(version=2)
class Found:
    shares: tuple[Share, ...]
    by_name: dict[str, int]
    note: str | None = None


FOUND = Found(shares=(Share(fraction=0.1, accuracies=(0.5, 0.75)),), by_name={"ä": 1})


def test_a_record_is_read_back_as_it_was_written(tmp_path):
    path = str(tmp_path / "new" / "found.json")
    record_files.write_record(path, FOUND)
    assert record_files.read_record(Found, path) == FOUND
    assert json.loads((tmp_path / "new" / "found.json").read_text())["format_version"] == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format_version": 1}, r"found.json: format_version: expected 2, found 1: another version"),
        ({"format_version": None}, r"found.json: format_version: expected 2, found None"),
        ({"shares": None}, r"found.json: shares: "),
        ({"shares": [{"fraction": "0.1", "accuracies": []}]}, r"found.json: shares\.0\.fraction: .*found '0.1'"),
        ({"shares": [{"accuracies": []}]}, r"found.json: shares\.0\.fraction: required, but missing"),
        ({"extra": 1}, r"found.json: extra: unknown key, expected one of by_name, note, shares"),
    ],
)
def test_another_file_is_one_error_that_names_file_and_field(tmp_path, change, sentence):
    path = tmp_path / "found.json"
    record_files.write_record(str(path), FOUND)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(record_files.RecordError, match=sentence):
        record_files.read_record(Found, str(path))


def test_a_published_file_without_a_version_counts_as_version_1(tmp_path):
    @record_files.record(version=1, is_published=True)
    class Published:
        name: str

    (tmp_path / "old.json").write_text('{"name": "encoder"}')
    assert record_files.read_record(Published, str(tmp_path / "old.json")) == Published(name="encoder")
    record_files.write_record(str(tmp_path / "new.json"), Published(name="encoder"))
    assert json.loads((tmp_path / "new.json").read_text()) == {"format_version": 1, "name": "encoder"}


def test_a_number_that_json_does_not_know_is_refused(tmp_path):
    share = Share(fraction=float("nan"), accuracies=())
    with pytest.raises(ValueError, match="not JSON compliant"):
        record_files.write_record(str(tmp_path / "found.json"), Found(shares=(share,), by_name={}))
    assert not (tmp_path / "found.json").exists()


@pytest.mark.parametrize(("text", "sentence"), [("{", "expected JSON"), ("[]", "expected a JSON object, found list")])
def test_what_is_no_object_is_refused(tmp_path, text, sentence):
    (tmp_path / "found.json").write_text(text)
    with pytest.raises(record_files.RecordError, match=rf"found.json: {sentence}"):
        record_files.read_record(Found, str(tmp_path / "found.json"))
