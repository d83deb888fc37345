"""SimCLR on an array, for notebooks: images in, a trained encoder out. The pipeline itself trains in ``pretraining``.

Losses, augmentations, models and optimisers are those of the pipeline. There are no checkpoints, nothing stops a run
that learns nothing, and one device is used.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterator

import keras
import numpy as np
import pydantic
import tensorflow as tf
from pydantic import Field
from typing_extensions import Self

from components.contracts.configuration import configuration
from components.contracts.images import MIN_CHANNEL_STD
from components.simclr import optimizers
from components.simclr.augmentation import augmentations, draws
from components.simclr.augmentation.policies import CropPolicy, OnlinePolicy
from components.simclr.augmentation.presets import Preset
from components.simclr.augmentation.slots import Slot
from components.simclr.config import (
    EncoderConfig,
    LossConfig,
    OptimizerConfig,
    ProjectionHeadConfig,
    ScheduleConfig,
    check_decay,
)
from components.simclr.encoders import models
from components.simclr.encoders.batch_norm import estimate_batch_norm_statistics
from components.simclr.encoders.pixel_encoder import with_standardisation
from components.simclr.methods import nt_xent
from components.simclr.methods.objective import SimClr
from components.simclr.schedules import WarmupCosine

_logger = logging.getLogger(__name__)

_BATCH_NORM_BATCHES = 16
_Batch = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]  # images, crop boxes, draws


@configuration
class InMemoryConfig:
    """How an encoder is trained on an array of images."""

    encoder: EncoderConfig = Field(default=EncoderConfig(), description="what is trained and kept")
    projection_head: ProjectionHeadConfig = Field(
        default=ProjectionHeadConfig(), description="what is trained and thrown away"
    )
    loss: LossConfig = Field(default=LossConfig(), description="NT-Xent")
    optimizer: OptimizerConfig = Field(default=OptimizerConfig(), description="update rule and learning rate")
    schedule: ScheduleConfig = Field(default=ScheduleConfig(), description="learning rate over time")
    crop: CropPolicy = Field(default=CropPolicy(area_min=0.2), description="random crops")
    augmentation: OnlinePolicy = Field(
        default=OnlinePolicy(preset=Preset.SMALL_IMAGES),
        description="operations on each view after its crop; by default those for small photographs",
    )
    epochs: int = Field(default=100, ge=1, le=100000, description="passes over the images")
    batch_size: int = Field(default=256, ge=2, le=1048576, description="images per step")
    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of initial weights, order and augmentations")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        check_decay(self.loss, self.optimizer)
        return self


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """The result of a run."""

    encoder: keras.Model  # (n, s, s, c) float32, 0 to 255 -> (n, d); standardises its pixels
    projection_head: keras.Model  # (n, d) -> (n, p)
    losses: list[float]  # mean of each epoch, nats


def pretrain(images: np.ndarray, config: InMemoryConfig) -> Pretrained:
    """Train an encoder on images without labels.

    Args:
        images: (n, s, s, c) uint8, square, c 1 or 3, n at least ``config.batch_size``. Each epoch drops the images
            that do not fill a batch.
        config: all settings.

    Returns:
        The encoder, whose BatchNorm statistics were estimated again at the end, its head and the losses.

    Raises:
        ValueError: the array has another shape or type, or holds less than one batch.

    Source: Chen et al. 2020, algorithm 1.
    """
    _check_images(images, config.batch_size)
    mean, std = images.mean(axis=(0, 1, 2), dtype=np.float64), images.std(axis=(0, 1, 2), dtype=np.float64)
    encoder, head = models.build_models(config.encoder, config.projection_head, images.shape[1], mean, std, config.seed)
    trained = with_standardisation(encoder, mean, std)
    num_steps = len(images) // config.batch_size
    step = _make_step(config, trained, head, num_steps)
    if note := config.schedule.note(config.epochs):
        _logger.warning("%s", note)
    losses = []
    for epoch in range(config.epochs):
        batches = _batches(images, config, epoch, num_steps)
        losses.append(float(np.mean([float(step(*batch)) for batch in batches])))
        chance = nt_xent.chance_loss(config.batch_size)
        _logger.info("epoch %d/%d: loss %.3f (chance %.3f)", epoch + 1, config.epochs, losses[-1], chance)
    _estimate_statistics(images, config, encoder, mean, std)
    return Pretrained(trained, head, losses)


def _check_images(images: np.ndarray, batch_size: int) -> None:
    is_square = images.ndim == 4 and images.shape[1] == images.shape[2] and images.shape[3] in (1, 3)
    if images.dtype != np.uint8 or not is_square:
        raise ValueError(f"expected (n, s, s, 1 or 3) uint8 images, found {images.shape} {images.dtype}")
    if len(images) < batch_size:
        raise ValueError(f"batch_size is {batch_size}, but there are only {len(images)} images: lower batch_size")


def _batches(images: np.ndarray, config: InMemoryConfig, epoch: int, num_steps: int) -> Iterator[_Batch]:
    """Yield images, crop boxes and draws for each step of an epoch; all first views come before all second views."""
    keys = np.arange(len(images), dtype=np.uint64)
    order = np.argsort(draws.bits(draws.view_keys(config.seed, keys, epoch, 0), Slot.ORDER), kind="stable")
    size_px, channels = images.shape[2:]
    sides = np.full(2 * config.batch_size, size_px)
    for rows in np.split(order[: num_steps * config.batch_size], num_steps):
        view_keys = np.concatenate([draws.view_keys(config.seed, keys[rows], epoch, view) for view in (0, 1)])
        boxes = augmentations.draw_crops(config.crop, view_keys, sides, sides)
        drawn = augmentations.draw_online(config.augmentation, view_keys, size_px, channels)
        yield np.concatenate([images[rows]] * 2), boxes, drawn


def _make_step(
    config: InMemoryConfig, encoder: keras.Model, head: keras.Model, num_steps: int
) -> Callable[..., tf.Tensor]:
    peak = config.optimizer.scaled_learning_rate(config.batch_size)
    warmup_steps = round(config.schedule.warmup_within(config.epochs) * num_steps)
    schedule = WarmupCosine(peak, warmup_steps, config.epochs * num_steps, config.schedule.final_fraction)
    optimizer = optimizers.build_optimizer(config.optimizer, schedule, [encoder, head])
    objective = SimClr(encoder, head, config.loss.temperature)
    kernels = optimizers.kernels([encoder, head])
    size_px = encoder.input_shape[1]

    @tf.function(autograph=False)
    def step(images: tf.Tensor, boxes: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
        views = augmentations.crop_and_resize(images, boxes, size_px)
        views = augmentations.apply_online(views, drawn, config.augmentation)  # (2n, s, s, c)
        with tf.GradientTape() as tape:
            loss = objective(views).loss
            squared = tf.add_n([tf.nn.l2_loss(tf.convert_to_tensor(kernel)) for kernel in kernels])
            decayed = loss + config.loss.weight_decay * squared
        optimizer.apply(tape.gradient(decayed, objective.trainable_variables), objective.trainable_variables)
        return loss

    return step


def _estimate_statistics(
    images: np.ndarray, config: InMemoryConfig, encoder: keras.Model, mean: np.ndarray, std: np.ndarray
) -> None:
    """Estimate BatchNorm statistics from crops of one more epoch, without the other augmentations."""
    batches = _batches(images, config, config.epochs, len(images) // config.batch_size)
    crops = (
        augmentations.crop_and_resize(pixels, boxes, images.shape[1])
        for (pixels, boxes, _), _ in zip(batches, range(_BATCH_NORM_BATCHES), strict=False)
    )
    scale = np.maximum(std, MIN_CHANNEL_STD).astype(np.float32)
    estimate_batch_norm_statistics(encoder, ((crop - mean.astype(np.float32)) / scale for crop in crops))
