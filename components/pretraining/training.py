"""The training loop: steps, watching and checkpoints, from the newest checkpoint to the last step.

Reads no test data, and no labels except those of the watch images, which never reach a gradient.
"""

import dataclasses
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from components.contracts import configuration
from components.contracts.pretraining_record import Epoch, Plan
from components.contracts.progress import report_progress
from components.pretraining import checkpoints, methods
from components.pretraining.config import PretrainingConfig
from components.pretraining.curves import Curves
from components.pretraining.dataset import Batch, ViewPairs, WatchImages
from components.pretraining.training_step import StepResult, TrainingStep, views_by_side
from components.simclr import watching
from components.simclr.schedules import learning_rate_at

_logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_REPORTS = 1.0
_MAX_WATCHED_ROWS = 1024  # of the last batch, for alignment, uniformity and rank


@dataclasses.dataclass
class Progress:
    """How far a run is; everything here goes into its checkpoints."""

    step: int = 0  # steps done
    history: list[Epoch] = dataclasses.field(default_factory=list)  # the finished epochs
    unfinished: list[list[float]] = dataclasses.field(default_factory=list)  # metrics of the running epoch's steps
    seconds: float = 0.0  # of training, over all processes
    speeds: list[float] = dataclasses.field(default_factory=list)  # images per second of the finished epochs
    resumed_from: list[int] = dataclasses.field(default_factory=list)  # steps at which a process took over


@dataclasses.dataclass(frozen=True)
class Speed:
    """Of this process; the first step, which compiles, is left out."""

    images_per_second: float
    input_wait_fraction: float  # part of the time in which the step waited for views


def train(
    config: PretrainingConfig,
    plan: Plan,
    step: TrainingStep,
    pairs: ViewPairs,
    watch_images: WatchImages,
    checkpoint_dir: str,
    curves: Curves | None = None,
) -> tuple[Progress, Speed]:
    """Train to the last step of the plan, starting from the newest checkpoint in ``checkpoint_dir``.

    Args:
        config: thresholds and intervals.
        plan: length of the run.
        step: models and optimiser; changed in place.
        pairs: batches of the train split.
        watch_images: labelled images for kNN.
        checkpoint_dir: of this training; another config, other data or other code need another folder.
        curves: gets the finished epochs, also those before the checkpoint.

    Returns:
        The progress of the whole run and the speed of this process.

    Raises:
        watching.PretrainingStopped: the run is lost; the subclass says how.
    """
    loop = _Loop(config, plan, step, watch_images, checkpoint_dir, curves)
    loop.resume()
    return loop.progress, loop.run(pairs)


class _Loop:
    def __init__(
        self,
        config: PretrainingConfig,
        plan: Plan,
        step: TrainingStep,
        watch_images: WatchImages,
        checkpoint_dir: str,
        curves: Curves | None,
    ):
        self._config, self._plan, self._step = config, plan, step
        self._watch_images, self._checkpoint_dir = watch_images, checkpoint_dir
        self._curves = curves
        self._epoch_from = time.monotonic(), 0  # moment and step at which the running epoch began in this process
        self._pending: list[Any] = []  # metrics not yet fetched from the device
        self._clock = self._saved_at = self._reported_at = time.monotonic()
        self._timed_from = self._clock, 0  # moment and step after the first step of this process, which compiles
        self._chance = methods.chance(config)
        self.progress = Progress()

    def resume(self) -> None:
        checkpoint = checkpoints.load_latest(self._checkpoint_dir)
        if checkpoint is None:
            return
        self._step.restore(checkpoint.arrays)
        self.progress = configuration.from_mapping(Progress, checkpoint.state, self._checkpoint_dir)
        self.progress.resumed_from.append(checkpoint.step)
        self._epoch_from = time.monotonic(), checkpoint.step
        if self._curves:
            for epoch, speed in zip(self.progress.history, self.progress.speeds, strict=True):
                self._curves.epoch(epoch, speed)
        _logger.info("going on from step %d of %d (%s)", checkpoint.step, self._plan.total_steps, self._checkpoint_dir)

    def run(self, pairs: ViewPairs) -> Speed:
        batches = _Timed(pairs.iterate(self.progress.step, self._plan.total_steps))
        first_step, start = self.progress.step, time.monotonic()
        self._clock = self._saved_at = start
        for batch in batches:
            result = self._step.run(batch)
            self._pending.append(result.metrics)
            self.progress.step += 1
            if self.progress.step == first_step + 1:
                self._fetch()
                start, batches.waited = time.monotonic(), 0.0
                self._timed_from = start, self.progress.step
            self._after_step(result)
        seconds = max(time.monotonic() - start, 1e-9)
        timed_steps = max(self.progress.step - first_step - 1, 0)
        return Speed(timed_steps * self._plan.images_per_step / seconds, min(batches.waited / seconds, 1.0))

    def _after_step(self, result: StepResult) -> None:
        done = self.progress.step
        if done % self._plan.steps_per_epoch == 0:
            self._finish_epoch(result)
        is_due = done % self._config.checkpoint_every_steps == 0 or done == self._plan.total_steps
        if is_due or time.monotonic() - self._saved_at > 60 * self._config.checkpoint_every_minutes:
            self._save()
        if time.monotonic() - self._reported_at > _SECONDS_BETWEEN_REPORTS or done == self._plan.total_steps:
            self._report()

    def _finish_epoch(self, result: StepResult) -> None:
        self._fetch()
        progress, epoch = self.progress, len(self.progress.history) + 1
        progress.history.append(self._epoch(epoch, result))
        progress.unfinished = []
        self._finish_curves()
        _logger.info("of %d: %s", self._config.epochs, _sentence(progress.history[-1]))
        watching.judge(
            self._config.watch,
            progress.history,
            self._chance,
            self._plan.representation_width,
            self._config.warmup_epochs,
        )

    def _finish_curves(self) -> None:
        now, done = time.monotonic(), self.progress.step
        moment, step = self._epoch_from
        self._epoch_from = now, done
        self.progress.speeds.append((done - step) * self._plan.images_per_step / max(now - moment, 1e-9))
        if self._curves:
            self._curves.epoch(self.progress.history[-1], self.progress.speeds[-1])

    def _epoch(self, number: int, result: StepResult) -> Epoch:
        """Means over the steps of the epoch, and the geometry of its last batch."""
        means = np.mean(self.progress.unfinished, axis=0)
        measures = {name: float(mean) for name, mean in zip(self._step.metric_names, means, strict=True)}
        projections = [side[:_MAX_WATCHED_ROWS] for side in views_by_side(result.projections)]
        representations = views_by_side(result.representations)[0][:_MAX_WATCHED_ROWS]
        if not all(np.isfinite(rows).all() for rows in (*projections, representations)):
            raise self._non_finite()
        return Epoch(
            epoch=number,
            loss=measures["loss"],
            chance=self._plan.chance_loss,
            top1=measures.get("top1"),
            top5=measures.get("top5"),
            alignment=watching.alignment(*projections),
            uniformity=watching.uniformity(projections[0]),
            std=watching.mean_std(representations),
            effective_rank=watching.effective_rank(representations),
            learning_rate=self._learning_rate(self.progress.step - 1),
            knn=self._knn() if self._measures_knn(number) else None,
        )

    def _measures_knn(self, epoch: int) -> bool:
        return epoch % self._config.watch.every_epochs == 0 or epoch == self._config.epochs

    def _learning_rate(self, step: int) -> float:
        plan, final_fraction = self._plan, self._config.schedule.final_fraction
        return learning_rate_at(step, plan.learning_rate, plan.warmup_steps, plan.total_steps, final_fraction)

    def _knn(self) -> float:
        representations = self._step.embed(self._watch_images.pixels)
        watch = self._config.watch
        return watching.knn_accuracy(representations, self._watch_images.labels, watch.knn_k, watch.knn_temperature)

    def _fetch(self) -> None:
        """Wait for the device and fetch its metrics."""
        fetched = [[float(value) for value in np.asarray(metrics)] for metrics in self._pending]
        self._pending = []
        if not np.isfinite(fetched).all():
            raise self._non_finite()
        self.progress.unfinished += fetched

    def _non_finite(self) -> watching.NonFinite:
        return watching.non_finite(self.progress.step, "a loss, representation or projection is not finite")

    def _save(self) -> None:
        self._fetch()
        now = time.monotonic()
        self.progress.seconds += now - self._clock
        self._clock = self._saved_at = now
        state = configuration.to_mapping(self.progress)
        path = checkpoints.save(self._checkpoint_dir, self.progress.step, self._step.arrays(), state)
        _logger.debug("checkpoint %s", path)

    def _report(self) -> None:
        self._fetch()
        self._reported_at = time.monotonic()
        metrics = self.progress.unfinished
        loss = metrics[-1][0] if metrics else self.progress.history[-1].loss
        epoch = min(self.progress.step // self._plan.steps_per_epoch + 1, self._config.epochs)
        text = f"epoch {epoch} of {self._config.epochs}, loss {loss:.3f}"
        if self._plan.chance_loss is not None:
            text += f" (chance {self._plan.chance_loss:.2f})"
        if (seconds := self._reported_at - self._timed_from[0]) > 0 and self.progress.step > self._timed_from[1]:
            images = (self.progress.step - self._timed_from[1]) * self._plan.images_per_step
            text += f", {images / seconds:.3g} images/s"
        report_progress(self.progress.step, self._plan.total_steps, text)


class _Timed:
    """Iterates over batches and adds up the seconds spent waiting for them."""

    def __init__(self, batches: Iterable[Batch]):
        self._batches = batches
        self.waited = 0.0

    def __iter__(self) -> Iterator[Batch]:
        iterator = iter(self._batches)
        while True:
            start = time.monotonic()
            batch = next(iterator, None)
            self.waited += time.monotonic() - start
            if batch is None:
                return
            yield batch


def _sentence(epoch: Epoch) -> str:
    """What was measured, such as "epoch 3 loss 4.21 std 0.1"."""
    measured = ((name, value) for name, value in configuration.to_mapping(epoch).items() if value is not None)
    return " ".join(f"{name} {value:.4g}" for name, value in measured)
