"""One whole pretraining: views and moments in, a model folder out; or one trial of the Tuner, which exports nothing.

This module has the order of the work; the modules it calls do it.
"""

import contextlib
import dataclasses
import hashlib
import logging
import posixpath
import tempfile
import time
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from components.contracts import artifact_files, configuration
from components.contracts.images import ImageConfig
from components.contracts.installed_versions import installed_versions
from components.contracts.pretraining_record import Plan, PretrainingRecord
from components.contracts.progress import report_progress
from components.contracts.record_files import read_record
from components.contracts.views_record import ViewsRecord
from components.pretraining import devices, exporting, plan, training
from components.pretraining.config import PretrainingConfig
from components.pretraining.curves import Curves
from components.pretraining.dataset import ViewPairs, ViewRecords, WatchImages, read_watch_images
from components.pretraining.training_step import ImageShape, TrainingStep
from components.simclr.encoders import initial_weights
from components.simclr.encoders.encoder import num_parameters, weights_digest

_logger = logging.getLogger(__name__)

# Settings that may differ between a run and its retry: they decide about speed and watching, not about the result.
_NO_PART_OF_THE_RESULT = frozenset(
    {
        *("input_threads", "prefetch_batches", "cache_megabytes"),
        *("checkpoint_every_steps", "checkpoint_every_minutes", "watch"),
    }
)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The inputs of every training besides its config; folders may be remote."""

    views_uri: str  # of ViewGen's output: holds the summary
    train_dir: str  # split train: no labels
    eval_dir: str  # split eval: labels for watching
    mean: np.ndarray  # (c,) float32, 0 to 255
    std: np.ndarray  # (c,) float32
    code_digest: str
    checkpoints_root: str


@dataclasses.dataclass(frozen=True)
class Task(Inputs):
    """The inputs of a training with an export."""

    output_dir: str
    tuned: dict[str, int | float] | None = None  # settings that the Tuner chose, for the record
    curves_dir: str | None = None  # for TensorBoard's event files


@dataclasses.dataclass(frozen=True)
class Material:
    """Views and watch images, opened once for all trainings."""

    summary: ViewsRecord
    train_records: ViewRecords
    watch_images: WatchImages


@dataclasses.dataclass(frozen=True)
class Training:
    """A finished training."""

    config: PretrainingConfig
    image: ImageShape
    plan: Plan
    step: TrainingStep
    pairs: ViewPairs
    progress: training.Progress
    speed: training.Speed
    checkpoint_dir: str


def pretrain(config: PretrainingConfig, image_config: ImageConfig, task: Task) -> PretrainingRecord:
    """Train, or resume training, and write the model folder.

    Returns:
        The content of ``pretraining.json``, which is in the folder.

    Raises:
        devices.MissingGpu: fewer GPUs than asked for.
        ValueError: views and config do not fit together, or there are too few images.
        watching.PretrainingStopped: the run is lost.
    """
    started = time.monotonic()
    with opened(config, image_config, task) as material:
        trained = train(with_weights_digest(config), image_config, task, material, task.curves_dir)
        record = _export(trained, task, material.summary)
    _logger.info("pretraining: done in %.1f s, model in %s", time.monotonic() - started, task.output_dir)
    return record


def with_weights_digest(config: PretrainingConfig) -> PretrainingConfig:
    """The config with the digest of the weights that its encoder starts from.

    Raises:
        ValueError: as ``initial_weights.with_digest``.
    """
    return dataclasses.replace(config, encoder=initial_weights.with_digest(config.encoder))


@contextlib.contextmanager
def opened(config: PretrainingConfig, image_config: ImageConfig, inputs: Inputs) -> Iterator[Material]:
    """Open views and watch images, with the devices and the determinism that the config asks for.

    Raises:
        devices.MissingGpu: fewer GPUs than asked for.
        ValueError: the views are not complete, or not of the image config's size.
    """
    devices.check_gpus(config.num_gpus)
    summary = _read_summary(inputs.views_uri, image_config)
    with devices.op_determinism(config.deterministic), tempfile.TemporaryDirectory(prefix="views-") as scratch:
        watch_images = read_watch_images(
            ViewRecords(inputs.eval_dir, f"{scratch}/eval"),
            image_config.size_px,
            image_config.channels,
            image_config.center_crop_fraction,
            config.watch.max_images,
        )
        yield Material(summary, ViewRecords(inputs.train_dir, f"{scratch}/train"), watch_images)


def train(
    config: PretrainingConfig,
    image_config: ImageConfig,
    inputs: Inputs,
    material: Material,
    curves_dir: str | None = None,
) -> Training:
    """Train to the last step, from this training's newest checkpoint if there is one.

    Args:
        config: with the digest of its initial weights, see ``with_weights_digest``.
        image_config: what the encoder sees.
        inputs: folders and moments.
        material: the opened views and watch images.
        curves_dir: folder for TensorBoard's event files; None writes none.

    Raises:
        ValueError: views and config do not fit together, or there are too few images.
        watching.PretrainingStopped: the run is lost.
    """
    pairs = ViewPairs(
        material.train_records,
        config,
        image_config.size_px,
        image_config.channels,
        material.summary.views_per_image,
    )
    image = ImageShape(image_config.size_px, image_config.channels, inputs.mean, inputs.std)
    warmup_steps, total_steps = plan.scheduled_steps(config, pairs.num_images)
    step = TrainingStep(config, image, warmup_steps, total_steps, devices.replica_devices(config.num_gpus))
    sizes = num_parameters(step.encoder), num_parameters(step.projection_head), step.encoder.output_shape[1]
    resolved = plan.resolve(config, pairs.num_images, *sizes)
    plan.log_plan(resolved, config)
    _logger.info("pretraining: config %s, views %s", configuration.digest(config)[:12], inputs.views_uri)
    checkpoint_dir = checkpoint_directory(config, inputs, material.summary)
    with _curves(curves_dir, resolved, pairs, step) as curves:
        progress, speed = training.train(config, resolved, step, pairs, material.watch_images, checkpoint_dir, curves)
    return Training(config, image, resolved, step, pairs, progress, speed, checkpoint_dir)


@contextlib.contextmanager
def _curves(directory: str | None, resolved: Plan, pairs: ViewPairs, step: TrainingStep) -> Iterator[Curves | None]:
    if not directory:
        yield None
        return
    with contextlib.closing(Curves(directory, resolved.steps_per_epoch)) as curves:
        curves.views(exporting.view_grid(pairs, step))
        yield curves


def checkpoint_directory(config: PretrainingConfig, inputs: Inputs, summary: ViewsRecord) -> str:
    """The folder of this training's checkpoints: the same for a retry, even with less memory or other bounds."""
    hasher = hashlib.sha256()
    settings = configuration.to_mapping(config)
    for part in (
        configuration.digest({key: settings[key] for key in settings.keys() - _NO_PART_OF_THE_RESULT}),
        summary.content_digest,
        np.asarray(inputs.mean, np.float32).tobytes().hex(),
        np.asarray(inputs.std, np.float32).tobytes().hex(),
        inputs.code_digest,
    ):
        hasher.update(part.encode() + b"\n")
    return f"{inputs.checkpoints_root}/{hasher.hexdigest()[:32]}"


def _export(trained: Training, task: Task, summary: ViewsRecord) -> PretrainingRecord:
    config, step = trained.config, trained.step

    models = exporting.prepare_models(config, trained.image, step, _batch_norm_batches(trained))
    record = PretrainingRecord(
        history=tuple(trained.progress.history),
        plan=trained.plan,
        config=configuration.to_mapping(config),
        config_digest=configuration.digest(config),
        tuned=task.tuned,
        code_digest=task.code_digest,
        views=summary,
        channel_mean=tuple(float(value) for value in task.mean),
        channel_std=tuple(float(value) for value in task.std),
        seconds=trained.progress.seconds,
        images_per_second=trained.speed.images_per_second,
        input_wait_fraction=trained.speed.input_wait_fraction,
        resumed_from_steps=tuple(trained.progress.resumed_from),
        checkpoint_directory=posixpath.basename(trained.checkpoint_dir),
        initial_encoder_digest=weights_digest(models.initial_encoder),
        weights_digest=weights_digest(models.encoder, models.projection_head),
        versions=installed_versions(),
    )
    exporting.write(task.output_dir, models, exporting.view_grid(trained.pairs, step), record)
    return record


def _batch_norm_batches(trained: Training) -> Iterator[np.ndarray]:
    """Views of the epoch after the last: cropped like those of training, without the other augmentations."""
    first, size = trained.plan.total_steps, trained.config.global_batch_size
    num_images = trained.config.batch_norm_images(first)
    num_batches = max(num_images // size, 1)
    for index in range(num_batches):
        report_progress(index, num_batches, "estimating BatchNorm statistics")
        yield trained.step.standardise(trained.pairs.batch(first + index, min(size, num_images)))
    report_progress(num_batches, num_batches, "estimating BatchNorm statistics")


def _read_summary(views_uri: str, image_config: ImageConfig) -> ViewsRecord:
    path = f"{views_uri}/{artifact_files.VIEWS_SUMMARY_FILE}"
    if not tf.io.gfile.exists(path):
        raise ValueError(f"{path} is missing: the views were not written to their end")
    summary = read_record(ViewsRecord, path)
    found = summary.size_px, summary.channels
    expected = image_config.size_px, image_config.channels
    if found != expected:
        raise ValueError(f"{path}: views have size and channels {found}, but the image config says {expected}")
    return summary


def split_dir(patterns: Sequence[str]) -> str:
    """The folder of the one split that file patterns such as ``<uri>/Split-train/*`` name.

    Raises:
        ValueError: none or several folders.
    """
    folders = {pattern.rsplit("/", 1)[0] for pattern in patterns}
    if len(folders) != 1:
        raise ValueError(f"expected the files of one split, found {sorted(folders)}")
    return folders.pop()
