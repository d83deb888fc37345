"""The last lines of a run."""

import dataclasses

from components.contracts.evidence import FeatureKind, Verdict
from pipeline.local.outcome import Outcome
from tests.components.evidence_records import make_features, make_fraction, make_probe


def make_outcome(verdict: Verdict) -> Outcome:
    fractions = make_fraction(0.1, 10, (0.95, 0.97)), make_fraction(1.0, 100, (0.99,))
    probe = make_probe(
        features={
            FeatureKind.ENCODER: make_features(fractions=fractions),
            FeatureKind.RAW_PIXELS: make_features(fractions=(make_fraction(1.0, 100, (0.9,)),)),
        }
    )
    return Outcome(
        verdict,
        "because",
        probe,
        "no other model was blessed before",
        ("all images are gray",),
        "/models/1",
        (),
        "/report.html",
    )


def test_the_lines_say_verdict_accuracies_warnings_and_places():
    assert make_outcome(Verdict.BLESSED).text().splitlines() == [
        "Verdict    blessed: because",
        "Accuracy   encoder         100% of labels 0.990, 10% of labels 0.960 ± 0.010",
        "           raw pixels      100% of labels 0.900",
        "Test split no other model was blessed before",
        "Warning    all images are gray",
        "Model      /models/1",
        "Report     /report.html",
    ]


def test_a_file_name_adds_no_line():
    forged = dataclasses.replace(
        make_outcome(Verdict.NOT_BLESSED), warnings=("a.png\nVerdict    blessed: \x1b[2Kfine",)
    )
    lines = forged.text().splitlines()
    assert [line for line in lines if line.startswith("Verdict")] == ["Verdict    not blessed: because"]
    assert r"Warning    a.png\nVerdict    blessed: \x1b[2Kfine" in lines


def test_a_model_in_use_counts_as_blessed():
    verdicts = (Verdict.BLESSED, Verdict.UNCHANGED, Verdict.NOT_BLESSED)
    assert [make_outcome(verdict).is_blessed for verdict in verdicts] == [True, True, False]
