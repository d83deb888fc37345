"""One training from start to end, and one cell of the table: a method with one draw of the labels.

Learning rate and number of steps are chosen on held-out parts of the drawn labels; the classifier is then trained on
all of them. Nothing here knows a test label.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from components.baselines.classifier_step import ClassifierStep
from components.baselines.config import BaselinesConfig
from components.baselines.finished_work import FinishedWork
from components.baselines.images import TrainingViews
from components.contracts.baseline_record import Training
from components.contracts.record_files import record
from components.pretraining import checkpoints
from components.simclr.schedules import learning_rate_at

Result = TypeVar("Result")

_FOUND = "found"  # key of a checkpoint's state: the judgements so far
_SMALLEST_SCORE = 1e-12  # lower bound before the logarithm


@dataclasses.dataclass(frozen=True)
class Length:
    """The greatest length of a training."""

    steps: int
    warmup_steps: int
    check_steps: tuple[int, ...]  # steps after which the held-out images are predicted, ascending; the last is the end

    @classmethod
    def of(cls, config: BaselinesConfig, image_passes: int, images_per_step: int) -> "Length":
        """As many whole steps as ``image_passes`` allow, at least one."""
        steps = max(1, image_passes // images_per_step)
        checks = {max(1, round(steps * (index + 1) / config.checks)) for index in range(config.checks)}
        return cls(steps, min(round(config.warmup_fraction * steps), steps - 1), tuple(sorted(checks)))


@dataclasses.dataclass(frozen=True)
class TrainImages:
    """The images and labels that trainings choose from."""

    views: TrainingViews
    labels: np.ndarray  # (n,) int
    prepared: Callable[[np.ndarray], Iterable[np.ndarray]]  # rows to batches as evaluation prepares them


@dataclasses.dataclass(frozen=True)
class Cell:
    """One draw of the labels."""

    fraction: float
    draw: int
    rows: np.ndarray  # of train, that may be trained on
    parts: tuple[tuple[np.ndarray, np.ndarray], ...]  # fitting and held-out rows among ``rows``; may be empty

    @property
    def name(self) -> str:
        """The part of its results' names that tells it from other cells."""
        return f"{self.fraction:g}-{self.draw}"


@dataclasses.dataclass(frozen=True, order=True)
class Judgement:
    """How well a training predicts held-out images; the smaller judgement is better."""

    errors: int
    loss: float  # nats, summed over the images


@record(version=1)
class JudgedTraining:
    """A training that held-out images judged, at its best check."""

    errors: int
    loss: float
    steps: int  # until the best check


@record(version=1)
class FittedCell:
    """The classifier of one cell."""

    training: Training
    predicted: tuple[int, ...]  # classes of the m test images


class Fitting:
    """Trains one baseline.

    Args:
        step: the training step of the baseline.
        train: images, labels, views.
        length: the greatest length of every training.
        config: rates, patience.
        work: keeps the results of this process and of earlier ones that were killed.
        checkpoint_minutes: between two checkpoints of a training.
        on_steps: called with the number of further steps that are done or have become unnecessary.
    """

    def __init__(
        self,
        step: ClassifierStep,
        train: TrainImages,
        length: Length,
        config: BaselinesConfig,
        work: FinishedWork,
        checkpoint_minutes: float,
        on_steps: Callable[[int], None] = lambda steps: None,
    ):
        self._step, self._train, self._length, self._config = step, train, length, config
        self._work, self._checkpoint_minutes, self._on_steps = work, checkpoint_minutes, on_steps

    def fit_cell(
        self, name: str, cell: Cell, weights: Sequence[np.ndarray], predict: Callable[[ClassifierStep], np.ndarray]
    ) -> FittedCell:
        """Choose rate and steps, train on all rows of the cell, and predict once.

        Args:
            name: name under which the result is kept.
            cell: labels that may be used.
            weights: of the encoder at the start.
            predict: gives the classes, (m,) int, that a trained classifier predicts.
        """
        trainings = 1 + len(cell.parts) * len(self._config.learning_rates)
        return self._kept(FittedCell, name, trainings, lambda: self._fit_cell(name, cell, weights, predict))

    def _kept(self, cls: type[Result], name: str, trainings: int, do: Callable[[], Result]) -> Result:
        result = self._work.get(cls, name)
        if result is None:
            result = do()
            self._work.put(name, result)
        else:
            self._on_steps(trainings * self._length.steps)
        return result

    def _fit_cell(
        self, name: str, cell: Cell, weights: Sequence[np.ndarray], predict: Callable[[ClassifierStep], np.ndarray]
    ) -> FittedCell:
        started = time.monotonic()
        rate, steps = self._choose(name, cell, weights)
        self._run(f"{name}/all", weights, rate, cell.rows, steps)
        self._on_steps(self._length.steps - steps)
        predicted = tuple(predict(self._step).tolist())
        training = Training(
            learning_rate=rate,
            steps=steps,
            held_out_images=sum(len(held_out) for _, held_out in cell.parts),
            seconds=time.monotonic() - started,
        )
        return FittedCell(training=training, predicted=predicted)

    def _choose(self, name: str, cell: Cell, weights: Sequence[np.ndarray]) -> tuple[float, int]:
        rates = self._config.learning_rates
        if not cell.parts:
            return rates[0], self._length.steps
        judged = [
            [
                self._judge(f"{name}/rate-{index}-part-{number}", weights, rate, *part)
                for number, part in enumerate(cell.parts)
            ]
            for index, rate in enumerate(rates)
        ]
        totals = [Judgement(sum(part.errors for part in parts), sum(part.loss for part in parts)) for parts in judged]
        chosen = totals.index(min(totals))
        return rates[chosen], round(float(np.median([part.steps for part in judged[chosen]])))

    def _judge(
        self, name: str, weights: Sequence[np.ndarray], rate: float, rows: np.ndarray, held_out: np.ndarray
    ) -> JudgedTraining:
        """Train until the held-out images are no longer predicted better, and keep the best check."""

        def train() -> JudgedTraining:
            found = self._run(name, weights, rate, rows, self._length.steps, held_out)
            self._on_steps(self._length.steps - self._length.check_steps[len(found) - 1])
            best = found.index(min(found))
            steps = self._length.check_steps[best]
            return JudgedTraining(errors=found[best].errors, loss=found[best].loss, steps=steps)

        return self._kept(JudgedTraining, name, 1, train)

    def _run(
        self,
        name: str,
        weights: Sequence[np.ndarray],
        rate: float,
        rows: np.ndarray,
        last_step: int,
        held_out: np.ndarray | None = None,
    ) -> list[Judgement]:
        """Train from the latest checkpoint to ``last_step``, or until held-out images have not gained for too long."""
        directory = self._work.folder(name)
        self._step.restart(weights)
        first_step, found = self._resume(directory)
        saved_at = time.monotonic()
        batches = self._train.views.batches(rows, first_step, last_step)
        for done, (chosen, batch) in enumerate(batches, start=first_step + 1):
            self._step.run(batch, self._train.labels[chosen], self._rate_at(done - 1, rate))
            self._on_steps(1)
            if held_out is not None and done in self._length.check_steps:
                found.append(self._look(held_out))
                if len(found) - found.index(min(found)) > self._config.patience_checks:
                    break
            if time.monotonic() - saved_at > 60 * self._checkpoint_minutes:
                state = {_FOUND: [dataclasses.astuple(judgement) for judgement in found]}
                checkpoints.save(directory, done, self._step.arrays(), state)
                saved_at = time.monotonic()
        return found

    def _resume(self, directory: str) -> tuple[int, list[Judgement]]:
        checkpoint = checkpoints.load_latest(directory)
        if checkpoint is None:
            return 0, []
        self._step.restore(checkpoint.arrays)
        self._on_steps(checkpoint.step)
        return checkpoint.step, [Judgement(*judgement) for judgement in checkpoint.state[_FOUND]]

    def _rate_at(self, step: int, peak: float) -> float:
        return learning_rate_at(step, peak, self._length.warmup_steps, self._length.steps)

    def _look(self, held_out: np.ndarray) -> Judgement:
        scores = self._step.scores(self._train.prepared(held_out))
        labels = self._train.labels[held_out]
        # A training that diverged has scores that are not finite.
        of_label = np.nan_to_num(scores[np.arange(len(labels)), labels].astype(np.float64))
        errors = int(np.sum(scores.argmax(axis=1) != labels))
        return Judgement(errors, float(-np.log(np.maximum(of_label, _SMALLEST_SCORE)).sum()))
