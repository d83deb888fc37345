"""Only checkpoints of the run's own pipeline root are removed, whatever an artifact says."""

import dataclasses
import pathlib

import pytest
from tfx.types import standard_artifacts

from components.contracts import artifact_files
from components.contracts.record_files import write_record
from pipeline.metadata.states import NodeResult
from pipeline.node import finished_checkpoints
from tests.components.example_records import PRETRAINING

NAME = "a" * 32


@pytest.fixture
def root(tmp_path) -> pathlib.Path:
    """A pipeline root with the checkpoints of two trainings, beside it those of another work directory."""
    for folder in (f"mine/checkpoints/{NAME}", f"mine/checkpoints/{'b' * 32}", f"other/checkpoints/{NAME}"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "checkpoint-1.npz").write_bytes(b"weights")
    return tmp_path / "mine"


def trainer(folder: pathlib.Path, name: str) -> NodeResult:
    model = standard_artifacts.Model()
    model.uri = str(folder)
    record = dataclasses.replace(PRETRAINING, checkpoint_directory=name)
    write_record(str(folder / "Format-Serving" / artifact_files.PRETRAINING_FILE), record)
    return NodeResult("Trainer", 1, "CACHED", 1.0, {"model": [model]})


def left(root: pathlib.Path) -> set[str]:
    return {str(path.relative_to(root.parent)) for path in root.parent.glob("*/checkpoints/*")}


def test_those_of_this_run_go_and_others_stay(root, tmp_path):
    # The artifact of a copied work directory: its files are elsewhere, its checkpoints are looked for here.
    finished_checkpoints.remove(trainer(tmp_path / "other/Trainer/model/7", NAME), str(root))
    assert left(root) == {f"mine/checkpoints/{'b' * 32}", f"other/checkpoints/{NAME}"}


@pytest.mark.parametrize("name", [f"../../other/checkpoints/{NAME}", "", ".", "..", f"{NAME}/../{NAME}", "A" * 32])
def test_a_name_that_is_no_digest_removes_nothing(root, tmp_path, name, caplog):
    before = left(root)
    finished_checkpoints.remove(trainer(tmp_path / "model", name), str(root))
    assert left(root) == before
    assert f"that are no folder of {root}/checkpoints: left alone" in caplog.text


def test_an_absolute_path_removes_nothing(root, tmp_path):
    before = left(root)
    finished_checkpoints.remove(trainer(tmp_path / "model", str(tmp_path / "other/checkpoints" / NAME)), str(root))
    assert left(root) == before


def test_a_link_that_leads_elsewhere_is_left_alone(root, tmp_path):
    (root / "checkpoints" / ("c" * 32)).symlink_to(tmp_path / "other/checkpoints" / NAME)
    finished_checkpoints.remove(trainer(tmp_path / "model", "c" * 32), str(root))
    assert (tmp_path / "other/checkpoints" / NAME / "checkpoint-1.npz").exists()
