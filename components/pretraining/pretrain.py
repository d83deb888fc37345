"""One whole pretraining: views and moments in, a model folder out.

The order of things is here; how each is done is in the modules it calls.
"""

import dataclasses
import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.contracts import artifact_files, configuration
from components.contracts import pretraining_record as record
from components.contracts.images import ImageConfig
from components.pretraining import devices, exporting, plan, training
from components.pretraining.config import PretrainingConfig
from components.pretraining.dataset import ViewPairs, ViewRecords, read_watch_images
from components.pretraining.training_step import ImageShape, TrainingStep
from components.simclr import initial_weights
from components.simclr.encoder import num_parameters, weights_digest

_logger = logging.getLogger(__name__)

# Settings that a run may be continued under: they decide how fast and how closely watched it is, not what it computes.
_NO_PART_OF_THE_RESULT = frozenset(
    {
        *("input_threads", "prefetch_batches", "cache_megabytes"),
        *("checkpoint_every_steps", "checkpoint_every_minutes", "watch"),
    }
)


@dataclasses.dataclass(frozen=True)
class Task:
    """What a run is given besides its config; folders may be remote."""

    views_uri: str  # of ViewGen's output: holds the summary
    train_dir: str  # split train: no labels
    eval_dir: str  # split eval: labels for watching
    mean: np.ndarray  # (c,) float32, 0 to 255
    std: np.ndarray  # (c,) float32
    code_digest: str
    checkpoints_root: str
    output_dir: str


def pretrain(config: PretrainingConfig, image_config: ImageConfig, task: Task) -> dict[str, Any]:
    """Train, or go on training, and write the model folder.

    Returns:
        The content of ``pretraining.json``.

    Raises:
        devices.MissingGpu: fewer GPUs than asked for.
        ValueError: views and config do not fit together, or there are too few images.
        watching.PretrainingStopped: the run is lost.
    """
    started = time.monotonic()
    devices.check_gpus(config.num_gpus)
    config = dataclasses.replace(config, encoder=initial_weights.pinned(config.encoder))
    summary = _read_summary(task.views_uri, image_config)
    checkpoint_dir = checkpoint_directory(config, task, summary)
    _logger.info("pretraining: config %s, views %s", configuration.digest(config)[:12], task.views_uri)
    with devices.op_determinism(config.deterministic), tempfile.TemporaryDirectory(prefix="views-") as scratch:
        pairs = ViewPairs(
            ViewRecords(task.train_dir, f"{scratch}/train"),
            config,
            image_config.size_px,
            image_config.channels,
            summary["views_per_image"],
        )
        watch_images = read_watch_images(
            ViewRecords(task.eval_dir, f"{scratch}/eval"),
            image_config.size_px,
            image_config.channels,
            image_config.center_crop_fraction,
            config.watch.max_images,
        )
        description = _train_and_export(config, image_config, task, pairs, watch_images, checkpoint_dir, summary)
    _logger.info("pretraining: done in %.1f s, model in %s", time.monotonic() - started, task.output_dir)
    return description


def checkpoint_directory(config: PretrainingConfig, task: Task, summary: dict[str, Any]) -> str:
    """Where checkpoints of this very run live: the same for a retry, also with less memory or other bounds."""
    hasher = hashlib.sha256()
    settings = configuration.to_mapping(config)
    for part in (
        configuration.digest({key: settings[key] for key in settings.keys() - _NO_PART_OF_THE_RESULT}),
        summary[artifact_files.CONTENT_DIGEST],
        np.asarray(task.mean, np.float32).tobytes().hex(),
        np.asarray(task.std, np.float32).tobytes().hex(),
        task.code_digest,
    ):
        hasher.update(part.encode() + b"\n")
    return f"{task.checkpoints_root}/{hasher.hexdigest()[:32]}"


def _train_and_export(config, image_config, task, pairs, watch_images, checkpoint_dir, summary) -> dict[str, Any]:
    image = ImageShape(image_config.size_px, image_config.channels, task.mean, task.std)
    warmup_steps, total_steps = plan.scheduled_steps(config, pairs.num_images)
    step = TrainingStep(config, image, warmup_steps, total_steps, devices.replica_devices(config.num_gpus))
    sizes = num_parameters(step.encoder), num_parameters(step.projection_head), step.encoder.output_shape[1]
    resolved = plan.resolve(config, pairs.num_images, *sizes)
    plan.log_plan(resolved, config)
    progress, speed = training.train(config, resolved, step, pairs, watch_images, checkpoint_dir)

    def batches() -> Iterable[np.ndarray]:
        # The epoch after the last: crops that are drawn like those of training, but as plain as they are stored.
        first = resolved.total_steps
        return (step.standardise(pairs.batch(first + index)) for index in range(config.batch_norm_batches))

    models = exporting.prepare_models(config, image, step, batches)
    description = {
        record.HISTORY: progress.history,
        record.SETTINGS: dataclasses.asdict(resolved),
        "config": configuration.to_mapping(config),
        "config_digest": configuration.digest(config),
        artifact_files.CODE_DIGEST: task.code_digest,
        "views": summary,
        "channel_mean": [float(value) for value in task.mean],
        "channel_std": [float(value) for value in task.std],
        record.SECONDS: progress.seconds,
        record.IMAGES_PER_SECOND: speed.images_per_second,
        "input_wait_fraction": speed.input_wait_fraction,
        record.RESUMED_FROM_STEPS: progress.resumed_from,
        "checkpoint_directory": checkpoint_dir,
        "initial_encoder_digest": weights_digest(models.initial_encoder),
        "weights_digest": weights_digest(models.encoder, models.projection_head),
        "versions": exporting.versions(),
    }
    exporting.write(task.output_dir, models, exporting.view_grid(pairs, step), description)
    return description


def _read_summary(views_uri: str, image_config: ImageConfig) -> dict[str, Any]:
    path = f"{views_uri}/{artifact_files.VIEWS_SUMMARY_FILE}"
    if not tf.io.gfile.exists(path):
        raise ValueError(f"{path} is missing: the views were not written to their end")
    with tf.io.gfile.GFile(path) as file:
        summary = json.load(file)
    found = summary["size_px"], summary["channels"]
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
