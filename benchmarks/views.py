"""Writes the views that ViewGen would write, without Beam."""

import pathlib
from collections.abc import Sequence

import tensorflow as tf

from components.augmentation.config import ViewsConfig
from components.augmentation.stored_image import StoredImage
from components.augmentation.view_records import train_records
from components.contracts.images import ImageConfig


def write(folder: str, images: Sequence[StoredImage], config: ViewsConfig, image_config: ImageConfig) -> None:
    """Write the view records of all images as one shard."""
    with tf.io.TFRecordWriter(str(pathlib.Path(folder) / "views-00000-00000.tfrecord")) as writer:
        for record in train_records(images, config, image_config):
            writer.write(record)
