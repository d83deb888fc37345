"""One step of training a classifier on an encoder: which layers train, and the function that moves them.

It is built once for a baseline and restarted for each training, so that nothing is compiled twice. On several GPUs each
replica gets its share of the batch, and BatchNorm is global.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.baselines.config import Baseline
from components.preprocessing.image_preparation import standardise
from components.pretraining import variables
from components.pretraining.config import Precision, PretrainingConfig
from components.pretraining.dataset import Batch
from components.pretraining.training_step import ImageShape, build_models
from components.simclr import optimizers
from components.simclr.augmentation import augmentations
from components.simclr.config import OptimizerConfig
from components.simclr.encoders.last_block import last_block


class ClassifierStep:
    """Encoder, classifier and optimiser.

    Layers that do not train behave as in evaluation: their BatchNorm uses its stored statistics and keeps them.

    Args:
        baseline: decides which layers train.
        config: architecture, precision and augmentation, as in pretraining.
        optimizer_config: update rule; the learning rate is an argument of each step.
        image: size and moments.
        classes: k.
        devices: one per replica.
    """

    def __init__(
        self,
        baseline: Baseline,
        config: PretrainingConfig,
        optimizer_config: OptimizerConfig,
        image: ImageShape,
        classes: int,
        devices: Sequence[str],
    ):
        self._config, self._image = config, image
        self._num_replicas, self._device = len(devices), devices[0]
        self._strategy = tf.distribute.MirroredStrategy(list(devices)) if len(devices) > 1 else None
        with self._scope():
            self.encoder, _ = build_models(config, image, is_synchronized=len(devices) > 1)
            _choose_trained(baseline, config, self.encoder)
            self.head = _build_head(self.encoder.output_shape[1], classes)
            models = [self.encoder, self.head]
            self._trained = [variable for model in models for variable in model.trainable_variables]
            self.optimizer = optimizers.build_optimizer(optimizer_config, 1.0, models)
            if config.precision is Precision.FLOAT16:
                self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
                self.optimizer.build(self._trained)
        self._at_start = self.arrays()
        self._step = tf.function(self._replicated_step, jit_compile=config.jit_compile, autograph=False)
        self._probabilities = tf.function(self._classify, reduce_retracing=True, autograph=False)

    def restart(self, encoder_weights: Sequence[np.ndarray]) -> None:
        """Start again with these encoder weights, in the order of Keras, a classifier of zeros and a new optimiser."""
        self.restore(self._at_start)
        self.encoder.set_weights(encoder_weights)

    def run(self, batch: Batch, labels: np.ndarray, learning_rate: float) -> tf.Tensor:
        """Take one step.

        Args:
            batch: two views of n images, n the global batch.
            labels: (n,) int.
            learning_rate: for this step.

        Returns:
            Mean cross-entropy in nats, scalar float32; the device may still be computing it.
        """
        self.optimizer.learning_rate = learning_rate
        values = {"images": batch.images, "labels": np.concatenate([labels, labels]), **batch.drawn}
        with self._scope():
            return self._step(self._distribute(values))

    def scores(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        """(m, k) float32 probabilities of images in batches of (b, s, s, c) float32, 0 to 255."""
        return np.concatenate([np.asarray(self._probabilities(tf.constant(batch))) for batch in batches])

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights, BatchNorm statistics and optimiser variables, by name."""
        return variables.to_arrays(self._state())

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Inverse of ``arrays``.

        Raises:
            ValueError: the arrays belong to another model or optimiser.
        """
        variables.assign(self._state(), arrays)

    def _state(self) -> variables.Groups:
        return {
            "encoder": self.encoder.variables,
            "head": self.head.variables,
            "optimizer": self.optimizer.variables,
        }

    def _scope(self) -> contextlib.AbstractContextManager[object]:
        return tf.device(self._device) if self._strategy is None else self._strategy.scope()

    def _replicated_step(self, values: dict[str, Any]) -> tf.Tensor:
        if self._strategy is None:
            return self._local_step(values)
        losses = self._strategy.run(self._local_step, args=(values,))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _local_step(self, values: dict[str, tf.Tensor]) -> tf.Tensor:
        drawn = dict(values)
        images, labels = drawn.pop("images"), drawn.pop("labels")
        views = augmentations.apply_online(images, drawn, self._config.augmentation)
        pixels = standardise(views, self._image.mean, self._image.std)
        with tf.GradientTape() as tape:
            logits = self.head(self.encoder(pixels, training=True), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses) / (2 * self._config.global_batch_size)  # this replica's share of the mean
            scaled = self.optimizer.scale_loss(loss)
        self.optimizer.apply(tape.gradient(scaled, self._trained), self._trained)  # sums over replicas
        return loss

    def _classify(self, pixels: tf.Tensor) -> tf.Tensor:
        standardised = standardise(pixels, self._image.mean, self._image.std)
        return tf.nn.softmax(self.head(self.encoder(standardised, training=False), training=False))

    def _distribute(self, values: dict[str, np.ndarray]) -> dict[str, Any]:
        strategy = self._strategy
        if strategy is None:
            return {name: tf.constant(array) for name, array in values.items()}

        def share(array: np.ndarray) -> Any:
            # It does not matter which rows a replica gets: the loss is a sum over views.
            shares = np.split(array, self._num_replicas)
            return strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(shares[context.replica_id_in_sync_group])
            )

        return {name: share(array) for name, array in values.items()}


def _choose_trained(baseline: Baseline, config: PretrainingConfig, encoder: keras.Model) -> None:
    if baseline is Baseline.FROZEN:
        encoder.trainable = False
    elif baseline is Baseline.LAST_BLOCK:
        block = {id(layer) for layer in last_block(config.encoder.architecture, encoder)}
        for layer in encoder.layers:
            layer.trainable = id(layer) in block


def _build_head(width: int, classes: int) -> keras.Model:
    """(n, d) -> (n, k) float32 logits; all weights are zero, so that training starts with equal scores."""
    representation = keras.Input((width,), name="representation")
    logits = keras.layers.Dense(classes, kernel_initializer="zeros", dtype="float32", name="classifier")(representation)
    return keras.Model(representation, logits, name="classifier")
