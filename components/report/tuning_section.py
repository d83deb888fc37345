"""The Tuner's trials as a table: what was tried, what it was worth, and which values the Trainer was given."""

import dataclasses
import math

from components.contracts.tuning_record import Trial, TuningRecord
from components.report.scales import duration, percent, significant


@dataclasses.dataclass(frozen=True)
class TuningSection:
    """A row per trial; the last column is words, the ones between it and the first are numbers."""

    heads: list[str]
    rows: list[list[str]]
    note: str


def tuning_section(tuning: TuningRecord) -> TuningSection:
    """The table of ``tuning.json``."""
    names = list(tuning.trials[0].values)
    heads = ["trial", *(name.replace("_", " ") for name in names), "kNN accuracy", "time", "outcome"]
    rows = [
        [
            str(trial.trial),
            *(significant(trial.values[name]) for name in names),
            "" if trial.knn is None else percent(trial.knn),
            duration(trial.seconds),
            _outcome(trial, tuning.best),
        ]
        for trial in tuning.trials
    ]
    return TuningSection(heads, rows, _note(tuning))


def _outcome(trial: Trial, best: int) -> str:
    words = [
        *(["the config's own values"] if trial.trial == 1 else []),
        *(["taken"] if trial.trial == best else []),
        *([f"failed: {trial.failure}"] if trial.failure else []),
    ]
    return "; ".join(words)


def _note(tuning: TuningRecord) -> str:
    """How the trials were judged, and how much of a difference is chance."""
    images, executions, best = tuning.eval_images, tuning.executions, tuning.best_accuracy
    error = math.sqrt(best * (1 - best) / images)
    trainings = "a training" if executions == 1 else f"{executions} trainings"
    return (
        f"Each trial is {trainings} of {tuning.epochs} epochs, judged by kNN among {images} held-out images of "
        f"train, never of test. One standard error of so few images is {percent(error)}; the best of several trials "
        "looks better than it is."
    )
