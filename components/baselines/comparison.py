"""From files to numbers: labelled images, a pretrained encoder and the probe's evidence in; every method's numbers out.

A method sees the train split, and the test images without their labels. Only ``measuring`` reads test labels, after
every prediction has been made.
"""

import dataclasses
import functools
import hashlib
import itertools
import logging
import posixpath
import tempfile
import time
from collections.abc import Iterator, Sequence

import numpy as np

from components.baselines import images, measuring
from components.baselines.classifier_step import ClassifierStep
from components.baselines.config import Baseline, BaselinesConfig
from components.baselines.finished_work import FinishedWork
from components.baselines.fitting import Cell, FittedCell, Fitting, Length, TrainImages
from components.baselines.images import LabelledImages
from components.contracts import artifact_files, configuration, files, stored_predictions
from components.contracts.baseline_record import BaselinesReport, ClassifierKind
from components.contracts.evidence import ProbeReport
from components.contracts.images import ImageConfig
from components.contracts.pretraining_record import Plan, PretrainingRecord
from components.contracts.progress import report_progress
from components.contracts.record_files import read_record
from components.contracts.stored_predictions import StoredPredictions
from components.linear_evaluation.config import LinearEvaluationConfig
from components.linear_evaluation.label_draws import draw_labels, held_out_parts
from components.pretraining import devices
from components.pretraining.config import PretrainingConfig
from components.pretraining.training_step import ImageShape, build_models
from components.simclr.augmentation.policies import CropPolicy
from components.simclr.config import Method
from components.simclr.encoders import keras_files

_logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_REPORTS = 1.0


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Paths and URIs of what is read, and the settings it was made with."""

    train_files: Sequence[str]  # gzip TFRecord files of image records
    test_files: Sequence[str]
    encoder_dir: str  # of the Trainer's model
    probe_dir: str  # of LinearProbe's report
    mean: np.ndarray  # (c,) float32, 0 to 255
    std: np.ndarray  # (c,) float32
    stored_crop: CropPolicy  # of the stored crops that pretraining used, if it drew none itself
    checkpoints_root: str
    code_digest: str


@dataclasses.dataclass(frozen=True)
class Protocol:
    """The settings of the comparison."""

    config: BaselinesConfig
    linear_evaluation: LinearEvaluationConfig
    image: ImageConfig


def compare(inputs: Inputs, protocol: Protocol) -> BaselinesReport:
    """Train and measure every method.

    Raises:
        devices.MissingGpu: fewer GPUs than asked for.
        ValueError: the images are not those that the probe was measured on.
    """
    devices.check_gpus(protocol.config.num_gpus, "baselines.num_gpus")
    pretraining = read_record(PretrainingRecord, f"{inputs.encoder_dir}/{artifact_files.PRETRAINING_FILE}")
    probe = read_record(ProbeReport, f"{inputs.probe_dir}/{artifact_files.PROBE_FILE}")
    path = f"{inputs.probe_dir}/{artifact_files.TEST_PREDICTIONS_FILE}"
    predictions = stored_predictions.from_bytes(files.read_bytes(path), path)
    with tempfile.TemporaryDirectory(prefix="baselines-") as scratch:
        train = images.store(inputs.train_files, f"{scratch}/train", "train")
        test = images.store(inputs.test_files, f"{scratch}/test", "test")
        _require_same_images(train, test, probe, predictions)
        work = _Work(inputs, protocol, pretraining, train, test, list(probe.class_names))
        with devices.op_determinism(work.recipe.deterministic):
            trained = work.train_all()
    return BaselinesReport(
        methods=measuring.methods(probe, predictions, trained, protocol.linear_evaluation),
        confidence=protocol.linear_evaluation.confidence,
        counts=probe.counts,
        encoder_digest=probe.encoder_digest,
        image_passes=work.image_passes,
        batch_size=work.recipe.global_batch_size,
        checkpoint_directory=posixpath.basename(work.directory),
        config=configuration.to_mapping(protocol.config),
    )


def _require_same_images(
    train: LabelledImages, test: LabelledImages, probe: ProbeReport, predictions: StoredPredictions
) -> None:
    if not np.array_equal(test.digests, predictions.digests):
        raise ValueError(
            f"the {len(test.digests)} test images are not the {len(predictions.digests)} that the probe was measured on"
        )
    names, expected = sorted(set(train.labels.tolist())), list(probe.class_names)
    if names != expected or len(train.labels) != probe.counts.train:
        raise ValueError(
            f"the probe was given {probe.counts.train} train labels of {expected}, but here are {len(train.labels)} of "
            f"{names}"
        )


class _Work:
    """The methods of one comparison, one after the other."""

    def __init__(
        self,
        inputs: Inputs,
        protocol: Protocol,
        pretraining: PretrainingRecord,
        train: LabelledImages,
        test: LabelledImages,
        class_names: list[str],
    ):
        self._config, self._protocol, self._inputs, self._test = protocol.config, protocol, inputs, test
        self._class_names = class_names
        trainer = configuration.from_mapping(PretrainingConfig, pretraining.config, artifact_files.PRETRAINING_FILE)
        self.recipe = recipe(trainer, self._config, inputs.stored_crop, len(train.labels))
        self.image_passes = _image_passes(pretraining.plan, self._config)
        self._length = Length.of(self._config, self.image_passes, self.recipe.global_batch_size)
        self._labels = np.searchsorted(class_names, train.labels)
        self._cells = list(cells(self._labels, train.groups, protocol))
        self._train = TrainImages(
            images.TrainingViews(train, self.recipe, protocol.image),
            self._labels,
            lambda rows: images.prepared(train, rows, protocol.image),
        )
        self.directory = _work_directory(inputs, protocol, pretraining, train, test)
        self._done = _Done(self._total_steps())

    def train_all(self) -> dict[ClassifierKind, list[measuring.Trained]]:
        """Train every method at every fraction."""
        _logger.info(
            "%d trainings of at most %d steps of %d images; results are kept in %s",
            self._total_steps() // self._length.steps,
            self._length.steps,
            self.recipe.global_batch_size,
            self.directory,
        )
        return {ClassifierKind(baseline.value): self._train_method(baseline) for baseline in self._config.methods}

    def _total_steps(self) -> int:
        rates = len(self._config.learning_rates)
        trainings = sum(1 + rates * len(cell.parts) for cell in self._cells)
        return trainings * len(self._config.methods) * self._length.steps

    def _train_method(self, baseline: Baseline) -> list[measuring.Trained]:
        image = ImageShape(
            self._protocol.image.size_px, self._protocol.image.channels, self._inputs.mean, self._inputs.std
        )
        placed = devices.replica_devices(self._config.num_gpus)
        step = ClassifierStep(baseline, self.recipe, self._config.optimizer, image, len(self._class_names), placed)
        fitting = Fitting(
            step,
            self._train,
            self._length,
            self._config,
            FinishedWork(self.directory),
            self.recipe.checkpoint_every_minutes,
            functools.partial(self._done.add, baseline.value),
        )
        by_fraction: dict[float, list[FittedCell]] = {}
        for cell in self._cells:
            weights = self._weights(baseline, cell, image)
            result = fitting.fit_cell(f"{baseline.value}/{cell.name}", cell, weights, self._predict)
            by_fraction.setdefault(cell.fraction, []).append(result)
        return [_join(results) for results in by_fraction.values()]

    def _weights(self, baseline: Baseline, cell: Cell, image: ImageShape) -> list[np.ndarray]:
        if baseline is not Baseline.FROM_SCRATCH:
            return self._pretrained
        # Each draw of the labels starts from weights of its own, so that the spread over draws includes theirs.
        seeded = dataclasses.replace(self.recipe, seed=self.recipe.seed + cell.draw)
        return build_models(seeded, image)[0].get_weights()

    @functools.cached_property
    def _pretrained(self) -> list[np.ndarray]:
        content = files.read_bytes(f"{self._inputs.encoder_dir}/{artifact_files.ENCODER_FILE}")
        return keras_files.from_bytes(content).get_weights()

    def _predict(self, step: ClassifierStep) -> np.ndarray:
        rows = np.arange(len(self._test.digests))
        return step.scores(images.prepared(self._test, rows, self._protocol.image)).argmax(axis=1)


class _Done:
    """Counts steps and reports the progress."""

    def __init__(self, total: int):
        self._total, self._steps = total, 0
        self._reported_at = time.monotonic()

    def add(self, text: str, steps: int) -> None:
        self._steps += steps
        if time.monotonic() - self._reported_at > _SECONDS_BETWEEN_REPORTS or self._steps == self._total:
            self._reported_at = time.monotonic()
            report_progress(self._steps, self._total, f"training {text.replace('_', ' ')}")


def recipe(
    pretraining: PretrainingConfig, config: BaselinesConfig, stored_crop: CropPolicy, num_images: int
) -> PretrainingConfig:
    """The settings of a baseline's training: architecture, views, precision and input are those of pretraining.

    Args:
        pretraining: settings of the encoder's pretraining.
        config: batch, devices and seed.
        stored_crop: crop policy if pretraining used stored crops.
        num_images: labelled images of train, the upper limit of a batch.
    """
    replicas = config.num_replicas
    return dataclasses.replace(
        pretraining,
        method=Method.SIMCLR,  # other methods have demands on batch and data that do not matter here
        encoder=dataclasses.replace(pretraining.encoder, initial_weights=None, initial_weights_digest=None),
        crop=pretraining.crop or stored_crop,
        global_batch_size=min(config.batch_size, num_images // replicas * replicas),
        gradient_cache_chunks=1,
        jit_compile=pretraining.jit_compile and replicas == 1,
        num_gpus=config.num_gpus,
        seed=config.seed,
    )


def cells(labels: np.ndarray, groups: np.ndarray, protocol: Protocol) -> Iterator[Cell]:
    """The draws of the labels that linear evaluation uses, or the first of them, with their held-out parts.

    Args:
        labels: (n,) int, of train.
        groups: (n,) equal for images that belong together.
        protocol: fractions, draws, size of the parts.
    """
    config = protocol.linear_evaluation
    for fraction in config.label_fractions:
        draws = 1 if fraction == 1 else min(config.label_draws, protocol.config.max_label_draws)
        for draw in range(draws):
            rows = draw_labels(labels, fraction, draw, config.seed)
            parts = held_out_parts(
                labels[rows], groups[rows], config.held_out_fraction, config.min_held_out_images, config.seed
            )
            judging = itertools.islice(parts, protocol.config.max_held_out_parts)
            yield Cell(fraction, draw, rows, tuple((rows[fitting], rows[held_out]) for fitting, held_out in judging))


def _join(cells_of_fraction: list[FittedCell]) -> measuring.Trained:
    predicted = np.array([cell.predicted for cell in cells_of_fraction])
    return measuring.Trained(predicted, tuple(cell.training for cell in cells_of_fraction))


def _image_passes(plan: Plan, config: BaselinesConfig) -> int:
    """The number of images that one training may see, two views of each."""
    of_pretraining = plan.total_steps * plan.images_per_step
    return min(of_pretraining, config.max_image_passes or of_pretraining)


def _work_directory(
    inputs: Inputs, protocol: Protocol, pretraining: PretrainingRecord, train: LabelledImages, test: LabelledImages
) -> str:
    """The folder of finished trainings: the same for a retry, another one for other settings, data or code."""
    hasher = hashlib.sha256()
    for part in (
        configuration.digest(protocol),
        configuration.digest(inputs.stored_crop),
        configuration.digest(pretraining.config),
        pretraining.weights_digest,
        inputs.code_digest,
    ):
        hasher.update(part.encode() + b"\n")
    for array in (inputs.mean, inputs.std, train.digests, train.labels, train.groups, test.digests):
        hasher.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return f"{inputs.checkpoints_root}/{hasher.hexdigest()[:32]}"
