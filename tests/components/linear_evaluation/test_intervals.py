import numpy as np
import pytest

from components.linear_evaluation.intervals import (
    balanced_accuracy_interval,
    mean_interval,
    normal_interval,
    percentile_interval,
)


def test_agrees_with_the_normal_approximation_for_many_images():
    is_right = np.random.default_rng(0).random(2000) < 0.8
    low, high = mean_interval(is_right, 4000, 0.95, seed=0)
    error = 1.96 * np.sqrt(is_right.mean() * (1 - is_right.mean()) / 2000)
    assert low == pytest.approx(is_right.mean() - error, abs=0.002)
    assert high == pytest.approx(is_right.mean() + error, abs=0.002)


def test_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    intervals = [mean_interval(rng.random(200) < 0.7, 300, 0.9, seed) for seed in range(300)]
    assert 0.83 < np.mean([low <= 0.7 <= high for low, high in intervals]) < 0.96


def test_pairing_narrows_the_interval():
    rng = np.random.default_rng(2)
    difficulty = rng.random(500)
    ours, theirs = (difficulty < 0.85).astype(float), (difficulty < 0.8).astype(float)
    paired = mean_interval(ours - theirs, 2000, 0.95, 0)
    shuffled = mean_interval(ours - rng.permutation(theirs), 2000, 0.95, 0)
    assert paired[0] > 0 and (paired[1] - paired[0]) < 0.7 * (shuffled[1] - shuffled[0])


def test_balanced_accuracy_resamples_within_classes():
    labels = np.repeat([0, 1], [900, 100])
    is_right = np.concatenate([np.ones(900), np.random.default_rng(0).random(100) < 0.5]).astype(bool)
    low, high = balanced_accuracy_interval(is_right, labels, 3000, 0.95, 0)
    recall = is_right[900:].mean()
    error = 1.96 * np.sqrt(recall * (1 - recall) / 100) / 2
    assert (low + high) / 2 == pytest.approx((1 + recall) / 2, abs=0.01)
    assert (high - low) / 2 == pytest.approx(error, rel=0.15)


def test_classes_of_one_size_are_drawn_apart():
    """With the same draws, two equal classes would move together, and the interval would be sqrt(2) too wide."""
    is_right = np.tile(np.random.default_rng(0).random(200) < 0.5, 2)
    low, high = balanced_accuracy_interval(is_right, np.repeat([0, 1], 200), 4000, 0.95, 0)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.5 / np.sqrt(400), rel=0.1)


def test_repeats_and_blocks_cover_all_resamples(monkeypatch):
    values = np.random.default_rng(0).random(50)
    assert mean_interval(values, 100, 0.9, 3) == mean_interval(values, 100, 0.9, 3)
    assert mean_interval(values, 100, 0.9, 3) != mean_interval(values, 100, 0.9, 4)
    monkeypatch.setattr("components.linear_evaluation.intervals._BLOCK_CELLS", 120)
    assert mean_interval(np.ones(50), 101, 0.9, 3) == (1.0, 1.0)


def test_the_normal_interval_of_paired_answers_is_that_of_the_formula():
    won, lost, images = 9, 3, 40
    differences = np.repeat([1, -1, 0], [won, lost, images - won - lost])
    mean = (won - lost) / images
    reach = 1.6448536 * np.sqrt((won + lost) / images - mean**2) / np.sqrt(images)  # 90 % in the middle
    assert normal_interval(differences, 0.9) == pytest.approx((mean - reach, mean + reach))


def test_the_normal_interval_agrees_with_the_bootstrap_on_many_images():
    differences = np.random.default_rng(0).choice([1.0, 0.0, -1.0], 2000, p=[0.1, 0.85, 0.05])
    assert normal_interval(differences, 0.95) == pytest.approx(mean_interval(differences, 4000, 0.95, 0), abs=0.002)


def test_percentiles_leave_out_the_same_share_at_both_ends():
    assert percentile_interval(np.arange(101) / 100, 0.9) == pytest.approx((0.05, 0.95))
