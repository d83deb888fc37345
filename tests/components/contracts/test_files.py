"""Records come back as they were written, and a damaged file is an error."""

import pytest
import tensorflow as tf

from components.contracts.files import read_records

RECORDS = [bytes([number]) * (100 + number) for number in range(5)]


@pytest.fixture(params=["records", "records.gz"])
def path(request, tmp_path):
    path = tmp_path / request.param
    with tf.io.TFRecordWriter(str(path), "GZIP" if path.suffix == ".gz" else "") as writer:
        for record in RECORDS:
            writer.write(record)
    return path


def test_records_are_read_in_their_order(path):
    assert list(read_records(str(path))) == RECORDS


def test_a_file_cut_off_in_a_record_is_damaged(path):
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(tf.errors.DataLossError):
        list(read_records(str(path)))
