import numpy as np
import pytest
from sklearn import metrics

from components.linear_evaluation import scores


def test_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    counts = scores.confusion(labels, predicted, 4)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(labels, predicted))
    recall = scores.class_recall(counts)
    np.testing.assert_allclose(recall, metrics.recall_score(labels, predicted, average=None))
    assert recall.mean() == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))


def test_a_class_without_images_has_no_recall():
    recall = scores.class_recall(scores.confusion(np.array([0, 0]), np.array([0, 2]), 3))
    assert recall[0] == 0.5 and np.isnan(recall[1:]).all()


def test_auroc_agrees_with_scikit_learn_with_ties():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    positive = np.round(labels * 0.2 + rng.random(300), 1)
    found = scores.auroc(labels, np.stack([1 - positive, positive], axis=1))
    assert found == pytest.approx(metrics.roc_auc_score(labels, positive))
    assert scores.auroc(np.zeros(3, int), np.zeros((3, 2))) is None
