"""An edited file changes the digest of its room and of every room where it is shared."""

import pathlib
import shutil

import pytest

from components.contracts import code_digest as module


@pytest.fixture
def components(tmp_path, monkeypatch):
    copy = tmp_path / "components"
    shutil.copytree(pathlib.Path(module.__file__).parents[1], copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "_COMPONENTS", copy)
    return copy


def test_an_edit_changes_its_own_room_only(components):
    before = [module.code_digest(room) for room in ("validation", "preprocessing")]
    (components / "validation" / "anomalies.py").open("a").write("# edited\n")
    after = [module.code_digest(room) for room in ("validation", "preprocessing")]
    assert after[0] != before[0]
    assert after[1] == before[1]


@pytest.mark.parametrize("shared", ["contracts/records.py", "simclr/draws.py"])
def test_an_edit_of_a_shared_room_changes_every_room(components, shared):
    before = module.code_digest("validation")
    (components / shared).open("a").write("# edited\n")
    assert module.code_digest("validation") != before


def test_a_renamed_file_counts(components):
    before = module.code_digest("validation")
    (components / "validation" / "anomalies.py").rename(components / "validation" / "renamed.py")
    assert module.code_digest("validation") != before


def test_an_unknown_room_is_an_error():
    with pytest.raises(ValueError, match="no room 'kitchen'"):
        module.code_digest("kitchen")
