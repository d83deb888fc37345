"""The Tuner's search: KerasTuner proposes values, each trial is some short trainings, kNN on the eval split judges.

Nothing of KerasTuner's survives a kill: it writes its files in place, and leaves out where its random numbers were.
Instead every training keeps its checkpoints and its result under the digest of what is trained, as the Trainer's do,
and the search starts anew: its proposals follow from the seed and the results, so it comes to the same trials and finds
those that were finished.
"""

import logging
import time
from typing import Any

import tensorflow as tf
from keras_tuner import HyperParameters, Objective, errors, oracles
from keras_tuner.engine import base_tuner
from keras_tuner.engine import oracle as oracle_module
from keras_tuner.engine import trial as trial_module

from components.contracts import files, pretraining_record, tuning_record
from components.contracts.images import ImageConfig
from components.pretraining import hyperparameters, pretrain
from components.pretraining.config import PretrainingConfig
from components.pretraining.tuning_config import BATCH_SIZE, CHOICES, HEAD_WIDTH, Oracle, TuningConfig
from components.simclr import watching
from components.simclr.encoders.encoder import build_encoder

_logger = logging.getLogger(__name__)

_RESULT_FILE = "trial.json"  # in the checkpoint directory of a training: accuracy, seconds, failure


class TuningFailedError(RuntimeError):
    """Not one trial came to an end."""


class _OwnValuesFirst(oracle_module.Oracle):
    """Mixed into an oracle of KerasTuner: the first trial has the config's own values, so that a search can lose."""

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
    """Searches around a config for the pretraining whose representations are best.

    Args:
        config: search space and budget.
        pretraining: what the search starts from.
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
        self._results: dict[str, list[dict[str, Any]]] = {}  # of the trainings, by id of the trial
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
            keras_tuner.errors.FatalError: a training ended in an error that is none of learning.
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
            if results[-1][tuning_record.FAILURE]:
                _logger.warning("trial %d failed: %s", number, results[-1][tuning_record.FAILURE])
                raise errors.FailedTrialError(results[-1][tuning_record.FAILURE])
        found = [result[tuning_record.KNN] for result in results]
        _logger.info("trial %d: kNN accuracy %s", number, ", ".join(f"{accuracy:.4f}" for accuracy in found))
        return [{tuning_record.KNN: accuracy} for accuracy in found]

    def record(self) -> dict[str, Any]:
        """The content of ``tuning.json``, after the search."""
        [best] = self.oracle.get_best_trials()
        return {
            tuning_record.TRIALS: [self._entry(self.oracle.get_trial(trial_id)) for trial_id in self._results],
            tuning_record.BEST: int(best.trial_id) + 1,
            tuning_record.EPOCHS: self._config.epochs,
            tuning_record.EXECUTIONS: self._config.executions,
            tuning_record.EVAL_IMAGES: self._eval_images,
            tuning_record.CHECKPOINT_DIRECTORIES: self._directories,
        }

    def _entry(self, trial: trial_module.Trial) -> dict[str, Any]:
        results = self._results[trial.trial_id]
        return {
            tuning_record.TRIAL: int(trial.trial_id) + 1,
            tuning_record.VALUES: trial.hyperparameters.values,
            tuning_record.KNN: trial.score,
            tuning_record.KNNS: [result[tuning_record.KNN] for result in results],
            tuning_record.SECONDS: sum(result[tuning_record.SECONDS] for result in results),
            tuning_record.FAILURE: self._failure(trial.trial_id),
        }

    def _failure(self, trial_id: str) -> str | None:
        return self._results[trial_id][-1][tuning_record.FAILURE]

    def _check_batch_sizes(self, num_images: int) -> None:
        for size in self._space.get(BATCH_SIZE, ()):
            config = hyperparameters.apply(self._pretraining, {BATCH_SIZE: size}, "Tuner")
            try:
                config.steps_per_epoch(num_images)
            except ValueError as error:
                raise ValueError(f"tuning.batch_size: {size} cannot be tried: {error}") from None

    def _train(self, config: PretrainingConfig, material: pretrain.Material) -> dict[str, Any]:
        """What a training of this or an earlier attempt came to."""
        directory = pretrain.checkpoint_directory(config, self._inputs, material.summary)
        self._directories.append(directory)
        path = f"{directory}/{_RESULT_FILE}"
        if tf.io.gfile.exists(path):
            return files.read_json(path)
        started = time.monotonic()
        try:
            progress = pretrain.train(config, self._image_config, self._inputs, material).progress
            knn, seconds, failure = progress.history[-1][pretraining_record.KNN], progress.seconds, None
        except (watching.PretrainingStopped, tf.errors.ResourceExhaustedError) as error:
            knn, seconds, failure = None, time.monotonic() - started, str(error)
        result = {tuning_record.KNN: knn, tuning_record.SECONDS: seconds, tuning_record.FAILURE: failure}
        _replace_checkpoints(directory, result)
        return result


def _replace_checkpoints(directory: str, result: dict[str, Any]) -> None:
    """Leave only the result of a training that is over."""
    files.write_json(f"{directory}/{_RESULT_FILE}", result)
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
        "objective": Objective(tuning_record.KNN, "max"),
        "max_trials": config.max_trials,
        "hyperparameters": parameters,
        "seed": config.seed + 1,  # 0 would be another seed in each run
        "max_consecutive_failed_trials": config.max_trials + 1,  # that all failed is told in words of our own
    }
    if config.oracle is Oracle.RANDOM:
        oracle = _RandomOracle(**settings)
    else:
        # KerasTuner's default, three times as many, would leave nothing of a small budget to the Gaussian process.
        oracle = _BayesianOracle(num_initial_points=len(parameters.space) + 1, **settings)
    oracle.verbose = 0  # it would print
    return oracle
