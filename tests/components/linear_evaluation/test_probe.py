"""The protocol on features whose results are easy to predict."""

import dataclasses

import numpy as np
import pytest
from sklearn import metrics

from components.contracts.evidence import FeatureKind
from components.linear_evaluation import probe
from components.linear_evaluation.config import LinearEvaluationConfig

EACH = np.arange(1000)  # every image a group of its own
CONFIG = LinearEvaluationConfig(
    label_fractions=(0.05, 0.3, 1.0), label_draws=3, bootstrap_resamples=300, l2_strengths=(1.0, 0.1, 0.01, 0.001)
)
NAMES = ["a", "b", "c"]


def make_split(rows: int, noise: float, seed: int):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1, 2], rng.integers(0, 3, rows - 3)])
    centres = np.random.default_rng(99).normal(size=(3, 10))
    return (centres[labels] + noise * rng.normal(size=(rows, 10))).astype(np.float32), labels


@pytest.fixture(scope="module")
def splits():
    return make_split(400, 1.3, 0), make_split(300, 1.3, 1)


@pytest.fixture(scope="module")
def predictions(splits):
    (train, train_labels), (test, _) = splits
    return probe.predict_test(train, train_labels, EACH[: len(train)], test, 3, CONFIG)


def test_every_number_can_be_counted_again_from_the_predictions(splits, predictions):
    _, (_, labels) = splits
    found = probe.measure(predictions, probe.correctness(predictions, labels), labels, NAMES, CONFIG)
    predicted = predictions.fractions[-1].scores[0].argmax(axis=1)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(labels, predicted))
    recalls = metrics.recall_score(labels, predicted, average=None)
    assert found.class_recall == pytest.approx(dict(zip(NAMES, recalls, strict=True)))
    low, high = found.accuracy_interval
    assert low < found.accuracy < high
    assert found.dimensions == 10 and found.auroc is None
    for part, entry in zip(predictions.fractions, found.fractions, strict=True):
        accuracies = [np.mean(scores.argmax(axis=1) == labels) for scores in part.scores]
        assert entry.accuracies == pytest.approx(accuracies)
        assert entry.accuracy_mean == pytest.approx(np.mean(accuracies))
        assert len(accuracies) == (1 if part.fraction == 1 else 3)
        spread = np.std(accuracies, ddof=1) if len(accuracies) > 1 else 0
        assert entry.accuracy_std == pytest.approx(spread)
    assert [entry.labels for entry in found.fractions] == [20, 120, 400]


def test_more_labels_help_and_scores_are_probabilities(splits, predictions):
    _, (_, labels) = splits
    means = [part.mean() for part in probe.correctness(predictions, labels).by_fraction]
    assert means[0] < means[1] < means[2] + 0.02 and means[2] > 0.8
    for part in predictions.fractions:
        np.testing.assert_allclose(part.scores.sum(axis=2), 1, rtol=1e-5)


def test_labels_outside_a_draw_change_nothing(splits):
    """The strength and the weights of a small fraction come from the drawn labels alone."""
    (train, labels), (test, _) = splits
    config = dataclasses.replace(CONFIG, label_fractions=(0.05, 1.0), label_draws=1)
    rows = probe.draw_labels(labels, 0.05, 0, config.seed)
    scrambled = np.random.default_rng(5).normal(size=train.shape).astype(np.float32)
    scrambled[rows] = train[rows]
    first, second = (
        probe.predict_test(features, labels, EACH[: len(labels)], test, 3, config).fractions[0]
        for features in (train, scrambled)
    )
    np.testing.assert_array_equal(first.scores, second.scores)
    assert first.fitted[0].l2_strength == second.fitted[0].l2_strength


def test_noise_asks_for_a_stronger_penalty_than_clean_classes():
    clean, noisy = (make_split(90, noise, 4) for noise in (0.05, 6.0))
    strengths = [
        probe.fit_head(features, labels, EACH[: len(labels)], 3, CONFIG).l2_strength
        for features, labels in (clean, noisy)
    ]
    assert strengths[0] == 0.001 and strengths[1] == 1.0


def test_one_label_per_class_takes_the_strongest_penalty():
    features, labels = make_split(3, 0.5, 0)
    fitted = probe.fit_head(features, labels, EACH[: len(labels)], 3, CONFIG)
    assert (fitted.l2_strength, fitted.held_out_images) == (1.0, 0)
    assert fitted.head.logits(features).argmax(axis=1).tolist() == [0, 1, 2]


def test_differences_are_paired_over_images(splits, predictions):
    (train, train_labels), (test, labels) = splits
    blurred = train + np.random.default_rng(0).normal(size=train.shape).astype(np.float32)
    others = probe.predict_test(blurred, train_labels, EACH[: len(train)], test, 3, CONFIG)
    ours, theirs = probe.correctness(predictions, labels), probe.correctness(others, labels)
    entries = probe.differences(FeatureKind.ENCODER, FeatureKind.RANDOM_ENCODER, ours, theirs, CONFIG)
    assert [entry.fraction for entry in entries] == [0.05, 0.3, 1.0, None]
    expected = ours.by_fraction[1].mean() - theirs.by_fraction[1].mean()
    assert entries[1].difference == pytest.approx(expected)
    assert entries[3].difference == pytest.approx(ours.knn.mean() - theirs.knn.mean())
    for entry in entries:
        low, high = entry.interval
        assert low <= entry.difference <= high
    same = probe.differences(FeatureKind.ENCODER, FeatureKind.RAW_PIXELS, ours, ours, CONFIG)
    assert all(entry.interval == (0, 0) for entry in same)


def test_repeats_exactly(splits, predictions):
    (train, train_labels), (test, _) = splits
    calls = []
    again = probe.predict_test(train, train_labels, EACH[: len(train)], test, 3, CONFIG, lambda: calls.append(1))
    assert len(calls) == probe.fits(CONFIG) == 7
    for first, second in zip(predictions.fractions, again.fractions, strict=True):
        np.testing.assert_array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(predictions.knn_votes, again.knn_votes)


def test_two_classes_have_an_area_under_the_curve():
    features, labels = make_split(100, 1.0, 0)
    two = labels < 2
    predictions = probe.predict_test(features[two], labels[two], EACH[: len(labels[two])], features[two], 2, CONFIG)
    right = probe.correctness(predictions, labels[two])
    found = probe.measure(predictions, right, labels[two], NAMES[:2], CONFIG)
    positive = predictions.fractions[-1].scores[0][:, 1]
    assert found.auroc == pytest.approx(metrics.roc_auc_score(labels[two], positive))
