"""The Report step on artifacts as the other steps write them."""

import dataclasses
import json
import pathlib

import pytest
from tfx import types
from tfx.types import standard_artifacts

from components.contracts import artifact_files, artifacts, files
from components.contracts.record_files import write_record
from components.report.component import Report
from components.report.config import ReportConfig
from components.report.executor import Executor
from components.report.run_record import RunRecord

INPUTS = {
    "examples": standard_artifacts.Examples,
    "statistics": standard_artifacts.ExampleStatistics,
    "drift": standard_artifacts.ExampleAnomalies,
    "window": standard_artifacts.Examples,
    "transform_graph": standard_artifacts.TransformGraph,
    "views": standard_artifacts.Examples,
    "tuner_results": standard_artifacts.TunerResults,
    "pretrained_model": standard_artifacts.Model,
    "features": artifacts.Features,
    "probe_report": artifacts.ProbeReport,
    "evaluation": standard_artifacts.ModelEvaluation,
    "blessing": standard_artifacts.ModelBlessing,
    "pushed_model": standard_artifacts.PushedModel,
    "baseline_report": artifacts.Report,
}


@pytest.fixture
def inputs(tmp_path, record) -> dict[str, types.Artifact]:
    return make_inputs(tmp_path, record)


def make_inputs(tmp_path: pathlib.Path, record: RunRecord) -> dict[str, types.Artifact]:
    """The parts of ``record`` in artifacts."""
    found = {}
    for name in [name for name in INPUTS if name != "baseline_report"]:
        found[name] = INPUTS[name]()
        found[name].uri = str(tmp_path / name)
        if name != "pretrained_model":  # TFX's Trainer writes no such property
            found[name].set_float_custom_property(artifact_files.SECONDS, 1.5)
        (tmp_path / name).mkdir(parents=True)
    model = tmp_path / "pretrained_model" / "Format-Serving"
    model.mkdir()
    for path, content in (
        (tmp_path / "examples" / artifact_files.INGESTION_SUMMARY_FILE, record.ingestion),
        (tmp_path / "probe_report" / artifact_files.PROBE_FILE, record.probe),
        (tmp_path / "blessing" / artifact_files.VERDICT_FILE, record.verdict),
        (tmp_path / "drift" / artifact_files.DRIFT_FILE, record.drift),
        (tmp_path / "window" / artifact_files.WINDOW_FILE, record.window),
        (tmp_path / "views" / artifact_files.VIEWS_SUMMARY_FILE, record.views),
        (tmp_path / "tuner_results" / artifact_files.TUNING_FILE, record.tuning),
        (model / artifact_files.PRETRAINING_FILE, record.pretraining),
        (tmp_path / "pushed_model" / artifact_files.PUSH_FILE, record.push),
    ):
        write_record(str(path), content)
    lines = "".join(json.dumps(dataclasses.asdict(entry)) + "\n" for entry in record.quarantine)
    (tmp_path / "examples" / artifact_files.QUARANTINE_FILE).write_text(lines)
    (model / artifact_files.VIEW_GRID_FILE).write_bytes(record.view_grid)
    found["blessing"].set_string_custom_property(artifact_files.VERDICT, "blessed")
    found["blessing"].set_string_custom_property(artifact_files.CONTENT_DIGEST, "c" * 64)
    predictions = str(tmp_path / "probe_report" / artifact_files.TEST_PREDICTIONS_FILE)
    files.write_arrays(predictions, record.predictions.to_arrays())
    return found


def write_report(inputs: dict[str, types.Artifact], folder: pathlib.Path) -> tuple[artifacts.Report, str]:
    channels = {name: types.Channel(type=INPUTS[name]) for name in inputs}
    step = Report(config=ReportConfig(title="A run"), pipeline_config='{"name": "small"}', **channels)
    report = artifacts.Report()
    report.uri = str(folder)
    Executor().Do({name: [found] for name, found in inputs.items()}, {"report": [report]}, dict(step.exec_properties))
    return report, (folder / artifact_files.REPORT_FILE).read_text(encoding="utf-8")


def test_the_page_tells_of_every_artifact(inputs, tmp_path):
    report, page = write_report(inputs, tmp_path / "report")
    for text in (
        "A run",
        "Not blessed",
        "Nothing was pushed.",
        "exact duplicates left out",
        "Span 4 beside span 3",
        "Spans that were trained on",
        "stored views per image",
        "Trials of the Tuner",
        "peak learning rate",
        "Most confident mistakes",
        'class="views',
        "onerror=&#34;alert(1)",
        "small",
    ):
        assert text in page, text
    assert page.count('<th scope="row">ImageExampleGen</th><td class="number">1.5 s</td>') == 1
    assert "1 min 53 s" in page  # twelve steps and the 95 s of training
    assert report.get_float_custom_property(artifact_files.SECONDS) > 0
    assert report.get_int_custom_property("bytes") == len(page.encode("utf-8"))


def test_the_report_is_found_by_content_and_verdict(inputs, tmp_path):
    report, _ = write_report(inputs, tmp_path / "report")
    assert report.get_string_custom_property(artifact_files.CONTENT_DIGEST) == "c" * 64
    assert report.get_string_custom_property(artifact_files.VERDICT) == "blessed"


def test_a_later_run_is_compared_with_the_one_whose_model_is_in_use(inputs, tmp_path, earlier_record):
    earlier = make_inputs(tmp_path / "earlier", earlier_record)
    before, _ = write_report(earlier, tmp_path / "earlier" / "report")
    _, page = write_report({**inputs, "baseline_report": before}, tmp_path / "report")
    assert "Wrong before, right now: 2" in page
    trained = tmp_path / "earlier" / "pretrained_model" / "Format-Serving" / artifact_files.PRETRAINING_FILE
    content = trained.read_text()
    trained.write_text('{"history": [], "settings": {}}')  # as before files had versions
    _, page = write_report({**inputs, "baseline_report": before}, tmp_path / "report")
    assert "Wrong before, right now" not in page and "or its files are gone or of another version" not in page
    trained.write_text(content)
    probe = tmp_path / "earlier" / "probe_report" / artifact_files.PROBE_FILE
    probe.write_text(json.dumps({"as": "another version of the code writes it"}))
    _, page = write_report({**inputs, "baseline_report": before}, tmp_path / "report")
    assert "Wrong before, right now" not in page
    probe.unlink()
    _, page = write_report({**inputs, "baseline_report": before}, tmp_path / "report")
    assert "Wrong before, right now" not in page and "No other model was in use." in page


@pytest.mark.parametrize(
    "name", [name for name in INPUTS if name not in ("window", "tuner_results", "baseline_report")]
)
def test_what_every_run_has_must_be_given(name):
    channels = {other: types.Channel(type=kind) for other, kind in INPUTS.items() if other != name}
    with pytest.raises(TypeError, match=name):
        Report(config=ReportConfig(), pipeline_config="{}", **channels)


def test_a_file_that_is_missing_is_named(inputs, tmp_path):
    (tmp_path / "probe_report" / artifact_files.TEST_PREDICTIONS_FILE).unlink()
    with pytest.raises(ValueError, match=r"probe_report/test_predictions\.npz is missing"):
        write_report(inputs, tmp_path / "report")


def test_what_a_killed_attempt_left_is_overwritten(inputs, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / artifact_files.REPORT_FILE).write_text("half a pa")
    _, page = write_report(inputs, tmp_path / "report")
    assert page.rstrip().endswith("</html>")


def test_a_damaged_file_is_named(inputs, tmp_path):
    (tmp_path / "blessing" / artifact_files.VERDICT_FILE).write_text('{"verdict": ')
    with pytest.raises(ValueError, match=r"blessing/verdict\.json: expected JSON, found something else"):
        write_report(inputs, tmp_path / "report")


def test_parameters_do_not_change_from_run_to_run():
    channels = {name: types.Channel(type=kind) for name, kind in INPUTS.items()}
    first, second = (Report(config=ReportConfig(), pipeline_config="{}", **channels).exec_properties for _ in range(2))
    assert first == second
    assert set(first) == {artifact_files.CONFIG, artifact_files.CODE_DIGEST, "pipeline_config"}
