"""Trains a segmentation head on feature maps and masks, and predicts the class ids of other feature maps."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from components.transfer.config import SegmentationConfig


class SegmentationHead:
    """A few convolutions on a frozen feature map; its scores are enlarged bilinearly to the size of the mask."""

    def __init__(self, features: np.ndarray, masks: np.ndarray, classes: int, config: SegmentationConfig):
        """Train a head; the same arguments give the same head on the same machine.

        Args:
            features: (n, h, w, d) float32, of the train images.
            masks: (n, s, s) uint8, class ids below ``classes``, or the ignored one.
            classes: k.
            config: width, epochs, seed and the rest.
        """
        mean = features.mean(axis=(0, 1, 2), dtype=np.float64)
        std = features.std(axis=(0, 1, 2), dtype=np.float64)
        # Standardised by the train images; otherwise the two encoders would not train at the same rate.
        self._mean, self._scale = mean, np.where(std > 1e-6 * np.maximum(1.0, np.abs(mean)), std, np.inf)
        self._size_px, self._batch_size = masks.shape[1], config.batch_size
        self._model = _build(features.shape[1:], classes, config)
        self._train(self._standardise(features), masks, config)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(m, h, w, d) float32 feature maps -> (m, s, s) uint8 class ids."""
        starts = range(0, len(features), self._batch_size)
        batches = (self._standardise(features[start : start + self._batch_size]) for start in starts)
        return np.concatenate([tf.argmax(self._scores(batch), axis=-1).numpy().astype(np.uint8) for batch in batches])

    def _standardise(self, features: np.ndarray) -> np.ndarray:
        return ((features - self._mean) / self._scale).astype(np.float32)

    def _scores(self, features: tf.Tensor) -> tf.Tensor:
        """(n, h, w, d) -> (n, s, s, k)."""
        return tf.image.resize(self._model(features), (self._size_px, self._size_px))

    def _train(self, features: np.ndarray, masks: np.ndarray, config: SegmentationConfig) -> None:
        batches = -(-len(features) // config.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, batches * config.epochs)
        optimizer = keras.optimizers.Adam(rate)
        optimizer.build(self._model.trainable_variables)
        ignored = -1 if config.ignored_id is None else config.ignored_id  # uint8 ids are never -1

        @tf.function(reduce_retracing=True, autograph=False)
        def step(features: tf.Tensor, ids: tf.Tensor) -> None:
            counts = tf.cast(tf.not_equal(ids, ignored), tf.float32)
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                    ids * tf.cast(counts, tf.int32), self._scores(features)
                )
                loss = tf.reduce_sum(losses * counts) / tf.maximum(tf.reduce_sum(counts), 1.0)
            variables = self._model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

        for epoch in range(config.epochs):
            order = np.random.default_rng((config.seed, epoch)).permutation(len(features))
            for rows in np.array_split(order, batches):
                step(tf.constant(features[rows]), tf.constant(masks[rows], tf.int32))


def _build(shape: tuple[int, ...], classes: int, config: SegmentationConfig) -> keras.Model:
    """(n, h, w, d) -> (n, h, w, k)."""
    features = values = keras.Input(shape)
    if config.hidden_width:
        kernel = keras.initializers.HeNormal(seed=config.seed)
        values = layers.Conv2D(config.hidden_width, 3, padding="same", activation="relu", kernel_initializer=kernel)(
            values
        )
    kernel = keras.initializers.GlorotUniform(seed=config.seed + 1)
    return keras.Model(features, layers.Conv2D(classes, 1, kernel_initializer=kernel)(values))
