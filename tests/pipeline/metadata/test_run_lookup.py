"""From a name to the folder of a report: ids, versions and paths, in a real metadata store and registry."""

import json
import pathlib

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.contracts import artifact_files, signatures
from components.contracts.images import ImageConfig
from components.contracts.record_files import record_to_mapping
from components.export import publishing, registry
from components.export.image_files import Decoding
from pipeline import cli
from pipeline.metadata.run_lookup import NoSuchRunError, report_folder
from tests.components.example_records import version_record


class Workdir:
    """A work directory after two runs, of which the second took its report from the cache of the first."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        path.mkdir()
        connection = metadata_store_pb2.ConnectionConfig()
        connection.sqlite.filename_uri = str(path / "metadata.sqlite")
        connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self._store = metadata_store.MetadataStore(connection)
        self._types = {
            "step": self._store.put_execution_type(metadata_store_pb2.ExecutionType(name="step")),
            "run": self._store.put_context_type(metadata_store_pb2.ContextType(name="pipeline_run")),
            "Report": self._store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Report")),
            "Model": self._store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Model")),
        }

    def artifact(self, kind: str, uri: str) -> int:
        made = metadata_store_pb2.Artifact(type_id=self._types[kind], uri=uri)
        return self._store.put_artifacts([made])[0]

    def run(self, name: str, *outputs: int, given: int | None = None) -> None:
        """A run of one step with inputs ``given`` and outputs ``outputs``; all carry the run's context, as in TFX."""
        kinds = metadata_store_pb2.Event
        events = [(number, kinds.OUTPUT) for number in outputs] + ([(given, kinds.INPUT)] if given else [])
        self._store.put_execution(
            metadata_store_pb2.Execution(type_id=self._types["step"]),
            [
                (artifact, metadata_store_pb2.Event(type=kind))
                for number, kind in events
                for artifact in self._store.get_artifacts_by_id([number])
            ],
            [metadata_store_pb2.Context(type_id=self._types["run"], name=name)],
        )


@pytest.fixture
def workdir(tmp_path) -> pathlib.Path:
    made = Workdir(tmp_path / "runs")
    report = made.artifact("Report", "/reports/1")
    made.run("20260101-1", made.artifact("Model", "/models/1"), report)
    made.run("20260102-2", report)
    later = made.artifact("Report", "/reports/2")
    made.run("20260103-3", later)
    made.run("20260104-4", made.artifact("Model", "/models/2"), given=report)
    made.run("20260105-5", report, given=later)
    return tmp_path / "runs"


def test_a_report_is_found_where_its_work_directory_is_now(tmp_path):
    made = Workdir(tmp_path / "before")
    made.run("20260101-1", made.artifact("Report", str(tmp_path / "before" / "pipeline_root" / "Report" / "1")))
    (tmp_path / "before" / "pipeline_root" / "Report" / "1").mkdir(parents=True)
    moved = (tmp_path / "before").rename(tmp_path / "after")
    assert report_folder("latest", moved) == str(moved / "pipeline_root" / "Report" / "1")


def push(workdir: pathlib.Path, model: str, digest: str, run: str) -> None:
    source = workdir / "source"
    source.mkdir(exist_ok=True)
    (source / "saved_model.pb").write_text(digest)
    publishing.push(
        workdir / "registry",
        model,
        source,
        content_digest=digest * 64,
        source=str(source),
        decoding=Decoding(image=ImageConfig(), ingestion={}),
        span=None,
        blessing=f"/blessings/{digest}",
        describe=lambda _: {signatures.RECORD_FILE: json.dumps(record_to_mapping(version_record(run)))},
        lock_timeout_seconds=5,
    )


@pytest.mark.parametrize(
    ("name", "folder"),
    [("20260101-1", "1"), ("20260102-2", "1"), ("20260103-3", "2"), ("20260105-5", "1"), ("latest", "1")],
)
def test_an_id_names_a_run_and_the_latest_is_that_with_a_report(workdir, name, folder):
    assert report_folder(name, workdir) == f"/reports/{folder}"


def test_ids_are_looked_up_in_the_database_of_a_cluster(workdir, monkeypatch):
    connection = {"sqlite": {"filename_uri": str(workdir / "metadata.sqlite"), "connection_mode": "READWRITE"}}
    monkeypatch.setenv("SIMCLR_METADATA_CONNECTION", json.dumps(connection))
    assert report_folder("20260102-2", None) == "/reports/1"
    with pytest.raises(NoSuchRunError, match="run 1: sqlite has no such run"):
        report_folder("1", None)


def test_a_work_directory_stands_for_its_latest_run_wherever_it_is(workdir, tmp_path):
    assert report_folder(str(workdir), tmp_path / "elsewhere") == "/reports/1"


def test_a_report_is_its_own_name(tmp_path):
    (tmp_path / artifact_files.RUN_FILE).write_text("{}")
    page = tmp_path / artifact_files.REPORT_FILE
    page.write_text("")
    assert report_folder(str(tmp_path), tmp_path) == report_folder(str(page), tmp_path) == str(tmp_path)
    assert report_folder("gs://b/Report/report/7/report.html", tmp_path) == "gs://b/Report/report/7"


def test_a_version_names_the_run_that_pushed_it(workdir):
    push(workdir, "encoder", "a", "20260101-1")
    push(workdir, "encoder", "b", "20260103-3")
    assert [report_folder(name, workdir) for name in ("1", "2", "blessed", "previous", "encoder:1")] == [
        "/reports/1",
        "/reports/2",
        "/reports/2",
        "/reports/1",
        "/reports/1",
    ]
    push(workdir, "other", "c", "20260102-2")
    with pytest.raises(NoSuchRunError, match="holds encoder, other; say MODEL:2"):
        report_folder("2", workdir)
    with pytest.raises(registry.RegistryError):
        report_folder("encoder:9", workdir)
    old = workdir / "registry" / "encoder" / "1" / signatures.RECORD_FILE
    old.write_text('{"run": "20260101-1", "settings": {}}')  # as before files had versions
    with pytest.raises(registry.RegistryError, match=r"1/assets\.extra/record\.json: format_version: expected 2"):
        report_folder("encoder:1", workdir)


@pytest.mark.parametrize(
    ("name", "message"),
    [("20270101-9", "has no such run"), ("20260104-4", "has no report of it"), ("1", "holds no model")],
)
def test_what_does_not_exist_is_said_with_the_place(workdir, name, message):
    with pytest.raises(NoSuchRunError, match=message):
        report_folder(name, workdir)


def test_a_path_or_work_directory_without_runs_is_named(tmp_path):
    with pytest.raises(NoSuchRunError, match="expected a work directory or a report"):
        report_folder(str(tmp_path), tmp_path)
    with pytest.raises(NoSuchRunError, match="name another --workdir"):
        report_folder("latest", tmp_path)


def test_the_command_says_in_a_sentence_what_it_did_not_find(tmp_path, capsys):
    assert cli.main(["report", "--compare", "latest", "1", "--workdir", str(tmp_path)]) == 1
    assert "there is no" in capsys.readouterr().err
