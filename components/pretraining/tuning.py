"""The Tuner's search: KerasTuner proposes values, each trial trains briefly, and kNN on the eval split scores it.

KerasTuner's files do not survive a kill: it writes them in place and does not save the state of its random numbers.
Instead, every training keeps its checkpoints and its result in a folder named by a digest of config, data and code, as
the Trainer does. A retried search starts anew. Its proposals depend only on the seed and the results, so it proposes
the same trials again and finds the finished ones.
"""

import logging
import posixpath
import time
from typing import Any

import tensorflow as tf
from keras_tuner import HyperParameters, Objective, errors, oracles
from keras_tuner.engine import base_tuner
from keras_tuner.engine import oracle as oracle_module
from keras_tuner.engine import trial as trial_module

from components.contracts.images import ImageConfig
from components.contracts.record_files import read_record, record, write_record
from components.contracts.tuning_record import Trial, TuningRecord
from components.pretraining import hyperparameters, pretrain
from components.pretraining.config import PretrainingConfig
from components.pretraining.tuning_config import BATCH_SIZE, CHOICES, HEAD_WIDTH, Oracle, TuningConfig
from components.simclr import watching
from components.simclr.encoders.encoder import build_encoder

_logger = logging.getLogger(__name__)

_RESULT_FILE = "trial.json"  # in the checkpoint directory of a training
_OBJECTIVE = "knn"  # KerasTuner's name for the score


class TuningFailedError(RuntimeError):
    """Every trial failed."""


@record(version=1)
class TrainingResult:
    """How one training of a trial ended."""

    knn: float | None  # 0 to 1; None if it failed
    seconds: float
    failure: str | None  # in words


class _OwnValuesFirst(oracle_module.Oracle):
    """Mixin for KerasTuner's oracles: the first trial has the config's own values, so that others must beat them."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """As KerasTuner's oracles do."""
        if self.trials:
            return super().populate_space(trial_id)
        values = {parameter.name: parameter.default for parameter in self.hyperparameters.space}
        return {"status": trial_module.TrialStatus.RUNNING, "values": values}


class _RandomOracle(_OwnValuesFirst, oracles.RandomSearchOracle):
    pass


class _BayesianOracle(_OwnValuesFirst, oracles.BayesianOptimizationOracle):
    pass


class PretrainingTuner(base_tuner.BaseTuner):
    """Searches around a config for the values that give the best representations.

    Args:
        config: search space and budget.
        pretraining: the config that the search starts from.
        image_config: what the encoder sees.
        inputs: views, moments, and where checkpoints live.
        directory: for KerasTuner's own files; what is there already is removed.
    """

    def __init__(
        self,
        config: TuningConfig,
        pretraining: PretrainingConfig,
        image_config: ImageConfig,
        inputs: pretrain.Inputs,
        directory: str,
    ):
        self._config, self._pretraining = config, pretrain.with_weights_digest(pretraining)
        self._image_config, self._inputs = image_config, inputs
        self._eval_images = 0
        self._results: dict[str, list[TrainingResult]] = {}  # by id of the trial
        self._directories: list[str] = []
        own = hyperparameters.own_values(pretraining)
        if own[HEAD_WIDTH] is None:
            encoder = build_encoder(pretraining.encoder, image_config.size_px, image_config.channels)
            own[HEAD_WIDTH] = encoder.output_shape[1]
        self._space = hyperparameters.search_space(config, own)
        known = {name: value for name, value in own.items() if value is not None}
        oracle = _oracle(config, _hyperparameters(self._space, known))
        super().__init__(oracle=oracle, directory=directory, project_name="trials", overwrite=True)

    def search(self) -> None:
        """Run all trials.

        Raises:
            devices.MissingGpu: fewer GPUs than asked for.
            ValueError: the views do not fit, or a batch that might be tried is larger than the train split.
            TuningFailedError: every trial failed.
            keras_tuner.errors.FatalError: a training ended in another error than a failure to learn.
        """
        with pretrain.opened(self._pretraining, self._image_config, self._inputs) as material:
            self._check_batch_sizes(len(material.train_records))
            self._eval_images = len(material.watch_images.labels)
            super().search(material=material)
        if all(trial.status != trial_module.TrialStatus.COMPLETED for trial in self.oracle.trials.values()):
            reasons = [self._failure(trial_id) for trial_id in self._results]
            raise TuningFailedError(f"all {len(reasons)} trials of the Tuner failed; the first one: {reasons[0]}")

    def run_trial(self, trial: trial_module.Trial, material: pretrain.Material) -> list[dict[str, float]]:
        """Train, once per execution.

        Returns:
            The kNN accuracy of each training, of which KerasTuner takes the mean.

        Raises:
            keras_tuner.errors.FailedTrialError: a training did not learn; the search goes on.
            keras_tuner.errors.FatalError: anything else.
        """
        values = trial.hyperparameters.values
        number = int(trial.trial_id) + 1
        _logger.info("trial %d of at most %d: %s", number, self._config.max_trials, values)
        results = self._results[trial.trial_id] = []
        for execution in range(self._config.executions):
            try:
                config = hyperparameters.apply(self._pretraining, values, "Tuner")
                shortened = hyperparameters.shortened(config, self._config.epochs, execution)
                results.append(self._train(shortened, material))
            except Exception as error:
                raise errors.FatalError(f"trial {number} of the Tuner: {error}") from error
            if failure := results[-1].failure:
                _logger.warning("trial %d failed: %s", number, failure)
                raise errors.FailedTrialError(failure)
        found = [result.knn for result in results if result.knn is not None]
        _logger.info("trial %d: kNN accuracy %s", number, ", ".join(f"{accuracy:.4f}" for accuracy in found))
        return [{_OBJECTIVE: accuracy} for accuracy in found]

    def record(self) -> TuningRecord:
        """The content of ``tuning.json``, after the search."""
        [best] = self.oracle.get_best_trials()
        return TuningRecord(
            trials=tuple(self._trial(self.oracle.get_trial(trial_id)) for trial_id in self._results),
            best=int(best.trial_id) + 1,
            epochs=self._config.epochs,
            executions=self._config.executions,
            eval_images=self._eval_images,
            checkpoint_directories=tuple(map(posixpath.basename, self._directories)),
        )

    def _trial(self, trial: trial_module.Trial) -> Trial:
        results = self._results[trial.trial_id]
        return Trial(
            trial=int(trial.trial_id) + 1,
            values=trial.hyperparameters.values,
            knn=trial.score,
            knns=tuple(result.knn for result in results),
            seconds=sum(result.seconds for result in results),
            failure=self._failure(trial.trial_id),
        )

    def _failure(self, trial_id: str) -> str | None:
        return self._results[trial_id][-1].failure

    def _check_batch_sizes(self, num_images: int) -> None:
        for size in self._space.get(BATCH_SIZE, ()):
            config = hyperparameters.apply(self._pretraining, {BATCH_SIZE: size}, "Tuner")
            try:
                config.steps_per_epoch(num_images)
            except ValueError as error:
                raise ValueError(f"tuning.batch_size: {size} cannot be tried: {error}") from None

    def _train(self, config: PretrainingConfig, material: pretrain.Material) -> TrainingResult:
        """Train, unless an earlier attempt finished this very training."""
        directory = pretrain.checkpoint_directory(config, self._inputs, material.summary)
        self._directories.append(directory)
        path = f"{directory}/{_RESULT_FILE}"
        if tf.io.gfile.exists(path):
            return read_record(TrainingResult, path)
        started = time.monotonic()
        try:
            progress = pretrain.train(config, self._image_config, self._inputs, material).progress
            knn, seconds, failure = progress.history[-1].knn, progress.seconds, None
        except (watching.PretrainingStopped, tf.errors.ResourceExhaustedError) as error:
            knn, seconds, failure = None, time.monotonic() - started, str(error)
        result = TrainingResult(knn=knn, seconds=seconds, failure=failure)
        _replace_checkpoints(directory, result)
        return result


def _replace_checkpoints(directory: str, result: TrainingResult) -> None:
    """Write the result of a finished training and remove its checkpoints."""
    write_record(f"{directory}/{_RESULT_FILE}", result)
    for name in tf.io.gfile.listdir(directory):
        if name != _RESULT_FILE:
            tf.io.gfile.remove(f"{directory}/{name}")


def _hyperparameters(
    space: dict[str, tuple[hyperparameters.Value, ...]], own: dict[str, hyperparameters.Value]
) -> HyperParameters:
    parameters = HyperParameters()
    for name, values in space.items():
        if name in CHOICES:
            parameters.Choice(name, list(values), default=own[name])
        else:
            # Factors on both sides of 1 are equally far from it.
            parameters.Float(name, *values, sampling="log", default=own[name])
    return parameters


def _oracle(config: TuningConfig, parameters: HyperParameters) -> oracles.RandomSearchOracle:
    settings = {
        "objective": Objective(_OBJECTIVE, "max"),
        "max_trials": config.max_trials,
        "hyperparameters": parameters,
        "seed": config.seed + 1,  # 0 would be another seed in each run
        "max_consecutive_failed_trials": config.max_trials + 1,  # if all fail, ``search`` raises an error of its own
    }
    if config.oracle is Oracle.RANDOM:
        oracle = _RandomOracle(**settings)
    else:
        # KerasTuner's default is three times as many: a small budget would end before the Gaussian process proposes.
        oracle = _BayesianOracle(num_initial_points=len(parameters.space) + 1, **settings)
    oracle.verbose = 0  # it would print
    return oracle
