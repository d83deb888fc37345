import math

import numpy as np
import pytest

from components.simclr import knn


def test_equals_the_loops_of_the_paper():
    rng = np.random.default_rng(0)
    bank, queries = rng.normal(size=(50, 6)).astype(np.float32), rng.normal(size=(7, 6)).astype(np.float32)
    labels = rng.integers(0, 3, 50)
    indices, similarities = knn.nearest(queries, bank, 5)
    votes = knn.vote(indices, similarities, labels, 3, temperature=0.2)
    for row, query in enumerate(queries):
        cosines = [float(query @ other / np.linalg.norm(query) / np.linalg.norm(other)) for other in bank]
        order = sorted(range(50), key=lambda index: -cosines[index])[:5]
        assert indices[row].tolist() == order
        expected = [sum(math.exp(cosines[i] / 0.2) for i in order if labels[i] == label) for label in range(3)]
        np.testing.assert_allclose(votes[row], np.array(expected) / sum(expected), rtol=1e-4)
        np.testing.assert_allclose(similarities[row], [cosines[index] for index in order], rtol=1e-5)


def test_scale_does_not_matter_and_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(1)
    bank, queries = rng.normal(size=(30, 4)).astype(np.float32), rng.normal(size=(10, 4)).astype(np.float32)
    expected, _ = knn.nearest(queries, bank, 3)
    monkeypatch.setattr(knn, "_BLOCK_ROWS", 3)
    scaled, _ = knn.nearest(queries * 100, bank * rng.uniform(0.1, 9, (30, 1)).astype(np.float32), 3)
    np.testing.assert_array_equal(scaled, expected)


def test_small_banks_low_temperatures_and_zero_vectors():
    bank = np.array([[1, 0], [0, 1]], np.float32)
    indices, similarities = knn.nearest(np.array([[2, 1], [0, 0]], np.float32), bank, 20)
    assert indices.shape == (2, 2) and indices[0].tolist() == [0, 1]
    votes = knn.vote(indices, similarities, np.array([0, 1]), 2, temperature=1e-6)
    assert votes[0] == pytest.approx([1, 0]) and votes[1] == pytest.approx([0.5, 0.5])
    assert knn.nearest(np.zeros((0, 2), np.float32), bank, 1)[0].shape == (0, 1)
