"""The protocol of linear evaluation, the same for every kind of features: encoder, untrained encoder, raw pixels.

A classifier sees labels drawn from train; its L2 strength is chosen on a held-out part of those. Test labels are used
only to count the results, after every prediction has been made, and each classifier predicts test once.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.special

from components.contracts.evidence import Difference, FeatureKind, FeatureResult, FractionResult
from components.linear_evaluation import calibration, intervals, scores
from components.linear_evaluation.config import LinearEvaluationConfig
from components.linear_evaluation.label_draws import draw_labels, held_out_parts
from components.linear_evaluation.logistic_regression import FittingSet, LinearHead
from components.simclr import knn

# Fits that only judge a strength may stop earlier than the fit that is kept.
_JUDGING_SLACK = 10.0


@dataclasses.dataclass(frozen=True)
class FittedHead:
    """A linear head and how its strength was chosen."""

    head: LinearHead
    l2_strength: float
    held_out_images: int  # that judged the strengths; 0 if each class had one label


@dataclasses.dataclass(frozen=True)
class FractionPredictions:
    """The scores that the classifiers of one label fraction give the test images, one classifier for each draw."""

    fraction: float
    labels_used: int
    fitted: tuple[FittedHead, ...]
    scores: np.ndarray  # (draws, m, k) float32, probabilities


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The predictions from one kind of features for the test images; made without test labels."""

    dimensions: int
    fractions: tuple[FractionPredictions, ...]  # ascending; the last uses all labels
    knn_votes: np.ndarray  # (m, k) float64


def fit_head(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: int, config: LinearEvaluationConfig
) -> FittedHead:
    """Fit a head on these labels, choosing the strength on held-out parts of the same labels.

    Args:
        features: (n, d) float32, of the drawn labels only.
        labels: (n,) int, each class at least once.
        groups: (n,) equal for images that belong together; a group is fitted to or held out as a whole.
        classes: k.
        config: path, held-out parts, tolerance.

    Returns:
        The head with the strength of the lowest held-out cross-entropy, refitted on all n labels. If each class has
        one label, nothing can be held out, and the strongest penalty is taken.
    """
    losses = np.zeros(len(config.l2_strengths))
    judged = 0
    parts = held_out_parts(labels, groups, config.held_out_fraction, config.min_held_out_images, config.seed)
    for fitting, held_out in parts:
        fitting_set = FittingSet(features[fitting], labels[fitting], classes)
        for position, solution in enumerate(_path(fitting_set, config.l2_strengths, config, _JUDGING_SLACK)):
            logits = fitting_set.head(solution).logits(features[held_out])
            losses[position] += _cross_entropy_sum(logits, labels[held_out])
        judged += len(held_out)
    chosen = int(np.argmin(losses))
    fitting_set = FittingSet(features, labels, classes)
    solution = _path(fitting_set, config.l2_strengths[chosen : chosen + 1], config)[0]
    return FittedHead(fitting_set.head(solution), config.l2_strengths[chosen], judged)


def _path(
    fitting_set: FittingSet, strengths: tuple[float, ...], config: LinearEvaluationConfig, slack: float = 1.0
) -> list[np.ndarray]:
    """Solutions for falling strengths, each started from the one before."""
    solutions: list[np.ndarray] = []
    for strength in strengths:
        start = solutions[-1] if solutions else None
        solution, _ = fitting_set.fit(strength, slack * config.gradient_tolerance, config.max_iterations, start)
        solutions.append(solution)
    return solutions


def _cross_entropy_sum(logits: np.ndarray, labels: np.ndarray) -> float:
    log_probabilities = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    return -float(log_probabilities[np.arange(len(labels)), labels].sum())


def predict_test(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    train_groups: np.ndarray,
    test_features: np.ndarray,
    classes: int,
    config: LinearEvaluationConfig,
    on_fit: Callable[[], None] = lambda: None,
) -> Predictions:
    """Fit every classifier of the protocol on train and let each predict test once.

    Args:
        train_features: (n, d) float32.
        train_labels: (n,) int, 0 to ``classes`` - 1, each class at least once.
        train_groups: (n,) equal for images that belong together.
        test_features: (m, d) float32; test labels are no argument.
        classes: k.
        config: fractions, draws and the rest.
        on_fit: called after each fitted head.

    Returns:
        Scores and votes for the m test images.
    """
    fractions = []
    for fraction in config.label_fractions:
        draws = range(1 if fraction == 1 else config.label_draws)
        fitted, predicted = [], []
        for draw in draws:
            rows = draw_labels(train_labels, fraction, draw, config.seed)
            fitted.append(fit_head(train_features[rows], train_labels[rows], train_groups[rows], classes, config))
            predicted.append(scipy.special.softmax(fitted[-1].head.logits(test_features), axis=1))
            on_fit()
        fractions.append(FractionPredictions(fraction, len(rows), tuple(fitted), np.stack(predicted)))
    indices, similarities = knn.nearest(test_features, train_features, config.knn_k)
    votes = knn.vote(indices, similarities, train_labels, classes, config.knn_temperature)
    return Predictions(train_features.shape[1], tuple(fractions), votes)


def fits(config: LinearEvaluationConfig) -> int:
    """The number of heads that ``predict_test`` fits."""
    return sum(1 if fraction == 1 else config.label_draws for fraction in config.label_fractions)


@dataclasses.dataclass(frozen=True)
class Correctness:
    """Which test images were predicted right; every number of the report is counted from this."""

    by_fraction: tuple[np.ndarray, ...]  # each (draws, m) bool
    knn: np.ndarray  # (m,) bool


def correctness(predictions: Predictions, test_labels: np.ndarray) -> Correctness:
    """Compare predictions with the m test labels."""
    return Correctness(
        tuple(part.scores.argmax(axis=2) == test_labels for part in predictions.fractions),
        predictions.knn_votes.argmax(axis=1) == test_labels,
    )


def measure(
    predictions: Predictions,
    right: Correctness,
    test_labels: np.ndarray,
    class_names: list[str],
    config: LinearEvaluationConfig,
) -> FeatureResult:
    """Count the results of one kind of features."""
    final_scores, is_right = predictions.fractions[-1].scores[0], right.by_fraction[-1][0]
    bootstrap = (config.bootstrap_resamples, config.confidence, config.seed)
    counts = scores.confusion(test_labels, final_scores.argmax(axis=1), len(class_names))
    recalls = scores.class_recall(counts)
    return FeatureResult(
        dimensions=predictions.dimensions,
        accuracy=float(is_right.mean()),
        accuracy_interval=intervals.mean_interval(is_right, *bootstrap),
        balanced_accuracy=float(np.nanmean(recalls)),
        balanced_accuracy_interval=intervals.balanced_accuracy_interval(is_right, test_labels, *bootstrap),
        class_recall={
            name: None if np.isnan(recall) else float(recall) for name, recall in zip(class_names, recalls, strict=True)
        },
        confusion=tuple(map(tuple, counts.tolist())),
        auroc=scores.auroc(test_labels, final_scores) if len(class_names) == 2 else None,
        calibration=calibration.calibration(final_scores, test_labels, config.calibration_bins, *bootstrap),
        knn_accuracy=float(right.knn.mean()),
        knn_accuracy_interval=intervals.mean_interval(right.knn, *bootstrap),
        fractions=tuple(map(_measure_fraction, predictions.fractions, right.by_fraction)),
    )


def _measure_fraction(part: FractionPredictions, is_right: np.ndarray) -> FractionResult:
    of_draws = accuracies_of_draws(is_right)
    return FractionResult(
        fraction=part.fraction,
        labels=part.labels_used,
        accuracy_mean=of_draws.mean,
        accuracy_std=of_draws.std,
        accuracies=of_draws.accuracies,
        l2_strengths=tuple(fitted.l2_strength for fitted in part.fitted),
        held_out_images=tuple(fitted.held_out_images for fitted in part.fitted),
    )


@dataclasses.dataclass(frozen=True)
class DrawAccuracies:
    """Accuracy of each draw of the labels, with mean and spread."""

    accuracies: tuple[float, ...]
    mean: float
    std: float  # an estimate for further draws; 0 for a single draw


def accuracies_of_draws(is_right: np.ndarray) -> DrawAccuracies:
    """Count (draws, m) right answers."""
    accuracies = is_right.mean(axis=1)
    std = float(accuracies.std(ddof=1)) if len(accuracies) > 1 else 0.0
    return DrawAccuracies(tuple(accuracies.tolist()), float(accuracies.mean()), std)


def differences(
    kind: FeatureKind, against: FeatureKind, ours: Correctness, theirs: Correctness, config: LinearEvaluationConfig
) -> list[Difference]:
    """Differences in accuracy, paired over test images and label draws, for each label fraction and for kNN."""
    pairs: list[tuple[float | None, np.ndarray]] = [
        (fraction, left.mean(axis=0) - right.mean(axis=0))
        for fraction, left, right in zip(config.label_fractions, ours.by_fraction, theirs.by_fraction, strict=True)
    ]
    pairs.append((None, ours.knn.astype(float) - theirs.knn))
    return [
        Difference(
            features=kind,
            against=against,
            fraction=fraction,
            difference=float(paired.mean()),
            interval=intervals.mean_interval(paired, config.bootstrap_resamples, config.confidence, config.seed),
        )
        for fraction, paired in pairs
    ]
