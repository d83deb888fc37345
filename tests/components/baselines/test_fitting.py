"""Rates and steps are chosen on held-out images, trainings stop in time, and a killed one resumes its checkpoint."""

import dataclasses
import itertools
import pathlib

import numpy as np
import pytest

from components.baselines import comparison, images
from components.baselines.classifier_step import ClassifierStep
from components.baselines.config import Baseline, BaselinesConfig
from components.baselines.finished_work import FinishedWork
from components.baselines.fitting import Cell, FittedCell, Fitting, Judgement, Length, TrainImages
from components.linear_evaluation.config import LinearEvaluationConfig
from components.linear_evaluation.label_draws import draw_labels
from components.pretraining.training_step import ImageShape
from components.simclr.config import OptimizerConfig

from .conftest import CLASSES, IMAGE_CONFIG, pretraining_settings

CONFIG = BaselinesConfig(
    optimizer=OptimizerConfig(learning_rate=0.01), learning_rate_factors=(1e-6, 1.0), batch_size=16, checks=4
)
ROWS = np.arange(60)
HELD_OUT = ROWS[::3]
FITTING = np.setdiff1d(ROWS, HELD_OUT)


class Killed(Exception):
    """Raised in place of a kill signal."""


@pytest.fixture(scope="module")
def train(train_images):
    config = pretraining_settings(global_batch_size=16)
    labels = np.searchsorted(CLASSES, train_images.labels)
    views = images.TrainingViews(train_images, config, IMAGE_CONFIG)
    return TrainImages(views, labels, lambda rows: images.prepared(train_images, rows, IMAGE_CONFIG))


@pytest.fixture(scope="module")
def step():
    config = pretraining_settings(global_batch_size=16)
    image = ImageShape(16, 1, np.full(1, 80, np.float32), np.full(1, 50, np.float32))
    return ClassifierStep(Baseline.FROM_SCRATCH, config, CONFIG.optimizer, image, 3, ["/CPU:0"])


@pytest.fixture(scope="module")
def weights(step):
    return step.encoder.get_weights()


def make(step, train, folder: pathlib.Path, config=CONFIG, steps=24, on_steps=lambda steps: None, minutes=60.0):
    length = Length.of(config, 16 * steps, 16)
    return Fitting(step, train, length, config, FinishedWork(str(folder)), minutes, on_steps)


def predict(step):
    """Weights in place of predictions: they differ if anything in the training differed."""
    return (1e6 * step.head.get_weights()[0]).astype(int).ravel()


def test_a_length_is_whole_steps_with_checks_up_to_the_last():
    length = Length.of(BaselinesConfig(warmup_fraction=0.1, checks=4), 1050, 10)
    assert (length.steps, length.warmup_steps, length.check_steps) == (105, 10, (26, 52, 79, 105))
    short = Length.of(BaselinesConfig(checks=30), 25, 10)
    assert (short.steps, short.warmup_steps, short.check_steps) == (2, 0, (1, 2))
    assert Length.of(BaselinesConfig(), 3, 10).steps == 1


def test_fewer_errors_count_more_than_a_lower_loss():
    assert min(Judgement(3, 1.0), Judgement(2, 9.0), Judgement(2, 8.0)) == Judgement(2, 8.0)


def test_the_rate_that_learns_is_chosen_and_all_labels_are_trained_on(step, train, weights, tmp_path, monkeypatch):
    trained_on = []
    batches = images.TrainingViews.batches
    monkeypatch.setattr(
        images.TrainingViews,
        "batches",
        lambda self, rows, *span: trained_on.append((len(rows), *span)) or batches(self, rows, *span),
    )
    told = []
    cell = Cell(1.0, 0, ROWS, ((FITTING, HELD_OUT), (HELD_OUT, FITTING)))
    result = make(step, train, tmp_path, on_steps=told.append).fit_cell("scratch/1", cell, weights, predict)
    assert result.training.learning_rate == 0.01
    assert result.training.held_out_images == 60
    assert 6 <= result.training.steps <= 24
    assert trained_on == [(40, 0, 24), (20, 0, 24)] * 2 + [(60, 0, result.training.steps)]
    assert sum(told) == 5 * 24  # every step, done or not needed, was told of once
    scores = step.scores(train.prepared(ROWS))
    assert (scores.argmax(axis=1) == train.labels).mean() > 0.6  # of three classes


def test_without_held_out_images_the_first_rate_stands_to_the_end(step, train, weights, tmp_path):
    cell = Cell(0.05, 0, ROWS[:3], ())
    result = make(step, train, tmp_path, steps=3).fit_cell("scratch/few", cell, weights, predict)
    assert (result.training.learning_rate, result.training.steps, result.training.held_out_images) == (1e-8, 3, 0)


def test_a_training_that_no_longer_gains_is_stopped_and_its_best_moment_kept(
    step, train, weights, tmp_path, monkeypatch
):
    errors = iter([9, 5, 6, 5, 5, 4, 4])  # improves, by less loss or fewer errors, at looks 1, 2 and 5
    losses = iter([9.0, 5.0, 1.0, 5.0, 4.0, 9.0])
    monkeypatch.setattr(Fitting, "_look", lambda self, held_out: Judgement(next(errors), next(losses)))
    config = BaselinesConfig(learning_rate_factors=(1.0,), batch_size=16, checks=12, patience_checks=2)
    cell = Cell(1.0, 0, ROWS, ((FITTING, HELD_OUT),))
    told = []
    result = make(step, train, tmp_path, config, on_steps=told.append).fit_cell("a", cell, weights, predict)
    assert result.training.steps == 4  # looks every second step; two without gain follow the second
    assert next(errors) == 5  # nobody looked a fifth time
    assert sum(told) == 2 * 24


def test_scores_that_are_no_numbers_judge_a_training_as_lost(step, train, weights, tmp_path):
    step.restart([np.full_like(weight, np.nan) for weight in weights])
    lost = make(step, train, tmp_path)._look(HELD_OUT)
    step.restart(weights)
    fresh = make(step, train, tmp_path)._look(HELD_OUT)
    assert fresh.loss == pytest.approx(20 * np.log(3), rel=1e-3)
    assert np.isfinite(lost.loss) and lost.loss > 10 * fresh.loss


def without_seconds(cell: FittedCell) -> FittedCell:
    return dataclasses.replace(cell, training=dataclasses.replace(cell.training, seconds=0.0))


@pytest.mark.parametrize("killed_at", [3, 14, 30, 55])
def test_killed_and_continued_is_as_never_killed(step, train, weights, tmp_path, killed_at):
    """Killed in the first, between and in the last training; with a checkpoint after every step."""
    cell = Cell(1.0, 0, ROWS, ((FITTING, HELD_OUT),))
    whole = make(step, train, tmp_path / "whole").fit_cell("scratch/1", cell, weights, predict)

    counter = itertools.count(1)

    def kill(steps):
        if steps and next(counter) == killed_at:
            raise Killed

    with pytest.raises(Killed):
        make(step, train, tmp_path / "killed", on_steps=kill, minutes=1e-9).fit_cell(
            "scratch/1", cell, weights, predict
        )
    ran = []
    original = ClassifierStep.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassifierStep, "run", lambda self, *values: ran.append(1) or original(self, *values))
        again = make(step, train, tmp_path / "killed", minutes=1e-9).fit_cell("scratch/1", cell, weights, predict)
        assert len(ran) == 48 + again.training.steps - (killed_at - 1)
    assert without_seconds(again) == without_seconds(whole)
    assert [str(path.relative_to(tmp_path / "killed")) for path in (tmp_path / "killed").rglob("*")] == [
        "scratch",
        "scratch/1.json",
    ]


def test_a_finished_cell_is_not_done_again(step, train, weights, tmp_path, monkeypatch):
    cell = Cell(1.0, 0, ROWS[:6], ())
    first = make(step, train, tmp_path, steps=2).fit_cell("a", cell, weights, predict)
    monkeypatch.delattr(ClassifierStep, "run")
    told = []
    assert make(step, train, tmp_path, steps=2, on_steps=told.append).fit_cell("a", cell, weights, predict) == first
    assert told == [2]


def test_draws_and_held_out_parts_are_those_of_linear_evaluation(train_images):
    labels = np.searchsorted(CLASSES, train_images.labels)
    groups = np.arange(60) // 2  # pairs that must not be told apart
    evaluation = LinearEvaluationConfig(label_fractions=(0.05, 0.5, 1.0), label_draws=3)
    protocol = comparison.Protocol(BaselinesConfig(max_label_draws=2, max_held_out_parts=2), evaluation, IMAGE_CONFIG)
    found = list(comparison.cells(labels, groups, protocol))
    assert [(cell.fraction, cell.draw) for cell in found] == [(0.05, 0), (0.05, 1), (0.5, 0), (0.5, 1), (1.0, 0)]
    for cell, expected in zip(found, (3, 3, 30, 30, 60), strict=True):
        assert cell.rows.tolist() == draw_labels(labels, cell.fraction, cell.draw, evaluation.seed).tolist()
        assert len(cell.rows) == expected and len(cell.parts) == (0 if expected == 3 else 2)
        for fitting, held_out in cell.parts:
            assert not set(groups[fitting]) & set(groups[held_out])
            assert sorted([*fitting, *held_out]) == cell.rows.tolist()
            assert set(labels[fitting]) == {0, 1, 2}
