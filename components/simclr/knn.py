"""Weighted nearest neighbours on frozen features, a probe without anything to fit."""

import numpy as np

_BLOCK_ROWS = 1024  # test rows whose similarities are held in memory at once


def nearest(queries: np.ndarray, bank: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows of ``bank`` that are most similar to each query, by cosine.

    Args:
        queries: (m, d) float32, any norm.
        bank: (n, d) float32, any norm.
        count: neighbours wanted; if ``bank`` has fewer rows, all of them.

    Returns:
        Indices (m, j) int64 and similarities (m, j) float32, j = min(count, n). The most similar comes first; equal
        ones keep the order of ``bank``.
    """
    count = min(count, len(bank))
    queries, bank = _unit(queries), _unit(bank)
    indices = np.empty((len(queries), count), np.int64)
    similarities = np.empty((len(queries), count), np.float32)
    for start in range(0, len(queries), _BLOCK_ROWS):
        block = queries[start : start + _BLOCK_ROWS] @ bank.T  # (rows, n)
        candidates = np.sort(np.argpartition(-block, count - 1, axis=1)[:, :count], axis=1)
        found = np.take_along_axis(block, candidates, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        indices[start : start + _BLOCK_ROWS] = np.take_along_axis(candidates, order, axis=1)
        similarities[start : start + _BLOCK_ROWS] = np.take_along_axis(found, order, axis=1)
    return indices, similarities


def vote(
    indices: np.ndarray, similarities: np.ndarray, labels: np.ndarray, classes: int, temperature: float
) -> np.ndarray:
    """Let each neighbour vote for its class with weight exp(similarity / temperature).

    Args:
        indices: (m, j) rows of ``labels``.
        similarities: (m, j) cosines, most similar first.
        labels: (n,) int class indices.
        classes: k.
        temperature: > 0.

    Returns:
        (m, k) float64 shares of the vote; each row adds up to 1.

    Source: Wu et al. 2018 (instance discrimination), section 3.4.
    """
    # Relative to the nearest neighbour, so that a low temperature does not overflow.
    weights = np.exp((similarities - similarities[:, :1]).astype(np.float64) / temperature)
    votes = np.zeros((len(indices), classes))
    np.add.at(votes, (np.arange(len(indices))[:, np.newaxis], labels[indices]), weights)
    return votes / votes.sum(axis=1, keepdims=True)


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(norms, np.finfo(np.float32).tiny)
