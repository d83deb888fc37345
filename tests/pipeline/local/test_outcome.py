"""The last lines of a run."""

from components.contracts import evidence
from pipeline.local.outcome import Outcome


def _outcome(verdict):
    def fraction(share, accuracies):
        mean = sum(accuracies) / len(accuracies)
        return {
            evidence.FRACTION: share,
            evidence.ACCURACY_MEAN: mean,
            evidence.ACCURACY_STD: 0.0123,
            evidence.ACCURACIES: accuracies,
        }

    probe = {
        evidence.FEATURES: {
            evidence.ENCODER: {evidence.FRACTIONS: [fraction(0.1, [0.95, 0.97]), fraction(1.0, [0.99])]},
            evidence.RAW_PIXELS: {evidence.FRACTIONS: [fraction(1.0, [0.9])]},
        }
    }
    return Outcome(
        verdict,
        "because",
        probe,
        "no other model was blessed before",
        ("all images are gray",),
        "/models/1",
        "/report.html",
    )


def test_the_lines_say_verdict_accuracies_warnings_and_places():
    assert _outcome(evidence.BLESSED).text().splitlines() == [
        "Verdict    blessed: because",
        "Accuracy   encoder         100% of labels 0.990, 10% of labels 0.960 ± 0.012",
        "           raw pixels      100% of labels 0.900",
        "Test split no other model was blessed before",
        "Warning    all images are gray",
        "Model      /models/1",
        "Report     /report.html",
    ]


def test_a_model_in_use_counts_as_blessed():
    verdicts = (evidence.BLESSED, evidence.UNCHANGED, evidence.NOT_BLESSED)
    assert [_outcome(verdict).is_blessed for verdict in verdicts] == [True, True, False]
