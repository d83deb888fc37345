"""Multinomial logistic regression on frozen features: full-batch L-BFGS to convergence, with an L2 penalty.

NumPy and SciPy only. The optimum is that of scikit-learn's ``LogisticRegression(solver="lbfgs")``; it is reached in
fewer iterations because the search runs in coordinates in which the curvature is nearly the same in all directions.
"""

import dataclasses

import numpy as np
import scipy.linalg
import scipy.optimize

# Typical curvature of the softmax loss per unit of feature variance. It affects the search's coordinates, but not the
# optimum. Böhning's upper bound is 0.5; well separated classes have far less.
_TYPICAL_CURVATURE = 0.02
_TRANSPOSED_ROWS = 256  # at a time


@dataclasses.dataclass(frozen=True)
class LinearHead:
    """A linear classifier on raw (not standardised) features: ``scores = softmax(features @ kernel + bias)``."""

    kernel: np.ndarray  # (d, k) float32
    bias: np.ndarray  # (k,) float32

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(n, d) float32 features -> (n, k) float32 logits."""
        return features @ self.kernel + self.bias


class FittingSet:
    """Standardised features and labels of one fit, prepared once for all strengths of a path."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, classes: int):
        """Standardise by the statistics of these rows, which are the fitting set's own.

        Args:
            features: (n, d) float, n >= 1.
            labels: (n,) int, 0 to ``classes`` - 1.
            classes: k >= 2.

        Raises:
            ValueError: shapes or labels do not fit, or a feature is not finite.
        """
        _check(features, labels, classes)
        self.mean = features.mean(axis=0, dtype=np.float64)
        standardised = np.subtract(features, self.mean, dtype=np.float32, casting="same_kind")
        std = np.sqrt(np.einsum("nd,nd->d", standardised, standardised, dtype=np.float64) / len(standardised))
        # A feature that is constant up to rounding has no information; dividing by its tiny std would amplify noise.
        self.scale = np.where(std > 1e-6 * np.maximum(1.0, np.abs(self.mean)), std, np.inf)
        standardised /= self.scale.astype(np.float32)
        self._rotation, self._features = _shorten(standardised)
        # With this copy, both products of an evaluation read whole rows of memory.
        self._transposed = _transpose(self._features)
        self._labels = np.asarray(labels)
        self._classes = classes
        # NumPy recognises the product of an array with its own transpose, and computes only half of it.
        self._gram = (self._features.T @ self._features).astype(np.float64) / len(self._features)

    def fit(
        self, strength: float, tolerance: float, max_iterations: int, start: np.ndarray | None = None
    ) -> tuple[np.ndarray, float]:
        """Minimise mean cross-entropy + strength / 2 * |weights|^2 (the bias has no penalty).

        Args:
            strength: > 0; scikit-learn's ``C`` is ``1 / (strength * n)``.
            tolerance: stop when no entry of the gradient is larger.
            max_iterations: of L-BFGS.
            start: (d' + 1, k) solution of another strength to start from; zeros if None.

        Returns:
            The solution (d' + 1, k) float64 in this set's inner coordinates, bias last, and its objective in nats.
        """
        coordinates = self._coordinates(strength)
        search = _Search(
            self._features, self._transposed, self._labels, self._classes, strength, coordinates, tolerance
        )
        inner_start = np.zeros((len(coordinates), self._classes)) if start is None else start
        result = scipy.optimize.minimize(
            search.value_and_gradient,
            np.asarray(search.to_search(inner_start)).ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=search.stop_when_flat,
            options={"maxiter": max_iterations, "maxfun": 2 * max_iterations, "maxcor": 20, "gtol": 0.0, "ftol": 1e-14},
        )
        return search.from_search(result.x), float(result.fun)

    def head(self, solution: np.ndarray) -> LinearHead:
        """Fold rotation and standardisation of ``solution`` into weights on raw features."""
        weights, bias = solution[:-1], solution[-1]
        if self._rotation is not None:
            weights = self._rotation @ weights  # (d, k)
        kernel = weights / self.scale[:, np.newaxis]
        return LinearHead(kernel.astype(np.float32), (bias - self.mean @ kernel).astype(np.float32))

    def _coordinates(self, strength: float) -> np.ndarray:
        """Upper triangular factor R with R^T R close to the Hessian of one class; the search runs on R @ weights."""
        size = len(self._gram)
        hessian = np.zeros((size + 1, size + 1))
        hessian[:size, :size] = _TYPICAL_CURVATURE * self._gram + strength * np.eye(size)
        hessian[size, size] = _TYPICAL_CURVATURE  # features have mean 0, so the bias stands alone
        # Float32 products can leave the Gram matrix slightly indefinite where features repeat each other.
        hessian[np.diag_indices(size)] += 1e-6 * _TYPICAL_CURVATURE
        return scipy.linalg.cholesky(hessian)


class _Search:
    """Objective and gradient as SciPy's L-BFGS-B wants them, in the search's coordinates."""

    def __init__(
        self,
        features: np.ndarray,
        transposed: np.ndarray,
        labels: np.ndarray,
        classes: int,
        strength: float,
        coordinates: np.ndarray,
        tolerance: float,
    ):
        self._features, self._transposed = features, transposed
        self._rows = np.arange(len(labels))
        self._labels = labels
        self._classes = classes
        self._strength = strength
        self._coordinates = coordinates  # R of weights -> R @ weights
        self._inverse = scipy.linalg.solve_triangular(coordinates, np.eye(len(coordinates)), check_finite=False)
        self._tolerance = tolerance
        self._steepest = np.inf

    def to_search(self, solution: np.ndarray) -> np.ndarray:
        return self._coordinates @ solution

    def from_search(self, point: np.ndarray) -> np.ndarray:
        return self._inverse @ point.reshape(-1, self._classes)

    def value_and_gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        solution = self.from_search(point)  # (d' + 1, k)
        weights, bias = solution[:-1], solution[-1]
        # Values of single rows are float32 for speed; sums over rows are float64, or their rounding would stall the
        # line search. Classes come first, so that sums over them run along whole rows of memory.
        logits: np.ndarray = np.ascontiguousarray((self._features @ weights.astype(np.float32)).T)  # (k, n)
        logits += bias.astype(np.float32)[:, np.newaxis]
        logits -= logits.max(axis=0)
        picked = logits[self._labels, self._rows]
        np.exp(logits, out=logits)
        total = logits.sum(axis=0)
        loss = np.mean(np.log(total, dtype=np.float64) - picked)
        logits /= total
        logits[self._labels, self._rows] -= 1  # the residuals: probabilities minus one-hot labels
        gradient = np.empty_like(solution)
        gradient[:-1] = self._transposed @ np.ascontiguousarray(logits.T) / len(self._rows) + self._strength * weights
        gradient[-1] = logits.mean(axis=1, dtype=np.float64)
        self._steepest = np.abs(gradient).max()
        penalty = 0.5 * self._strength * np.vdot(weights, weights)
        return loss + penalty, (self._inverse.T @ gradient).ravel()

    def stop_when_flat(self, _point: np.ndarray) -> None:
        # L-BFGS-B evaluates the accepted point last, so the gradient seen last is that of this point.
        if self._steepest <= self._tolerance:
            raise StopIteration


def _shorten(standardised: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """With fewer rows than features, the optimum lies in the span of the rows, so search only there.

    Returns:
        (d, n) rotation or None, and the (n, min(n, d)) float32 features that the search sees.
    """
    rows, width = standardised.shape
    if rows >= width:
        return None, standardised
    rotation, upper = scipy.linalg.qr(standardised.T.astype(np.float64), mode="economic")  # (d, n), (n, n)
    return rotation, np.ascontiguousarray(upper.T, dtype=np.float32)


def _transpose(features: np.ndarray) -> np.ndarray:
    """(n, d) to (d, n), both with whole rows in memory; copied in blocks that fit into a cache, for speed."""
    transposed = np.empty(features.shape[::-1], features.dtype)
    for first in range(0, len(features), _TRANSPOSED_ROWS):
        rows = slice(first, first + _TRANSPOSED_ROWS)
        transposed[:, rows] = features[rows].T
    return transposed


def _check(features: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if features.ndim != 2 or len(features) != len(labels) or not len(features):
        raise ValueError(f"expected (n, d) features and n labels, found {features.shape} and {len(labels)} labels")
    if classes < 2 or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"expected labels from 0 to {classes - 1} of at least 2 classes, found {np.unique(labels)}")
    if not np.isfinite(features).all():
        raise ValueError("features hold values that are not finite")
