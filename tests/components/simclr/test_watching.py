"""Measures on cases that are worked out by hand, and each reason for which a run is stopped."""

import dataclasses
import math

import numpy as np
import pytest

from components.contracts.pretraining_record import Epoch
from components.simclr import watching
from components.simclr.config import WatchConfig
from tests.components.example_records import EPOCH

CHANCE = math.log(511)


def test_alignment():
    a = np.array([[2.0, 0.0], [0.0, 1.0]])
    assert watching.alignment(a, 3 * a) == pytest.approx(0)
    assert watching.alignment(a, -a) == pytest.approx(4)
    assert watching.alignment(a, a[::-1]) == pytest.approx(2)


def test_uniformity():
    assert watching.uniformity(np.ones((4, 3))) == pytest.approx(0)
    opposite = np.array([[1.0, 0.0], [-5.0, 0.0]])
    assert watching.uniformity(opposite) == pytest.approx(-8)  # squared distance 4, times -2
    square = np.array([[1, 0], [0, 1], [-1, 0], [0, -1.0]])
    assert watching.uniformity(square) == pytest.approx(math.log((4 * math.exp(-4) + 2 * math.exp(-8)) / 6))


def test_mean_std():
    assert watching.mean_std(np.ones((5, 3))) == pytest.approx(0)
    spread = np.random.default_rng(0).normal(size=(20000, 16))
    assert watching.mean_std(spread) == pytest.approx(1 / 4, rel=0.01)


def test_effective_rank():
    assert watching.effective_rank(np.ones((5, 3))) == 0
    line = np.concatenate([np.tile([[1.0, 0.0, 0.0]], (4, 1)), np.tile([[-1.0, 0.0, 0.0]], (4, 1))])
    assert watching.effective_rank(line) == pytest.approx(1)
    assert watching.effective_rank(np.concatenate([np.eye(3), -np.eye(3)])) == pytest.approx(3)


def test_knn_leaves_the_image_itself_out():
    rows = np.array([[1, 0.0], [1, 0.1], [0, 1.0], [0.1, 1]])
    assert watching.knn_accuracy(rows, ["a", "a", "b", "b"], k=1, temperature=0.1) == 1
    assert watching.knn_accuracy(rows, ["a", "b", "a", "b"], k=1, temperature=0.1) == 0
    assert watching.knn_accuracy(rows, ["a", "a", "b", "b"], k=50, temperature=0.07) == 1  # weights beat numbers


def test_knn_counts_equal_images_but_never_the_image_itself():
    rows = np.array([[1.0, 0.0]] * 5 + [[0.0, 1.0]])
    assert watching.knn_accuracy(rows, ["a"] * 5 + ["b"], k=2, temperature=0.1) == pytest.approx(5 / 6)


def test_knn_equals_a_loop():
    generator = np.random.default_rng(0)
    rows, labels = generator.normal(size=(40, 3)), generator.integers(0, 3, 40)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    right = 0
    for i in range(40):
        others = sorted((j for j in range(40) if j != i), key=lambda j: -units[i] @ units[j])[:5]
        votes = [sum(math.exp(units[i] @ units[j] / 0.2) for j in others if labels[j] == c) for c in range(3)]
        right += int(np.argmax(votes)) == labels[i]
    assert watching.knn_accuracy(rows, labels, 5, 0.2) == pytest.approx(right / 40)


def epochs(count: int, **values) -> list[Epoch]:
    return [dataclasses.replace(EPOCH, **values)] * count


def judge(history: list[Epoch], warmup_epochs: float = 2.0) -> bool:
    """True if the run may go on; the errors of a lost run pass through."""
    watching.judge(WatchConfig(window_epochs=3), history, watching.Chance(CHANCE, "log(2N - 1)"), 64, warmup_epochs)
    return True


BAD = {
    "chance": ({"loss": CHANCE, "top1": 0.002}, watching.StuckAtChance, r"log\(2N - 1\) = 6\.236"),
    "std": ({"std": 0.01}, watching.Collapsed, r"the std of the representations stayed below 0\.0125"),
    "rank": ({"effective_rank": 1.0}, watching.Collapsed, r"the effective_rank .* below 1\.5"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_lost_run_is_stopped(kind):
    values, error, message = BAD[kind]
    with pytest.raises(error, match=message):
        judge(epochs(2) + epochs(3, **values))


def test_chance_is_the_methods_own():
    """The chance value of MoCo depends on the queue; without a chance value, no loss is at chance."""
    stuck = epochs(6, loss=math.log(4097), top1=0.0)
    with pytest.raises(watching.StuckAtChance, match=r"log\(Q \+ 1\) = 8\.318"):
        watching.judge(WatchConfig(), stuck, watching.Chance(math.log(4097), "log(Q + 1)"), 64, 0)
    without = epochs(6, loss=math.log(4097), chance=None, top1=None, top5=None)
    watching.judge(WatchConfig(), without, None, 64, 0)
    with pytest.raises(watching.Collapsed):
        watching.judge(WatchConfig(), [dataclasses.replace(epoch, std=0.0) for epoch in without], None, 64, 0)


@pytest.mark.parametrize("kind", BAD)
def test_nothing_is_judged_during_warm_up_or_before_the_window_is_full(kind):
    values = BAD[kind][0]
    assert judge(epochs(4, **values))
    assert judge(epochs(2, **values) + epochs(3))
    assert judge(epochs(4) + epochs(2, **values))
    assert judge(epochs(3) + epochs(2, **values) + epochs(1))


def test_healthy_runs_go_on():
    assert judge(epochs(50))
    assert judge(epochs(50, loss=CHANCE * 0.99))  # near chance because of a high temperature, but the positive is found
    assert judge(epochs(50, loss=CHANCE * 0.5, top1=0.001))
    assert judge([])


def test_non_finite_says_what_to_try():
    error = watching.non_finite(17, "a loss is not finite")
    assert isinstance(error, watching.PretrainingStopped)
    assert "stopped at step 17: a loss is not finite" in str(error)
    assert "learning_rate" in str(error)
