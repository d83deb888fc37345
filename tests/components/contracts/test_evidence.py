"""Evidence on disk: read back as it was written, and refused where the code that reads it would go astray."""

import json

import pytest

from components.contracts.baseline_record import BaselinesReport, ClassifierKind, MethodResult
from components.contracts.evidence import Check, CheckName, FeatureKind, ProbeReport, SplitCounts, VerdictReport
from components.contracts.record_files import RecordError, read_record, write_record
from tests.components.evidence_records import make_entry, make_features, make_probe, make_verdict

CHECK = Check(name=CheckName.MIN_ACCURACY, passed=True, text="enough", value=0.9, threshold=0.8)


@pytest.mark.parametrize(
    "report",
    [
        make_probe(features={kind: make_features() for kind in FeatureKind}),
        make_verdict(checks=(CHECK,), in_use=make_entry("a" * 64, span=4)),
    ],
)
def test_evidence_is_read_back_as_it_was_written(tmp_path, report):
    path = str(tmp_path / "evidence.json")
    write_record(path, report)
    assert read_record(type(report), path) == report


def test_results_without_the_encoder_are_refused(tmp_path):
    path = tmp_path / "probe.json"
    write_record(str(path), make_probe())
    content = json.loads(path.read_text())
    content["features"] = {"raw_pixels": content["features"]["encoder"]}
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"probe\.json: features: expected results of the encoder, found \['raw_pix"):
        read_record(ProbeReport, str(path))


def test_an_unknown_verdict_is_refused(tmp_path):
    path = tmp_path / "verdict.json"
    write_record(str(path), make_verdict())
    path.write_text(path.read_text().replace('"blessed"', '"perhaps"'))
    with pytest.raises(RecordError, match=r"verdict\.json: verdict: .*found 'perhaps'"):
        read_record(VerdictReport, str(path))


def make_result(fraction: float) -> MethodResult:
    return MethodResult(
        fraction=fraction,
        labels=10,
        accuracy_mean=0.5,
        accuracy_std=0.0,
        accuracies=(0.5,),
        interval=(0.4, 0.6),
        difference=None,
        difference_interval=None,
    )


@pytest.mark.parametrize(
    ("methods", "sentence"),
    [
        ({ClassifierKind.FROZEN: (make_result(1.0),)}, "expected results of linear_probe, found .'frozen'"),
        (
            {ClassifierKind.LINEAR_PROBE: (make_result(0.1), make_result(1.0)), ClassifierKind.FROZEN: ()},
            "expected a result of every method at each label fraction",
        ),
    ],
)
def test_baselines_that_cannot_be_compared_are_refused(methods, sentence):
    with pytest.raises(ValueError, match=sentence):
        BaselinesReport(
            methods=methods,
            confidence=0.95,
            counts=SplitCounts(train=1, test=1),
            encoder_digest="e",
            image_passes=1,
            batch_size=1,
            checkpoint_directory="2" * 32,
            config={},
        )
