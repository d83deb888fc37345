"""The table's numbers, counted by hand, and paired with the probe of the same draws."""

import numpy as np
import pytest

from components.baselines import measuring
from components.contracts.baseline_record import ClassifierKind, Training
from components.contracts.evidence import FeatureKind
from components.linear_evaluation.config import LinearEvaluationConfig
from tests.components.evidence_records import make_features, make_fraction, make_predictions, make_probe

CONFIG = LinearEvaluationConfig(label_fractions=(0.5, 1.0), bootstrap_resamples=500)
LABELS = np.array([0, 1, 0, 1, 0, 1, 0, 1])


def wrong_at(*rows):
    return [1 - label if row in rows else label for row, label in enumerate(LABELS.tolist())]


def evidence_of_the_probe():
    fractions = (make_fraction(0.5, 20, (0.5, 0.5, 0.5)), make_fraction(1.0, 40, (0.5,)))
    probe = make_probe(
        features={kind: make_features(fractions=fractions) for kind in (FeatureKind.ENCODER, FeatureKind.RAW_PIXELS)}
    )
    predicted = {
        FeatureKind.ENCODER: (
            np.array([wrong_at(0), wrong_at(0, 1), wrong_at(*range(8))]),
            np.array([wrong_at()]),
        ),
        FeatureKind.RAW_PIXELS: (np.array([wrong_at(0, 1, 2)] * 3), np.array([wrong_at(0, 1, 2, 3)])),
    }
    return probe, make_predictions(LABELS, np.eye(2, dtype=np.float32)[LABELS], predicted=predicted)


def training(steps: int) -> Training:
    return Training(learning_rate=0.1, steps=steps, held_out_images=5, seconds=1.0)


@pytest.fixture
def found():
    trained = {
        ClassifierKind.FROZEN: [
            measuring.Trained(np.array([wrong_at(), wrong_at(0, 1)]), (training(3), training(4))),
            measuring.Trained(np.array([wrong_at(0, 1)]), (training(5),)),
        ]
    }
    return measuring.methods(*evidence_of_the_probe(), trained, CONFIG)


def test_accuracies_and_their_spread(found):
    assert list(found) == [ClassifierKind.LINEAR_PROBE, ClassifierKind.RAW_PIXELS, ClassifierKind.FROZEN]
    half, full = found[ClassifierKind.FROZEN]
    assert (half.fraction, half.labels) == (0.5, 20)
    assert half.accuracies == (1.0, 0.75)
    assert half.accuracy_mean == 0.875
    assert half.accuracy_std == pytest.approx(0.25 / np.sqrt(2))
    assert half.trainings == (training(3), training(4))
    assert (full.accuracy_mean, full.accuracy_std) == (0.75, 0.0)
    assert [entry.accuracy_mean for entry in found[ClassifierKind.LINEAR_PROBE]] == [pytest.approx(13 / 24), 1.0]


def test_differences_are_to_the_probe_of_the_same_draws(found):
    # The first two draws of the probe have 3 of 16 wrong, the trained classifiers 2.
    assert found[ClassifierKind.FROZEN][0].difference == pytest.approx(1 / 16)
    assert found[ClassifierKind.FROZEN][1].difference == pytest.approx(-0.25)
    assert found[ClassifierKind.RAW_PIXELS][0].difference == pytest.approx(15 / 24 - 13 / 24)
    assert found[ClassifierKind.LINEAR_PROBE][0].difference is None
    # Only one image differs at one half, so no resample can turn the difference round; nor at all labels.
    low, high = found[ClassifierKind.FROZEN][0].difference_interval
    assert low == 0 < high <= 0.25
    low, high = found[ClassifierKind.FROZEN][1].difference_interval
    assert -0.7 < low < -0.25 < high <= 0


def test_intervals_hold_the_mean(found):
    for entry in (entry for entries in found.values() for entry in entries):
        low, high = entry.interval
        assert low <= entry.accuracy_mean <= high
        assert low < high or entry.accuracy_mean == 1
