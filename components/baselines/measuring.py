"""Predictions in, the table's numbers out; no other module of this folder reads test labels."""

import dataclasses

import numpy as np

from components.contracts.baseline_record import ClassifierKind, MethodResult, Training
from components.contracts.evidence import FeatureKind, FractionResult, ProbeReport
from components.contracts.stored_predictions import StoredPredictions
from components.linear_evaluation import intervals
from components.linear_evaluation.config import LinearEvaluationConfig
from components.linear_evaluation.probe import accuracies_of_draws

_OF_FEATURES = {
    FeatureKind.ENCODER: ClassifierKind.LINEAR_PROBE,
    FeatureKind.RANDOM_ENCODER: ClassifierKind.RANDOM_ENCODER,
    FeatureKind.RAW_PIXELS: ClassifierKind.RAW_PIXELS,
}


@dataclasses.dataclass(frozen=True)
class Trained:
    """The classes that one method's classifiers of one label fraction predict, one classifier for each draw."""

    predicted: np.ndarray  # (draws, m) int
    trainings: tuple[Training, ...]


def methods(
    probe: ProbeReport,
    predictions: StoredPredictions,
    trained: dict[ClassifierKind, list[Trained]],
    config: LinearEvaluationConfig,
) -> dict[ClassifierKind, tuple[MethodResult, ...]]:
    """Measure every kind of features of the probe, then every method that trains.

    Args:
        probe: the numbers of the linear probe.
        predictions: its predictions, and the test labels.
        trained: by method, in the order of the fractions; the draws are the first of the probe's.
        config: fractions and bootstrap.
    """
    labels, fractions = predictions.labels, probe.encoder.fractions
    references = [predicted == labels for predicted in predictions.predicted[FeatureKind.ENCODER]]  # (draws, m) each
    found = {
        _OF_FEATURES[kind]: tuple(
            _result(fraction, predicted == labels, None if kind is FeatureKind.ENCODER else reference, config)
            for fraction, predicted, reference in zip(fractions, predictions.predicted[kind], references, strict=True)
        )
        for kind in probe.features
    }
    for method, parts in trained.items():
        found[method] = tuple(
            _result(fraction, part.predicted == labels, reference, config, part.trainings)
            for fraction, part, reference in zip(fractions, parts, references, strict=True)
        )
    return found


def _result(
    fraction: FractionResult,
    is_right: np.ndarray,
    reference: np.ndarray | None,
    config: LinearEvaluationConfig,
    trainings: tuple[Training, ...] = (),
) -> MethodResult:
    """Count (draws, m) right answers; ``reference`` are those of the probe, of which the first draws are compared."""
    bootstrap = (config.bootstrap_resamples, config.confidence, config.seed)
    of_draws, of_image = accuracies_of_draws(is_right), is_right.mean(axis=0)
    paired = None if reference is None else of_image - reference[: len(is_right)].mean(axis=0)
    return MethodResult(
        fraction=fraction.fraction,
        labels=fraction.labels,
        accuracy_mean=of_draws.mean,
        accuracy_std=of_draws.std,
        accuracies=of_draws.accuracies,
        interval=intervals.mean_interval(of_image, *bootstrap),
        difference=None if paired is None else float(paired.mean()),
        difference_interval=None if paired is None else intervals.mean_interval(paired, *bootstrap),
        trainings=trainings,
    )
