"""Compared with scikit-learn's solver, which shares only the objective with this one."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from components.linear_evaluation.logistic_regression import FittingSet


def make_problem(rows: int, width: int, classes: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    hidden = rng.normal(size=(classes, 8))[labels] + rng.normal(size=(rows, 8))
    features = np.maximum(hidden @ rng.normal(size=(8, width)) + rng.normal(size=(rows, width)), 0) * 3 + 5
    return features.astype(np.float32), labels


def objective(features, labels, weights, bias, strength):
    logits = features @ weights + bias
    logits = logits - logits.max(axis=1, keepdims=True)
    log_likelihood = logits[np.arange(len(labels)), labels] - np.log(np.exp(logits).sum(axis=1))
    return -log_likelihood.mean() + strength / 2 * np.sum(weights**2)


@pytest.mark.parametrize("strength", [1.0, 0.01, 0.001])
@pytest.mark.parametrize(("rows", "width", "classes"), [(300, 20, 4), (40, 90, 3), (200, 15, 2)])
def test_reaches_the_optimum_of_scikit_learn(rows, width, classes, strength):
    features, labels = make_problem(rows, width, classes)
    fitting_set = FittingSet(features, labels, classes)
    solution, value = fitting_set.fit(strength, tolerance=1e-6, max_iterations=2000)
    head = fitting_set.head(solution)

    standardised = (features.astype(np.float64) - features.mean(0)) / features.std(0)
    reference = LogisticRegression(C=1 / (strength * rows), tol=1e-9, max_iter=10000).fit(standardised, labels)
    if classes == 2:  # scikit-learn keeps one column for two classes: the difference, which halves the penalty
        reference = LogisticRegression(C=2 / (strength * rows), tol=1e-9, max_iter=10000).fit(standardised, labels)
        weights = np.hstack([-reference.coef_.T, reference.coef_.T]) / 2
        bias = np.concatenate([-reference.intercept_, reference.intercept_]) / 2
    else:
        weights, bias = reference.coef_.T, reference.intercept_
    best = objective(standardised, labels, weights, bias, strength)
    assert value == pytest.approx(best, rel=1e-5)
    expected = softmax(standardised @ weights + bias, axis=1)
    np.testing.assert_allclose(softmax(head.logits(features), axis=1), expected, atol=2e-3)


def test_a_warm_start_changes_nothing_but_the_way():
    features, labels = make_problem(200, 12, 3)
    fitting_set = FittingSet(features, labels, 3)
    start, _ = fitting_set.fit(1.0, 1e-7, 2000)
    cold, cold_value = fitting_set.fit(0.01, 1e-7, 2000)
    warm, warm_value = fitting_set.fit(0.01, 1e-7, 2000, start)
    assert warm_value == pytest.approx(cold_value, rel=1e-7)
    np.testing.assert_allclose(warm[:-1], cold[:-1], atol=3e-4)  # values of single rows are float32


def test_repeats_exactly():
    features, labels = make_problem(200, 12, 3)
    first, second = (FittingSet(features, labels, 3).fit(0.01, 1e-6, 2000)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_constant_and_repeated_features_are_harmless():
    features, labels = make_problem(100, 6, 3)
    plain = FittingSet(features, labels, 3)
    expected = softmax(plain.head(plain.fit(0.01, 1e-6, 2000)[0]).logits(features), axis=1)
    constant = np.hstack([features, np.full((100, 2), 7.3, np.float32)])
    widened = FittingSet(constant, labels, 3)
    head = widened.head(widened.fit(0.01, 1e-6, 2000)[0])
    np.testing.assert_allclose(softmax(head.logits(constant), axis=1), expected, atol=1e-3)
    assert np.isfinite(head.kernel).all() and not head.kernel[-2:].any()
    repeated = np.hstack([features, features])
    twice = FittingSet(repeated, labels, 3)
    assert np.isfinite(twice.head(twice.fit(0.001, 1e-6, 2000)[0]).kernel).all()


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.zeros((3, 2)), np.array([0, 1]), "n labels"),
        (np.zeros((2, 2)), np.array([0, 2]), "labels from 0 to 1"),
        (np.full((2, 2), np.nan), np.array([0, 1]), "not finite"),
        (np.zeros((0, 2)), np.array([], int), "n labels"),
    ],
)
def test_refuses(features, labels, message):
    with pytest.raises(ValueError, match=message):
        FittingSet(features, labels, 2)
