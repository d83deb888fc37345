"""Files and records come back as they were written; a writer that is stopped leaves the old content."""

import numpy as np
import pytest
import tensorflow as tf

from components.contracts import files
from components.contracts.paths import PARTIAL_SUFFIX

RECORDS = [bytes([number]) * (100 + number) for number in range(5)]


def test_arrays_come_back(tmp_path):
    written = {"digests": np.array(["a", "bc"]), "scores": np.array([[0.5, np.nan]], np.float32)}
    path = str(tmp_path / "new" / "folder" / "found.npz")
    files.write_arrays(path, written)
    read = files.read_arrays(path)
    assert read.keys() == written.keys()
    for name, array in written.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype


def test_json_comes_back_and_is_for_people(tmp_path):
    path = str(tmp_path / "new" / "facts.json")
    files.write_json(path, {"classes": ["Bär", "猫"]})
    assert files.read_json(path) == {"classes": ["Bär", "猫"]}
    assert (tmp_path / "new" / "facts.json").read_text("utf-8").splitlines()[2].strip() == '"Bär",'


def test_what_is_no_json_is_refused_where_that_is_asked_for(tmp_path):
    path = tmp_path / "facts.json"
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(str(path), {"loss": float("nan")}, allow_nan=False)
    assert not path.exists()


def test_what_is_there_is_replaced(tmp_path):
    path = str(tmp_path / "content")
    files.write_bytes(path, b"old and longer")
    files.write_bytes(path, b"new")
    assert files.read_bytes(path) == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["content"]


def test_a_stopped_writer_leaves_the_old_content(tmp_path, monkeypatch):
    path = str(tmp_path / "content")
    files.write_bytes(path, b"old")
    write = tf.io.gfile.GFile.write

    def stop_half_way(file, contents):
        write(file, contents[:2])
        raise KeyboardInterrupt

    monkeypatch.setattr(tf.io.gfile.GFile, "write", stop_half_way)
    with pytest.raises(KeyboardInterrupt):
        files.write_bytes(path, b"new content")
    assert files.read_bytes(path) == b"old"
    [partial] = [found for found in tmp_path.iterdir() if found.name != "content"]
    assert partial.name.endswith(PARTIAL_SUFFIX)


@pytest.fixture(params=["records", "records.gz"])
def path(request, tmp_path):
    path = tmp_path / request.param
    with tf.io.TFRecordWriter(str(path), "GZIP" if path.suffix == ".gz" else "") as writer:
        for record in RECORDS:
            writer.write(record)
    return path


def test_records_are_read_in_their_order(path):
    assert list(files.read_records(str(path))) == RECORDS


def test_a_file_cut_off_in_a_record_is_damaged(path):
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(tf.errors.DataLossError):
        list(files.read_records(str(path)))
