"""Writes the Trainer's model folder: two encoders, the head, a grid of views and ``pretraining.json``.

Both encoders are float32 Keras files without custom objects, with BatchNorm statistics from the same batches.
"""

import dataclasses
from collections.abc import Iterable

import cv2
import keras
import numpy as np
import tensorflow as tf

from components.contracts import artifact_files, files
from components.contracts.pretraining_record import PretrainingRecord
from components.contracts.record_files import write_record
from components.pretraining.config import Precision, PretrainingConfig
from components.pretraining.dataset import ViewPairs
from components.pretraining.training_step import ImageShape, TrainingStep, build_models
from components.simclr.encoders import keras_files
from components.simclr.encoders.batch_norm import estimate_statistics_together

GRID_IMAGES, GRID_VIEWS = 8, 6
_GRID_GAP_PX = 2
_GRID_BACKGROUND = 255


@dataclasses.dataclass(frozen=True)
class ExportedModels:
    """What goes into the model folder."""

    encoder: keras.Model
    initial_encoder: keras.Model  # as before the first step, with BatchNorm statistics: the fair random baseline
    projection_head: keras.Model


def prepare_models(
    config: PretrainingConfig, image: ImageShape, step: TrainingStep, batches: Iterable[np.ndarray]
) -> ExportedModels:
    """Float32 copies of the trained models and of the initial encoder, with BatchNorm statistics estimated anew.

    Encoders without BatchNorm stay as they are; no batch is read for them.

    Args:
        config: of the run.
        image: size and moments.
        step: holds the trained models.
        batches: (n, s, s, c) float32 standardised images, equal n; each is read once and used for all three models.
    """
    plain = dataclasses.replace(config, precision=Precision.FLOAT32)
    initial_encoder, projection_head = build_models(plain, image)
    encoder, _ = build_models(plain, image)
    encoder.set_weights(step.encoder.get_weights())
    projection_head.set_weights(step.projection_head.get_weights())

    def forward(pixels: tf.Tensor) -> None:
        projection_head(encoder(pixels, training=True), training=True)
        initial_encoder(pixels, training=True)

    estimate_statistics_together([encoder, projection_head, initial_encoder], forward, batches)
    return ExportedModels(encoder, initial_encoder, projection_head)


def view_grid(pairs: ViewPairs, step: TrainingStep) -> np.ndarray:
    """Eight images in rows, six of their augmented views in columns; (h, w, c) uint8, as the encoder sees them."""
    rows = np.arange(min(GRID_IMAGES, pairs.num_images))
    columns = []
    for epoch in range(GRID_VIEWS // 2):
        augmented = np.asarray(step.augment(pairs.views_of(rows, epoch)))  # (2n, s, s, c)
        columns += np.split(augmented.astype(np.uint8), 2)
    padding = [(0, 0), (_GRID_GAP_PX, 0), (_GRID_GAP_PX, 0), (0, 0)]
    cells = [np.pad(column, padding, constant_values=_GRID_BACKGROUND) for column in columns]
    return np.concatenate([np.concatenate(list(column), axis=0) for column in cells], axis=1)


def write(output_dir: str, models: ExportedModels, grid: np.ndarray, record: PretrainingRecord) -> None:
    """Write the model folder, ``pretraining.json`` last; files of a killed attempt are overwritten."""
    for name, model in (
        (artifact_files.ENCODER_FILE, models.encoder),
        (artifact_files.INITIAL_ENCODER_FILE, models.initial_encoder),
        (artifact_files.PROJECTION_HEAD_FILE, models.projection_head),
    ):
        files.write_bytes(f"{output_dir}/{name}", keras_files.to_bytes(model))
    image = grid if grid.shape[2] == 1 else cv2.cvtColor(grid, cv2.COLOR_RGB2BGR)
    files.write_bytes(f"{output_dir}/{artifact_files.VIEW_GRID_FILE}", cv2.imencode(".png", image)[1].tobytes())
    write_record(f"{output_dir}/{artifact_files.PRETRAINING_FILE}", record)
