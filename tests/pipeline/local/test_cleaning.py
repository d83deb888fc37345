"""Cleaning removes records that only old runs used, and nothing that anything else needs."""

import pathlib

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline import cli
from pipeline.local import cleaning
from pipeline.metadata import connection as metadata_connection
from pipeline.workdir import Workdir

_OUTPUT, _INPUT = mlmd.Event.OUTPUT, mlmd.Event.INPUT


class Runs:
    """A work directory whose database has runs that wrote and read artifacts with files."""

    def __init__(self, root: pathlib.Path):
        self.workdir = Workdir(root, "")
        pathlib.Path(self.workdir.pipeline_root).mkdir()
        self.store = metadata_store.MetadataStore(metadata_connection.local(self.workdir.metadata_path))
        self._run_type = self.store.put_context_type(mlmd.ContextType(name="pipeline_run"))
        self._step_type = self.store.put_execution_type(mlmd.ExecutionType(name="step"))

    def artifact(self, kind: str, name: str, place: pathlib.Path | None = None) -> int:
        folder = (place or pathlib.Path(self.workdir.pipeline_root)) / name
        (folder / "Split-train").mkdir(parents=True)
        (folder / "Split-train" / "records").write_bytes(b"12345")
        (folder / "summary.json").write_text("{}")
        type_id = self.store.put_artifact_type(mlmd.ArtifactType(name=kind))
        [found] = self.store.put_artifacts([mlmd.Artifact(type_id=type_id, uri=str(folder), state=mlmd.Artifact.LIVE)])
        return found

    def run(self, name: str, **artifacts: list[int]) -> None:
        [run] = self.store.put_contexts([mlmd.Context(type_id=self._run_type, name=name)])
        [step] = self.store.put_executions([mlmd.Execution(type_id=self._step_type)])
        self.store.put_attributions_and_associations([], [mlmd.Association(context_id=run, execution_id=step)])
        events = [(_OUTPUT, found) for found in artifacts.get("wrote", [])]
        events += [(_INPUT, found) for found in artifacts.get("read", [])]
        self.store.put_events([mlmd.Event(artifact_id=at, execution_id=step, type=kind) for kind, at in events])

    def clean(self, keep_runs: int, is_trial: bool = False) -> list[str]:
        return [one.path.name for one in cleaning.clean(self.workdir, keep_runs, is_trial)]

    def states(self) -> dict[str, int]:
        return {pathlib.Path(found.uri).name: found.state for found in self.store.get_artifacts()}

    def records(self, name: str) -> bool:
        return pathlib.Path(self.workdir.pipeline_root, name, "Split-train").exists()


@pytest.fixture
def runs(tmp_path):
    """Three runs: the second reads a span of the first, the third takes features of the second from the cache."""
    made = Runs(tmp_path)
    span_1, views_1 = made.artifact("Examples", "span_1"), made.artifact("Examples", "views_1")
    model, report = made.artifact("Model", "model"), made.artifact("Report", "report")
    made.run("1", wrote=[span_1, views_1, model, report])
    span_2, features = made.artifact("Examples", "span_2"), made.artifact("Features", "features")
    made.run("2", wrote=[span_2, features], read=[span_1, model])
    made.run("3", wrote=[features], read=[span_2])
    return made


def test_what_only_old_runs_used_goes_and_its_summary_stays(runs):
    assert runs.clean(keep_runs=2) == ["views_1"]
    assert not runs.records("views_1") and runs.records("span_1")
    assert pathlib.Path(runs.workdir.pipeline_root, "views_1", "summary.json").exists()
    assert runs.states()["views_1"] == mlmd.Artifact.DELETED and runs.states()["span_1"] == mlmd.Artifact.LIVE
    assert runs.clean(keep_runs=2) == []


def test_models_and_reports_stay_whatever_is_kept(runs):
    assert runs.clean(keep_runs=1) == ["span_1", "views_1"]
    assert all(runs.records(name) for name in ("model", "report", "span_2", "features"))


def test_a_dry_run_removes_nothing(runs):
    before = runs.states()
    assert runs.clean(keep_runs=1, is_trial=True) == ["span_1", "views_1"]
    assert runs.states() == before and runs.records("views_1")


def test_more_runs_than_there_are_keep_everything(runs):
    assert runs.clean(keep_runs=9) == []


def test_what_lies_elsewhere_is_not_touched(runs, tmp_path):
    place = tmp_path / "elsewhere"
    runs.artifact("Examples", "original", place)
    link = pathlib.Path(runs.workdir.pipeline_root, "linked")
    link.symlink_to(place / "original")
    type_id = runs.store.put_artifact_type(mlmd.ArtifactType(name="Examples"))
    runs.store.put_artifacts([mlmd.Artifact(type_id=type_id, uri=str(link), state=mlmd.Artifact.LIVE)])
    assert runs.clean(keep_runs=1) == ["span_1", "views_1"]
    assert (place / "original" / "Split-train" / "records").exists()


def test_a_kill_between_mark_and_removal_is_finished_by_the_next_cleaning(runs, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(cleaning.shutil, "rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            runs.clean(keep_runs=2)
    assert runs.states()["views_1"] == mlmd.Artifact.DELETED and runs.records("views_1")
    assert runs.clean(keep_runs=2) == ["views_1"] and not runs.records("views_1")


def test_the_command_says_what_went(runs, capsys):
    words = ["clean", "--workdir", str(runs.workdir.path), "--keep-runs", "2"]
    assert cli.main([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].strip() == "0.0 MiB would be removed"
    assert cli.main(words) == 0
    assert "views_1" in capsys.readouterr().out
    assert cli.main(["clean", "--workdir", str(runs.workdir.path / "nowhere"), "--keep-runs", "2"]) == 1
    assert "expected a work directory, found none" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main([*words[:-1], "0"])
