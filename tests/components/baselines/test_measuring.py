"""The table's numbers, counted by hand, and paired with the probe of the same draws."""

import numpy as np
import pytest

from components.baselines import measuring
from components.contracts import baseline_record as record
from components.contracts import evidence
from components.linear_evaluation.config import LinearEvaluationConfig

CONFIG = LinearEvaluationConfig(label_fractions=(0.5, 1.0), bootstrap_resamples=500)
LABELS = np.array([0, 1, 0, 1, 0, 1, 0, 1])


def wrong_at(*rows):
    return [1 - label if row in rows else label for row, label in enumerate(LABELS.tolist())]


def evidence_of_the_probe():
    fractions = [
        {evidence.FRACTION: 0.5, evidence.LABELS: 20},
        {evidence.FRACTION: 1.0, evidence.LABELS: 40},
    ]
    probe = {
        evidence.FEATURES: {name: {evidence.FRACTIONS: fractions} for name in (evidence.ENCODER, evidence.RAW_PIXELS)}
    }
    predictions = {
        evidence.TEST_LABELS: LABELS,
        evidence.predicted_by(evidence.ENCODER, 0): np.array([wrong_at(0), wrong_at(0, 1), wrong_at(*range(8))]),
        evidence.predicted_by(evidence.ENCODER, 1): np.array([wrong_at()]),
        evidence.predicted_by(evidence.RAW_PIXELS, 0): np.array([wrong_at(0, 1, 2)] * 3),
        evidence.predicted_by(evidence.RAW_PIXELS, 1): np.array([wrong_at(0, 1, 2, 3)]),
    }
    return probe, predictions


@pytest.fixture
def found():
    trained = {
        record.FROZEN: [
            measuring.Trained(np.array([wrong_at(), wrong_at(0, 1)]), [{record.STEPS: 3}, {record.STEPS: 4}]),
            measuring.Trained(np.array([wrong_at(0, 1)]), [{record.STEPS: 5}]),
        ]
    }
    return measuring.methods(*evidence_of_the_probe(), trained, CONFIG)


def test_accuracies_and_their_spread(found):
    assert list(found) == [record.PROBE, record.RAW_PIXELS, record.FROZEN]
    half, full = found[record.FROZEN]
    assert (half[evidence.FRACTION], half[evidence.LABELS]) == (0.5, 20)
    assert half[evidence.ACCURACIES] == [1.0, 0.75]
    assert half[evidence.ACCURACY_MEAN] == 0.875
    assert half[evidence.ACCURACY_STD] == pytest.approx(0.25 / np.sqrt(2))
    assert half[record.TRAININGS] == [{record.STEPS: 3}, {record.STEPS: 4}]
    assert (full[evidence.ACCURACY_MEAN], full[evidence.ACCURACY_STD]) == (0.75, 0.0)
    assert [entry[evidence.ACCURACY_MEAN] for entry in found[record.PROBE]] == [pytest.approx(13 / 24), 1.0]


def test_differences_are_to_the_probe_of_the_same_draws(found):
    # The first two draws of the probe have 3 of 16 wrong, the trained classifiers 2.
    assert found[record.FROZEN][0][evidence.DIFFERENCE] == pytest.approx(1 / 16)
    assert found[record.FROZEN][1][evidence.DIFFERENCE] == pytest.approx(-0.25)
    assert found[record.RAW_PIXELS][0][evidence.DIFFERENCE] == pytest.approx(15 / 24 - 13 / 24)
    assert evidence.DIFFERENCE not in found[record.PROBE][0]
    # Only one image differs at one half, so no resample can turn the difference round; nor at all labels.
    low, high = found[record.FROZEN][0][record.DIFFERENCE_INTERVAL]
    assert low == 0 < high <= 0.25
    low, high = found[record.FROZEN][1][record.DIFFERENCE_INTERVAL]
    assert -0.7 < low < -0.25 < high <= 0


def test_intervals_hold_the_mean(found):
    for entry in (entry for entries in found.values() for entry in entries):
        low, high = entry[evidence.INTERVAL]
        assert low <= entry[evidence.ACCURACY_MEAN] <= high
        assert low < high or entry[evidence.ACCURACY_MEAN] == 1
