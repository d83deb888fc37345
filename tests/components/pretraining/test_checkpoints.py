"""Checkpoints are whole or not there."""

import pathlib

import numpy as np
import pytest

from components.pretraining import checkpoints


def arrays(value: float) -> dict[str, np.ndarray]:
    return {"encoder/00000": np.full((2, 3), value, np.float32), "optimizer/00000": np.array(7, np.int64)}


def test_gives_back_what_was_saved(tmp_path):
    folder = str(tmp_path / "new" / "folder")
    assert checkpoints.load_latest(folder) is None
    checkpoints.save(folder, 12, arrays(0.5), {"history": [{"loss": 1.5}], "seconds": 2.0})
    loaded = checkpoints.load_latest(folder)
    assert loaded.step == 12
    assert loaded.state == {"history": [{"loss": 1.5}], "seconds": 2.0}
    assert loaded.arrays.keys() == arrays(0.5).keys()
    np.testing.assert_array_equal(loaded.arrays["encoder/00000"], np.full((2, 3), 0.5, np.float32))
    assert loaded.arrays["optimizer/00000"].dtype == np.int64


def test_keeps_the_newest_two(tmp_path):
    for step in (5, 10, 15, 20):
        checkpoints.save(str(tmp_path), step, arrays(step), {})
    assert [path.name[:20] for path in sorted(tmp_path.iterdir())] == ["checkpoint-000000015", "checkpoint-000000020"]
    assert checkpoints.load_latest(str(tmp_path)).step == 20


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_passes_over_a_damaged_file(tmp_path, caplog, damage):
    checkpoints.save(str(tmp_path), 5, arrays(5), {})
    path = pathlib.Path(checkpoints.save(str(tmp_path), 10, arrays(10), {}))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = {"truncated": content[:-10], "flipped": content, "empty": b""}[damage]
    path.write_bytes(damaged)
    assert checkpoints.load_latest(str(tmp_path)).step == 5
    assert "damaged" in caplog.text


def test_leftovers_of_a_killed_writer_are_ignored_and_removed(tmp_path):
    checkpoints.save(str(tmp_path), 5, arrays(5), {})
    leftover = tmp_path / "checkpoint-000000010-0123456789abcdef.npz.4711.partial"
    leftover.write_bytes(b"half")
    assert checkpoints.load_latest(str(tmp_path)).step == 5
    checkpoints.save(str(tmp_path), 15, arrays(15), {})
    assert not leftover.exists()
    assert checkpoints.load_latest(str(tmp_path)).step == 15


def test_they_live_under_the_root_of_the_pipeline():
    assert checkpoints.root("/a/b/Trainer/model/12") == "/a/b/checkpoints"
    assert checkpoints.root("gs://bucket/run/Trainer/model/12/") == "gs://bucket/run/checkpoints"
    with pytest.raises(ValueError, match="expected <pipeline root>/<node>/<output>/<execution>, found model/12"):
        checkpoints.root("model/12")
