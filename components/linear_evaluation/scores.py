"""Plain counts of right and wrong: confusion matrix, recall per class, area under the ROC curve."""

import numpy as np
from sklearn import metrics


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(k, k) int64 counts, row = true class, column = predicted class.

    Args:
        labels: (m,) int true classes.
        predicted: (m,) int predicted classes.
        classes: k.
    """
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def class_recall(counts: np.ndarray) -> np.ndarray:
    """(k,) float64 share of each class's images predicted right; NaN for a class without images.

    Args:
        counts: (k, k) of ``confusion``.
    """
    images = counts.sum(axis=1)
    return np.divide(np.diag(counts), images, out=np.full(len(counts), np.nan), where=images > 0)


def auroc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve for two classes: how often the second class's images outscore the first's.

    Args:
        labels: (m,) int, 0 or 1.
        scores: (m, 2) float, column 1 is the score of class 1.

    Returns:
        0 to 1, ties counting half; None if test lacks one of the classes.
    """
    if len(np.unique(labels)) < 2:
        return None
    return float(metrics.roc_auc_score(labels, scores[:, 1]))
