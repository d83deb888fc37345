"""Writes the curves of a training as TensorBoard event files: one point for each finished epoch, and a grid of views.

A process that goes on from a checkpoint writes the finished epochs again into its own, emptied folder. So each folder
holds every step at most once.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from components.contracts.pretraining_record import Epoch

_SUFFIX = ".simclr"  # of our event files, so that no other file is removed
IMAGES_PER_SECOND = "images_per_second"
VIEW_GRID = "view_grid"


class Curves:
    """Event files of one training.

    Args:
        directory: where they go, local or remote; event files of an earlier attempt there are removed.
        steps_per_epoch: places the points on the axis of steps.
    """

    def __init__(self, directory: str, steps_per_epoch: int):
        # Not by glob, which would read a [ in the path as a pattern.
        names = tf.io.gfile.listdir(directory) if tf.io.gfile.isdir(directory) else []
        for name in names:
            if name.startswith("events.out.tfevents.") and name.endswith(_SUFFIX):
                tf.io.gfile.remove(f"{directory}/{name}")
        self._writer = tf.summary.create_file_writer(directory, filename_suffix=_SUFFIX)
        self._steps_per_epoch = steps_per_epoch

    def views(self, grid: np.ndarray) -> None:
        """Write a (h, w, c) uint8 picture of views."""
        with self._writer.as_default():
            tf.summary.image(VIEW_GRID, grid[np.newaxis], step=0)
        self._writer.flush()

    def epoch(self, epoch: Epoch, images_per_second: float) -> None:
        """Write what was measured in an epoch, one scalar for each measure that is there."""
        measures = {**dataclasses.asdict(epoch), IMAGES_PER_SECOND: images_per_second}
        number = measures.pop("epoch")
        with self._writer.as_default():
            for name, value in measures.items():
                if value is not None:
                    tf.summary.scalar(name, value, step=number * self._steps_per_epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        self._writer.close()
