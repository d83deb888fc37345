"""The files and properties that the Gate writes, and how TFX's Pusher reads them; test_component.py has a whole run."""

import pathlib

import pytest
from tfx.components.evaluator import constants
from tfx.components.pusher import executor as pusher_executor
from tfx.types import standard_artifacts

from components.contracts import artifact_files, artifacts, configuration, files, signatures
from components.contracts.evidence import Check, CheckName, Verdict, VerdictReport
from components.contracts.record_files import read_record
from components.linear_evaluation import blessing_resolver, gate, gate_executor
from components.linear_evaluation.config import GateConfig


def make_artifact(kind, number: int, uri: pathlib.Path, digest: str = ""):
    artifact = kind()
    artifact.id, artifact.uri = number, str(uri)
    uri.mkdir(parents=True, exist_ok=True)
    artifact.set_string_custom_property(artifact_files.CONTENT_DIGEST, digest)
    return artifact


@pytest.fixture
def inputs(tmp_path):
    in_force = make_artifact(standard_artifacts.ModelBlessing, 4, tmp_path / "older", "b" * 64)
    in_force.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, 1)
    return {
        "model": [make_artifact(standard_artifacts.Model, 2, tmp_path / "new", "a" * 64)],
        "baseline_model": [make_artifact(standard_artifacts.Model, 1, tmp_path / "old", "b" * 64)],
        "model_blessing": [in_force],
        "evaluation": [make_artifact(standard_artifacts.ModelEvaluation, 5, tmp_path / "evaluation")],
        "probe_report": [make_artifact(artifacts.ProbeReport, 6, tmp_path / "report")],
    }


def test_the_span_goes_from_the_model_into_blessing_and_evidence(inputs, tmp_path):
    artifacts.set_data_span(inputs["model"][0], 12)
    artifacts.set_data_span(inputs["model_blessing"][0], 19)
    blessing = make_artifact(standard_artifacts.ModelBlessing, 7, tmp_path / "blessing")
    written = run_gate(inputs, blessing)
    assert artifacts.data_span(blessing) == 12
    assert (written.candidate.span, written.in_use.span) == (12, 19)
    without = make_artifact(standard_artifacts.ModelBlessing, 8, tmp_path / "without")
    run_gate({**inputs, "model": inputs["baseline_model"]}, without)
    assert artifacts.data_span(without) is None


def run_gate(inputs, blessing) -> VerdictReport:
    parameters = {artifact_files.CONFIG: configuration.to_json(GateConfig()), artifact_files.CODE_DIGEST: "x"}
    gate_executor.Executor().Do(inputs, {"blessing": [blessing]}, parameters)
    return read_record(VerdictReport, f"{blessing.uri}/{artifact_files.VERDICT_FILE}")


def is_pushed(blessing) -> bool:
    return pusher_executor.Executor().CheckBlessing({"model_blessing": [blessing]})


def test_empty_evidence_closes_the_gate_without_an_error(inputs, tmp_path):
    blessing = make_artifact(standard_artifacts.ModelBlessing, 7, tmp_path / "blessing")
    (tmp_path / "blessing" / "BLESSED").touch()  # of a killed attempt
    written = run_gate(inputs, blessing)
    assert written.verdict == Verdict.NOT_BLESSED == blessing.get_string_custom_property(artifact_files.VERDICT)
    assert [reason.partition(" cannot")[0] for reason in written.reasons] == [
        "the probe report",
        "the test predictions",
        "the Evaluator's result",
    ]
    assert blessing.get_string_custom_property(artifact_files.REASON) == written.reason
    assert sorted(path.name for path in (tmp_path / "blessing").iterdir()) == [
        "NOT_BLESSED",
        artifact_files.VERDICT_FILE,
    ]
    assert not is_pushed(blessing)


def test_a_damaged_record_of_the_model_in_use_closes_the_gate(inputs, tmp_path):
    damaged = tmp_path / "old" / "Format-Serving" / signatures.PREDICTIONS_FILE
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"PK half a file")
    blessing = make_artifact(standard_artifacts.ModelBlessing, 7, tmp_path / "blessing")
    written = run_gate(inputs, blessing)
    assert written.reasons[-1].startswith("the predictions of the model in use cannot be read")


def test_a_report_of_another_version_closes_the_gate_with_its_reason(inputs, tmp_path):
    blessing = make_artifact(standard_artifacts.ModelBlessing, 7, tmp_path / "blessing")
    report = tmp_path / "report" / artifact_files.PROBE_FILE
    files.write_json(str(report), {"accuracy": 0.99})
    written = run_gate(inputs, blessing)
    assert written.verdict is Verdict.NOT_BLESSED
    assert written.reasons[0].startswith(
        f"the probe report cannot be used: {report}: format_version: expected 1, found"
    )


def test_a_missing_input_closes_the_gate(inputs, tmp_path):
    blessing = make_artifact(standard_artifacts.ModelBlessing, 7, tmp_path / "blessing")
    written = run_gate({**inputs, "evaluation": []}, blessing)
    assert "the Evaluator's result is missing" in written.reasons


@pytest.mark.parametrize("has_baseline", [True, False])
@pytest.mark.parametrize(
    ("verdict", "pushed", "marker"),
    [
        (Verdict.BLESSED, True, "BLESSED"),
        (Verdict.UNCHANGED, True, "BLESSED"),
        (Verdict.NOT_BLESSED, False, "NOT_BLESSED"),
    ],
)
def test_the_blessing_is_one_of_tfx(inputs, tmp_path, monkeypatch, verdict, pushed, marker, has_baseline):
    check = Check(name=CheckName.MIN_ACCURACY, passed=pushed, text="because", value=0.9, threshold=0.8)
    monkeypatch.setattr(gate, "judge", lambda *_: gate.Judgement(verdict, ("because",), ("mind",), (check,)))
    blessing = make_artifact(standard_artifacts.ModelBlessing, 7, tmp_path / "blessing")
    if not has_baseline:  # as a Resolver that finds nothing, or an input that is not there at all
        inputs = {**inputs, "baseline_model": []}
        del inputs["model_blessing"]
    written = run_gate(inputs, blessing)
    assert is_pushed(blessing) is pushed
    assert (tmp_path / "blessing" / marker).exists()
    numbers = {
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY: 2,
        constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY: 1 if has_baseline else 0,
        blessing_resolver.IN_FORCE_ID: 4 if has_baseline else 0,
    }
    assert {key: blessing.get_int_custom_property(key) for key in numbers} == numbers
    assert blessing.get_string_custom_property(artifact_files.CONTENT_DIGEST) == "a" * 64
    assert blessing.get_float_custom_property(artifact_files.SECONDS) > 0
    assert written.checks == (check,)
    assert written.warnings == ("mind",)
    assert (written.baseline is not None) == (written.in_use is not None) == has_baseline
