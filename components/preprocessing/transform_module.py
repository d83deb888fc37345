"""The module of TFX Transform: channel moments and label vocabulary from a full pass, and the graph that applies them.

The moments are taken over the images as evaluation and serving see them. They leave the graph as features of their
own, so that training and the SavedModel read the very numbers that the graph applies.
"""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.contracts import artifact_files, configuration, records
from components.contracts.images import ImageConfig
from components.preprocessing import image_preparation


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Trace the preprocessing of a batch; called by tf.Transform.

    Args:
        inputs: ``records.IMAGE`` (n,) string and ``records.LABEL`` (n, 1) sparse string.
        custom_config: holds ``artifact_files.IMAGE_CONFIG``.

    Returns:
        ``records.PIXELS`` (n, size_px, size_px, channels) float32, standardised; ``records.CHANNEL_MEAN`` and
        ``records.CHANNEL_STD`` (n, channels) float32, the same in each row; ``records.LABEL_INDEX`` (n,) int64, the
        index into the label vocabulary, -1 where the image has no label or an unknown one.
    """
    image_config = configuration.from_json(ImageConfig, custom_config[artifact_files.IMAGE_CONFIG], "Transform")
    prepared = tf.map_fn(
        lambda encoded: image_preparation.resize_and_crop(
            image_preparation.decode_image(encoded, image_config.channels),
            image_config.size_px,
            image_config.center_crop_fraction,
        ),
        inputs[records.IMAGE],
        fn_output_signature=tf.TensorSpec(
            (image_config.size_px, image_config.size_px, image_config.channels), tf.float32
        ),
    )
    mean, std = _channel_moments(prepared)
    rows = tf.shape(prepared)[0]
    return {
        records.PIXELS: image_preparation.standardise(prepared, mean, std),
        records.CHANNEL_MEAN: tf.tile(mean[tf.newaxis], (rows, 1)),
        records.CHANNEL_STD: tf.tile(std[tf.newaxis], (rows, 1)),
        records.LABEL_INDEX: _label_index(inputs[records.LABEL]),
    }


def _channel_moments(prepared: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and standard deviation per channel over all analysed images; every image has the same number of pixels."""
    image_mean = tf.reduce_mean(prepared, axis=(1, 2))  # (n, c)
    image_square = tf.reduce_mean(tf.square(prepared), axis=(1, 2))  # (n, c)
    mean = tft.mean(image_mean, reduce_instance_dims=False)  # (c,)
    mean_square = tft.mean(image_square, reduce_instance_dims=False)  # (c,)
    mean.set_shape(image_mean.shape[1:])
    mean_square.set_shape(image_mean.shape[1:])
    return mean, tf.sqrt(tf.maximum(mean_square - tf.square(mean), 0.0))


def _label_index(labels: tf.SparseTensor) -> tf.Tensor:
    index = tft.compute_and_apply_vocabulary(labels, vocab_filename=records.LABEL_VOCABULARY, default_value=-1)
    dense_shape = tf.stack([index.dense_shape[0], tf.constant(1, tf.int64)])
    single = tf.sparse.SparseTensor(index.indices, index.values, dense_shape)
    return tf.reshape(tf.sparse.to_dense(single, default_value=-1), (-1,))
