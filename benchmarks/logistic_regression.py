"""Our logistic regression against scikit-learn's, same strength and tolerance: 20,000 x 512 features, 10 classes."""

import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks import measuring
from benchmarks.table import Report, Row
from components.linear_evaluation.logistic_regression import FittingSet

_ROWS, _WIDTH, _CLASSES, _TOLERANCE = 20_000, 512, 10, 1e-5
_STRENGTHS = (1e-2, 1e-3)


def measure(report: Report, turns: int) -> None:
    """Time one fit per strength, from features to classifier, and compare the losses in float64."""
    features, labels = _problem()
    for strength in _STRENGTHS:
        report(_row(features, labels, strength, turns))


def _row(features: np.ndarray, labels: np.ndarray, strength: float, turns: int) -> Row:
    solutions: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # kernel and bias

    def ours() -> None:
        fitting_set = FittingSet(features, labels, _CLASSES)
        head = fitting_set.head(fitting_set.fit(strength, _TOLERANCE, 1000)[0])
        solutions["ours"] = head.kernel, head.bias

    def theirs() -> None:
        model = LogisticRegression(C=1 / (strength * _ROWS), tol=_TOLERANCE, max_iter=1000, solver="lbfgs")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(features, labels)
        solutions["theirs"] = model.coef_.T, model.intercept_

    timings = measuring.alternate({"ours": ours, "theirs": theirs}, turns)
    losses = {name: _loss(features, labels, strength, *solution) for name, solution in solutions.items()}
    excess = losses["ours"] / losses["theirs"] - 1
    return Row(
        f"strength {strength:g}",
        f"{timings['ours'].best:.2f} s",
        f"scikit-learn {timings['theirs'].best:.2f} s",
        timings["theirs"].best / timings["ours"].best,
        ">= 3",
        f"loss {excess:+.1e} relative; CPU time {timings['theirs'].cpu / timings['ours'].cpu:.2f}; "
        f"spread {timings['ours'].spread:.2f}, {timings['theirs'].spread:.2f}",
    )


def _problem() -> tuple[np.ndarray, np.ndarray]:
    """Features like those of an encoder: rectified, correlated, overlapping classes; standardised for both sides."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, _CLASSES, _ROWS)
    hidden = rng.normal(size=(_CLASSES, 64))[labels] + 5 * rng.normal(size=(_ROWS, 64))
    features = np.maximum(hidden @ rng.normal(size=(64, _WIDTH)) + 2 * rng.normal(size=(_ROWS, _WIDTH)), 0)
    standardised = (features - features.mean(axis=0)) / features.std(axis=0)
    return standardised.astype(np.float32), labels


def _loss(features: np.ndarray, labels: np.ndarray, strength: float, kernel: np.ndarray, bias: np.ndarray) -> float:
    logits = features.astype(np.float64) @ kernel + bias
    logits -= logits.max(axis=1, keepdims=True)
    picked = logits[np.arange(len(labels)), labels]
    return float(
        np.mean(np.log(np.exp(logits).sum(axis=1)) - picked) + 0.5 * strength * np.sum(kernel.astype(float) ** 2)
    )
