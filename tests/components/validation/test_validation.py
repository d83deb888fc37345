"""Statistics to schema to anomalies to a stopped run, with TFX's own steps in between."""

import pathlib

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components.example_validator import executor as validator_executor
from tfx.types import standard_artifacts
from tfx.types.artifact_utils import encode_split_names

from components.contracts import artifact_files, artifacts, records
from components.contracts.drift_record import DriftRecord
from components.contracts.record_files import write_record
from components.validation import anomalies, anomaly_gate_executor, schema_executor, schema_resolver

_SPLITS = ["train", "test", "unlabeled"]


def _statistics(folder, labels):
    """An ExampleStatistics artifact over frames with a height and, except in ``unlabeled``, a label."""
    artifact = standard_artifacts.ExampleStatistics()
    artifact.uri = str(folder)
    artifact.split_names = encode_split_names(_SPLITS)
    for split in _SPLITS:
        frame = pd.DataFrame({records.HEIGHT: [8] * len(labels)})
        if split != "unlabeled":
            frame[records.LABEL] = labels
        path = pathlib.Path(folder) / f"Split-{split}" / "FeatureStats.pb"
        path.parent.mkdir(parents=True)
        path.write_bytes(tfdv.generate_statistics_from_dataframe(frame).SerializeToString())
    return artifact


def _infer(folder, statistics):
    schema = standard_artifacts.Schema()
    schema.uri = str(folder)
    schema_executor.Executor().Do(
        {"statistics": [statistics]},
        {"schema": [schema]},
        {"infer_feature_shape": 0, "exclude_splits": '["unlabeled"]'},
    )
    return schema


def _validate(folder, statistics, schema):
    found = standard_artifacts.ExampleAnomalies()
    found.uri = str(folder)
    validator_executor.Executor().Do(
        {"statistics": [statistics], "schema": [schema]}, {"anomalies": [found]}, {"exclude_splits": '["unlabeled"]'}
    )
    return found


def _judge(found, folder):
    clearance, statistics, drift = (
        artifacts.AnomalyClearance(),
        standard_artifacts.ExampleStatistics(),
        standard_artifacts.ExampleAnomalies(),
    )
    clearance.uri, drift.uri = str(folder), str(folder)
    folder.mkdir()
    record = DriftRecord(span=0, baseline_span=None, is_accepted=False, notes=(), comparisons=())
    write_record(str(folder / artifact_files.DRIFT_FILE), record)
    inputs = {"anomalies": [found], "drift": [drift], "statistics": [statistics]}
    anomaly_gate_executor.Executor().Do(inputs, {"clearance": [clearance]}, {})
    return clearance


@pytest.mark.parametrize("labels", [["cat", "dog"], ["0", "1"]])
def test_data_like_before_passes(tmp_path, labels):
    schema = _infer(tmp_path / "schema", _statistics(tmp_path / "first", labels * 4))
    found = _validate(tmp_path / "anomalies", _statistics(tmp_path / "second", labels * 3), schema)
    clearance = _judge(found, tmp_path / "clearance")
    assert clearance.get_float_custom_property(artifact_files.SECONDS) >= 0


@pytest.mark.parametrize(("known", "new"), [(["cat", "dog"], "horse"), (["0", "1"], "7")])
def test_a_new_class_stops_the_run_with_a_page(tmp_path, known, new):
    schema = _infer(tmp_path / "schema", _statistics(tmp_path / "first", known * 4))
    found = _validate(tmp_path / "anomalies", _statistics(tmp_path / "second", [*known, new]), schema)
    with pytest.raises(anomaly_gate_executor.AnomaliesFoundError, match=f"feature label.*{new}.*simclr schema accept"):
        _judge(found, tmp_path / "clearance")
    page = (tmp_path / "anomalies" / artifact_files.ANOMALIES_PAGE).read_text()
    assert "split train, feature label" in page
    assert "split test, feature label" in page


def test_the_page_and_the_message_name_the_command_of_the_run(monkeypatch):
    monkeypatch.setenv(anomalies.ACCEPT_VARIABLE, "simclr schema accept --workdir '/runs/my photos'")
    for text in (anomalies.page(["a"]), anomalies.error_message(["a"], "/page.md")):
        assert "run `simclr schema accept --workdir '/runs/my photos'`, and run again" in text


def test_a_class_name_is_text_on_the_page():
    page = anomalies.page(["unexpected value cat\n# blessed\n<script>"])
    assert r"- unexpected value cat \# blessed &lt;script&gt;" in page.splitlines()


def test_missing_labels_stop_the_run(tmp_path):
    schema = _infer(tmp_path / "schema", _statistics(tmp_path / "first", ["cat", "dog"] * 4))
    found = _validate(tmp_path / "anomalies", _statistics(tmp_path / "second", ["cat", None, "dog"]), schema)
    with pytest.raises(anomaly_gate_executor.AnomaliesFoundError, match="label"):
        _judge(found, tmp_path / "clearance")


def test_sentences_of_no_anomaly_are_none():
    assert anomalies.sentences({"train": anomalies_pb2.Anomalies()}) == []


def _schema(identity, accepted_at=None):
    schema = standard_artifacts.Schema()
    schema.mlmd_artifact.id = identity
    schema.mlmd_artifact.state = metadata_store_pb2.Artifact.LIVE
    if accepted_at is not None:
        schema.set_int_custom_property(artifact_files.ACCEPTED_AT, accepted_at)
    return schema


@pytest.mark.parametrize(
    ("schemas", "chosen"),
    [
        ([(3, None), (1, None), (2, None)], 1),
        ([(1, None), (2, 100), (3, None)], 2),
        ([(1, 300), (2, 100), (3, 200)], 1),
    ],
)
def test_the_schema_accepted_last_is_in_use_or_else_the_first(schemas, chosen):
    candidates = [_schema(*schema) for schema in schemas]
    assert schema_resolver.choose(candidates).id == chosen


def test_the_resolver_waits_for_the_first_schema():
    resolver = schema_resolver.SchemaInUse()
    assert resolver.resolve_artifacts(None, {"inferred": [], "schema": []}) is None
    first, second = _schema(1), _schema(2)
    resolved = resolver.resolve_artifacts(None, {"inferred": [second], "schema": [second, first]})
    assert [artifact.id for artifact in resolved["schema"]] == [1]
