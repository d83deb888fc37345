import pathlib

import pytest
import tensorflow as tf

from components.augmentation.shards import ShardWriter


def _write(folder, sizes, shard_bytes):
    """{name: sizes of its records} of what is written, and nothing else."""
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True)
    writer = ShardWriter(str(folder / "out"), str(folder / "scratch"), 3, shard_bytes)
    for size in sizes:
        writer.write(bytes(size))
    writer.close()
    assert not list((folder / "scratch").iterdir())
    paths = sorted(pathlib.Path(folder, "out").iterdir())
    return {path.name: [len(record.numpy()) for record in tf.data.TFRecordDataset(str(path))] for path in paths}


def test_a_shard_is_full_where_the_next_record_would_not_fit(tmp_path):
    found = _write(tmp_path, [84, 84, 83, 86, 10, 10], 200)
    assert found == {
        "views-00003-00000.tfrecord": [84, 84],  # 100 bytes each in the file
        "views-00003-00001.tfrecord": [83],
        "views-00003-00002.tfrecord": [86, 10, 10],
    }
    sizes = [path.stat().st_size for path in sorted((tmp_path / "out").iterdir())]
    assert sizes == [200, 99, 154]


def test_a_record_that_is_too_large_has_a_shard_of_its_own(tmp_path):
    assert list(_write(tmp_path, [1, 500, 1], 200).values()) == [[1], [500], [1]]


@pytest.mark.parametrize("sizes, shards", [([], 0), ([5], 1)])
def test_without_records_there_is_no_shard(tmp_path, sizes, shards):
    assert len(_write(tmp_path, sizes, 200)) == shards
