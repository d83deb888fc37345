"""The numbers that a transform graph holds: channel moments and class names, read back for training and serving."""

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.contracts import records


def channel_moments(transform_graph_dir: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel over the analysed images.

    Args:
        transform_graph_dir: URI of a TransformGraph artifact.

    Returns:
        Two (channels,) float32 arrays, 0 to 255.
    """
    graph = tft.TFTransformOutput(transform_graph_dir)
    any_image = tf.io.encode_png(tf.zeros((1, 1, 1), tf.uint8))  # the moments do not depend on the image
    outputs = graph.transform_features_layer()({records.IMAGE: any_image[tf.newaxis]})
    return outputs[records.CHANNEL_MEAN].numpy()[0], outputs[records.CHANNEL_STD].numpy()[0]


def class_names(transform_graph_dir: str) -> list[str]:
    """The labels of the analysed images, sorted.

    Args:
        transform_graph_dir: URI of a TransformGraph artifact.
    """
    vocabulary = tft.TFTransformOutput(transform_graph_dir).vocabulary_by_name(records.LABEL_VOCABULARY)
    return sorted(label.decode() for label in vocabulary)
