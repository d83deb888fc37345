"""Predictions in, the table's numbers out; the one place of this room where test labels are read."""

import dataclasses
from typing import Any

import numpy as np

from components.contracts import baseline_record as record
from components.contracts import evidence
from components.linear_evaluation import intervals
from components.linear_evaluation.config import LinearEvaluationConfig
from components.linear_evaluation.probe import accuracies_of_draws

_OF_FEATURES = {
    evidence.ENCODER: record.PROBE,
    evidence.RANDOM_ENCODER: record.RANDOM_ENCODER,
    evidence.RAW_PIXELS: record.RAW_PIXELS,
}


@dataclasses.dataclass(frozen=True)
class Trained:
    """What one method's classifiers of one label fraction say, one classifier per draw."""

    predicted: np.ndarray  # (draws, m) int
    trainings: list[dict[str, Any]]  # entries of ``record.TRAININGS``


def methods(
    probe: dict[str, Any],
    predictions: dict[str, np.ndarray],
    trained: dict[str, list[Trained]],
    config: LinearEvaluationConfig,
) -> dict[str, list[dict[str, Any]]]:
    """What ``record.METHODS`` holds: every kind of features of the probe, then every method that trains.

    Args:
        probe: ``probe.json``.
        predictions: ``test_predictions.npz``.
        trained: by method, in the order of the fractions; its draws are the first of the probe's.
        config: fractions and bootstrap.
    """
    labels = predictions[evidence.TEST_LABELS]

    def is_right(features: str, position: int) -> np.ndarray:
        return predictions[evidence.predicted_by(features, position)] == labels

    of_encoder = probe[evidence.FEATURES][evidence.ENCODER][evidence.FRACTIONS]
    fractions = [(entry[evidence.FRACTION], entry[evidence.LABELS]) for entry in of_encoder]
    references = [is_right(evidence.ENCODER, position) for position in range(len(fractions))]
    found = {
        _OF_FEATURES[features]: [
            _entry(*fraction, is_right(features, position), references[position], config)
            for position, fraction in enumerate(fractions)
        ]
        for features in probe[evidence.FEATURES]
    }
    for entry in found[record.PROBE]:
        del entry[evidence.DIFFERENCE], entry[record.DIFFERENCE_INTERVAL]
    for method, parts in trained.items():
        found[method] = [
            _entry(*fraction, part.predicted == labels, reference, config) | {record.TRAININGS: part.trainings}
            for fraction, part, reference in zip(fractions, parts, references, strict=True)
        ]
    return found


def _entry(
    fraction: float, labels_used: int, is_right: np.ndarray, reference: np.ndarray, config: LinearEvaluationConfig
) -> dict[str, Any]:
    """Numbers of (draws, m) right answers; ``reference`` are those of the probe, of which the same draws count."""
    bootstrap = (config.bootstrap_resamples, config.confidence, config.seed)
    of_image = is_right.mean(axis=0)
    paired = of_image - reference[: len(is_right)].mean(axis=0)
    return {
        evidence.FRACTION: fraction,
        evidence.LABELS: labels_used,
        **accuracies_of_draws(is_right),
        evidence.INTERVAL: intervals.mean_interval(of_image, *bootstrap),
        evidence.DIFFERENCE: float(paired.mean()),
        record.DIFFERENCE_INTERVAL: intervals.mean_interval(paired, *bootstrap),
    }
