"""``tuning.json`` (artifact_files.TUNING_FILE): every trial of the Tuner, also those that failed.

The score of a trial is the kNN accuracy on ViewGen's eval split, averaged over its trainings. The first trial has the
config's own values.
"""

from components.contracts.configuration import configuration
from components.contracts.record_files import record


@configuration
class Trial:
    """One set of values and its score."""

    trial: int  # 1, 2, ...
    values: dict[str, int | float]  # by hyperparameter
    knn: float | None  # 0 to 1, mean over the trainings; None if the trial failed
    knns: tuple[float | None, ...]  # of each training
    seconds: float  # of all its trainings
    failure: str | None  # why it failed, in words


@record(version=2)
class TuningRecord:
    """The whole search."""

    trials: tuple[Trial, ...]  # in the order of the search
    best: int  # number of the trial whose values the Trainer gets; the first of equally good ones
    epochs: int  # of each training
    executions: int  # trainings per trial
    eval_images: int  # images that the accuracies are measured on
    checkpoint_directories: tuple[str, ...]  # names below <pipeline root>/checkpoints

    @property
    def best_accuracy(self) -> float:
        """Score of the best trial; every search that ends has one that did not fail."""
        return next(trial.knn for trial in self.trials if trial.trial == self.best and trial.knn is not None)
