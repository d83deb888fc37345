import numpy as np
import pytest

from components.linear_evaluation.label_draws import draw_labels, held_out_parts

LABELS = np.random.default_rng(3).permutation(np.repeat([0, 1, 2], [500, 90, 10]))
EACH = np.arange(600)  # every image a group of its own


@pytest.mark.parametrize("fraction", [0.001, 0.01, 0.1, 0.37, 1.0])
def test_draws_are_stratified_with_each_class(fraction):
    rows = draw_labels(LABELS, fraction, draw=0, seed=0)
    counts = np.bincount(LABELS[rows], minlength=3)
    assert len(rows) == len(set(rows)) == max(3, round(fraction * 600))
    assert (counts >= 1).all() and (np.diff(rows) > 0).all()
    assert (np.abs(counts - np.array([500, 90, 10]) * fraction) <= 1).all()


def test_draws_differ_by_number_and_seed_and_repeat():
    first = draw_labels(LABELS, 0.1, 0, 0)
    np.testing.assert_array_equal(first, draw_labels(LABELS, 0.1, 0, 0))
    for draw, seed in ((1, 0), (0, 1)):
        assert not np.array_equal(first, draw_labels(LABELS, 0.1, draw, seed))


def test_draws_are_fair():
    drawn = np.zeros(600)
    for draw in range(400):
        drawn[draw_labels(LABELS, 0.1, draw, 0)] += 1
    assert np.abs(drawn[LABELS == 0] / 400 - 0.1).max() < 0.08


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_held_out_parts_are_disjoint_stratified_and_leave_each_class_a_label(fraction):
    parts = list(held_out_parts(LABELS, EACH, fraction, min_images=10**6, seed=0))
    assert len(parts) == round(1 / fraction)
    held_out = np.concatenate([part for _, part in parts])
    assert sorted(held_out) == list(range(600))
    for fitting, part in parts:
        assert not set(fitting) & set(part) and len(fitting) + len(part) == 600
        assert set(LABELS[fitting]) == {0, 1, 2}
        assert (np.abs(np.bincount(LABELS[part], minlength=3) - np.array([500, 90, 10]) * fraction) <= 1).all()


def test_parts_stop_once_enough_images_have_judged():
    assert len(list(held_out_parts(LABELS, EACH, 0.2, min_images=100, seed=0))) == 1
    assert len(list(held_out_parts(LABELS, EACH, 0.2, min_images=121, seed=0))) == 2


def test_a_single_label_is_never_held_out():
    labels = np.array([0, 0, 1, 2, 2])
    parts = list(held_out_parts(labels, np.arange(5), 0.2, 500, 0))
    assert parts and all(2 not in part for _, part in parts)
    assert all(set(labels[fitting]) == {0, 1, 2} for fitting, _ in parts)
    assert list(held_out_parts(np.array([0, 1, 2]), np.arange(3), 0.2, 500, 0)) == []


def test_a_group_is_on_one_side():
    groups = np.random.default_rng(4).integers(0, 60, 600)
    parts = list(held_out_parts(LABELS, groups, 0.2, min_images=10**6, seed=0))
    assert len(parts) == 5
    assert sorted(np.concatenate([part for _, part in parts])) == list(range(600))
    for fitting, part in parts:
        assert not set(groups[fitting]) & set(groups[part])
        assert sorted([*fitting, *part]) == list(range(600))
        assert 60 < len(part) < 180


def test_the_only_group_of_a_class_is_never_held_out():
    labels = np.array([0, 1, 0, 1, 0, 2, 2, 2])
    groups = np.array(["a", "b", "c", "d", "e", "e", "e", "e"])
    parts = list(held_out_parts(labels, groups, 0.2, 500, 0))
    assert sorted(np.concatenate([part for _, part in parts])) == [0, 1, 2, 3]
    assert all(set(labels[fitting]) == {0, 1, 2} for fitting, _ in parts)
