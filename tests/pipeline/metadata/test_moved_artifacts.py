"""After a work directory was moved or copied, its artifacts are those that lie in it."""

import shutil

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration import metadata

from pipeline.metadata import moved_artifacts

_LIVE, _DELETED = mlmd.Artifact.LIVE, mlmd.Artifact.DELETED


@pytest.fixture
def original(tmp_path):
    """A work directory whose database names an artifact that is there, one that is not, and two of other places."""
    workdir = tmp_path / "original"
    (workdir / "pipeline_root" / "SchemaGen" / "schema" / "1").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    store = metadata_store.MetadataStore(_connection(workdir))
    kind = store.put_artifact_type(mlmd.ArtifactType(name="Schema"))
    root = workdir / "pipeline_root" / "SchemaGen" / "schema"
    for uri in (root / "1", root / "2", tmp_path / "elsewhere", "gs://bucket/pipeline_root/SchemaGen/schema/1"):
        store.put_artifacts([mlmd.Artifact(type_id=kind, uri=str(uri), state=_LIVE)])
    return workdir


def _connection(workdir):
    return metadata.sqlite_metadata_connection_config(str(workdir / "metadata.sqlite"))


def _settle(workdir):
    moved = moved_artifacts.settle(_connection(workdir), workdir / "pipeline_root")
    found = metadata_store.MetadataStore(_connection(workdir)).get_artifacts()
    return moved, [(artifact.uri, artifact.state) for artifact in sorted(found, key=lambda artifact: artifact.id)]


def _expected(workdir, tmp_path, written_for):
    return [
        (f"{workdir}/pipeline_root/SchemaGen/schema/1", _LIVE),
        (f"{written_for}/pipeline_root/SchemaGen/schema/2", _DELETED),
        (f"{tmp_path}/elsewhere", _LIVE),
        ("gs://bucket/pipeline_root/SchemaGen/schema/1", _LIVE),
    ]


def test_in_place_only_what_is_gone_is_marked(original, tmp_path):
    assert _settle(original) == (0, _expected(original, tmp_path, original))
    assert _settle(original) == (0, _expected(original, tmp_path, original))


def test_a_push_whose_version_is_gone_is_marked(original, tmp_path):
    store = metadata_store.MetadataStore(_connection(original))
    kind = store.put_artifact_type(mlmd.ArtifactType(name="PushedModel"))
    (tmp_path / "registry" / "1").mkdir(parents=True)
    places = str(tmp_path / "registry" / "1"), str(tmp_path / "registry" / "2"), "gs://bucket/registry/3"
    for place in places:
        artifact = mlmd.Artifact(type_id=kind, uri=str(tmp_path / "elsewhere"), state=_LIVE)
        artifact.custom_properties["pushed_destination"].string_value = place
        store.put_artifacts([artifact])
    assert [state for _, state in _settle(original)[1][-3:]] == [_LIVE, _DELETED, _LIVE]


def test_a_moved_directory_uses_its_own_files(original, tmp_path):
    moved = original.rename(tmp_path / "moved")
    assert _settle(moved) == (1, _expected(moved, tmp_path, original))
    assert _settle(moved)[0] == 0


def test_a_copy_does_not_use_the_files_of_the_original(original, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    assert _settle(copy) == (1, _expected(copy, tmp_path, original))
    assert (original / "pipeline_root" / "SchemaGen" / "schema" / "1").is_dir()
