"""One step of training: the method's objective and the optimiser, and the compiled function that updates them.

On several GPUs each replica has its share of the batch, negatives come from all of them, and BatchNorm is global.
"""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.preprocessing.image_preparation import standardise
from components.pretraining import methods, variables
from components.pretraining.config import Precision, PretrainingConfig
from components.pretraining.dataset import Batch
from components.simclr import optimizers
from components.simclr.augmentation import augmentations
from components.simclr.encoders import models
from components.simclr.methods import gradient_cache
from components.simclr.methods.objective import Outcome, SimClr
from components.simclr.methods.similarities import ONE_REPLICA, Replicas
from components.simclr.schedules import WarmupCosine

_POLICIES = {
    Precision.FLOAT32: "float32",
    Precision.BFLOAT16: "mixed_bfloat16",
    Precision.FLOAT16: "mixed_float16",
}

_EMBED_BATCH = 256
_Results = tuple[tf.Tensor, tf.Tensor, tf.Tensor]  # metrics, representations, projections


@dataclasses.dataclass(frozen=True)
class ImageShape:
    """Size of the encoder's input, and the moments that standardise it."""

    size_px: int
    channels: int
    mean: np.ndarray  # (c,) float32, 0 to 255
    std: np.ndarray  # (c,) float32, 0 to 127.5


@dataclasses.dataclass(frozen=True)
class StepResult:
    """Results of a step, as tensors, so that nobody has to wait for the step."""

    metrics: tf.Tensor  # (m,) float32, in the order of ``TrainingStep.metric_names``: the loss first
    representations: Sequence[tf.Tensor]  # per replica (2n, d), first views before second ones
    projections: Sequence[tf.Tensor]  # per replica (2n, p)


class TrainingStep:
    """Objective, optimiser and the function that moves them by one step.

    Args:
        config: everything about the step.
        image: size and moments.
        warmup_steps: of the schedule.
        total_steps: of the schedule.
        devices: one per replica, such as ``["/GPU:0", "/GPU:1"]``.
    """

    def __init__(
        self, config: PretrainingConfig, image: ImageShape, warmup_steps: int, total_steps: int, devices: Sequence[str]
    ):
        self._config, self._image = config, image
        self._num_replicas = len(devices)
        self._device = devices[0]
        self._strategy = tf.distribute.MirroredStrategy(list(devices)) if len(devices) > 1 else None
        schedule = WarmupCosine(config.learning_rate, warmup_steps, total_steps, config.schedule.final_fraction)
        with self._scope():
            self._objective = methods.build_objective(
                config,
                total_steps,
                len(devices),
                _POLICIES[config.precision],
                lambda is_synchronized: build_models(config, image, is_synchronized),
            )
            self._variables = self._objective.trainable_variables
            trained = self._objective.trained_models
            self.optimizer = optimizers.build_optimizer(config.optimizer, schedule, trained)
            if config.precision is Precision.FLOAT16:
                self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
                self.optimizer.build(self._variables)
        self.encoder, self.projection_head = self._objective.encoder, self._objective.projection_head
        self.metric_names = self._objective.measure_names
        self._decayed = optimizers.kernels(trained)
        self._embed = tf.function(self._embed_batch, reduce_retracing=True, autograph=False)
        self._step = tf.function(self._replicated_step, jit_compile=config.jit_compile, autograph=False)

    def run(self, batch: Batch) -> StepResult:
        """Take one step on a batch of the global size."""
        with self._scope():
            metrics, representations, projections = self._step(*self._distribute(batch))
        return StepResult(metrics, self._local(representations), self._local(projections))

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Representations of unaugmented images: (m, s, s, c) uint8 to (m, d) float32, with the moving statistics."""
        rows = [
            np.asarray(self._embed(tf.constant(pixels[start : start + _EMBED_BATCH])))
            for start in range(0, len(pixels), _EMBED_BATCH)
        ]
        return np.concatenate(rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights, BatchNorm statistics, optimiser variables, loss scale and the method's own state, by name."""
        return variables.to_arrays(self._state())

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Inverse of ``arrays``.

        Raises:
            ValueError: the arrays are those of another model or optimiser.
        """
        variables.assign(self._state(), arrays)

    def standardise(self, batch: Batch) -> np.ndarray:
        """The views of a batch as they are stored or cropped, not augmented; (2n, s, s, c) float32."""
        return standardise(tf.cast(batch.images, tf.float32), self._image.mean, self._image.std).numpy()

    def augment(self, batch: Batch) -> tf.Tensor:
        """The augmented views of a batch, (2n, s, s, c) float32, 0 to 255."""
        return augmentations.apply_online(tf.constant(batch.images), batch.drawn, self._config.augmentation)

    def _state(self) -> dict[str, Sequence[keras.Variable]]:
        return self._objective.state() | {"optimizer": self.optimizer.variables}

    def _scope(self) -> contextlib.AbstractContextManager[object]:
        return tf.device(self._device) if self._strategy is None else self._strategy.scope()

    def _replicated_step(self, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> _Results:
        if self._strategy is None:
            return self._local_step(images, drawn)
        metrics, representations, projections = self._strategy.run(self._local_step, args=(images, drawn))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, metrics, axis=None), representations, projections

    def _local_step(self, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> _Results:
        find_gradients = self._gradients if self._config.gradient_cache_chunks == 1 else self._cached_gradients
        outcome, gradients = find_gradients(images, drawn)
        self.optimizer.apply(gradients, self._variables)  # sums over replicas
        self._objective.follow(outcome, self._replicas())
        representations, projections = (tf.cast(values, tf.float32) for values in outcome[1:])
        return tf.stack(outcome.measures), representations, projections

    def _gradients(self, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tuple[Outcome, list[tf.Tensor]]:
        pixels = self._pixels(images, drawn)
        with tf.GradientTape() as tape:
            outcome = self._objective(pixels, self._replicas())
            scaled = self.optimizer.scale_loss(outcome.loss + self._decay())
        return outcome, tape.gradient(scaled, self._variables)

    def _cached_gradients(self, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tuple[Outcome, list[tf.Tensor]]:
        objective, count = self._objective, self._config.gradient_cache_chunks
        if not isinstance(objective, SimClr):
            raise TypeError(f"only SimCLR works in chunks, found {type(objective).__name__}")
        parts = tf.nest.map_structure(lambda values: gradient_cache.parts_of(values, count), (images, drawn))
        outcome, gradients = gradient_cache.cached_gradients(
            lambda part: objective.encode(self._pixels(*part)),
            objective.compare,
            parts,
            self._variables,
            self.optimizer.scale_loss,
        )
        if not self._config.loss.weight_decay:
            return outcome, gradients
        with tf.GradientTape() as tape:
            scaled = self.optimizer.scale_loss(self._decay())
        decays = tape.gradient(scaled, self._variables)  # None if nothing decays
        pairs = zip(gradients, decays, strict=True)
        return outcome, [gradient if decay is None else gradient + decay for gradient, decay in pairs]

    def _pixels(self, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
        """Augmented, standardised views, (2n, s, s, c) float32."""
        views = augmentations.apply_online(images, drawn, self._config.augmentation)
        return standardise(views, self._image.mean, self._image.std)

    def _embed_batch(self, images: tf.Tensor) -> tf.Tensor:
        pixels = standardise(tf.cast(images, tf.float32), self._image.mean, self._image.std)
        return tf.cast(self.encoder(pixels, training=False), tf.float32)

    def _decay(self) -> tf.Tensor | float:
        if not self._config.loss.weight_decay:
            return 0.0
        squared = tf.add_n([tf.nn.l2_loss(tf.convert_to_tensor(kernel)) for kernel in self._decayed])
        return self._config.loss.weight_decay * squared / self._num_replicas

    def _replicas(self) -> Replicas:
        if self._strategy is None:
            return ONE_REPLICA
        context = tf.distribute.get_replica_context()
        return Replicas(
            self._num_replicas, context.replica_id_in_sync_group, lambda local: context.all_gather(local, axis=0)
        )

    def _distribute(self, batch: Batch) -> tuple[Any, Any]:
        strategy = self._strategy
        if strategy is None:
            return tf.constant(batch.images), {name: tf.constant(values) for name, values in batch.drawn.items()}
        images = len(batch.images) // 2
        share = images // self._num_replicas

        def rows_of(context: tf.distribute.experimental.ValueContext, values: np.ndarray) -> tf.Tensor:
            start = context.replica_id_in_sync_group * share
            return tf.constant(np.concatenate([values[start : start + share], values[images + start :][:share]]))

        def distribute(values: np.ndarray) -> tf.Tensor:
            return strategy.experimental_distribute_values_from_function(lambda c: rows_of(c, values))

        return distribute(batch.images), {name: distribute(values) for name, values in batch.drawn.items()}

    def _local(self, value: Any) -> Sequence[tf.Tensor]:
        return [value] if self._strategy is None else self._strategy.experimental_local_results(value)


def build_models(
    config: PretrainingConfig, image: ImageShape, is_synchronized: bool = False
) -> tuple[keras.Model, keras.Model]:
    """A new encoder and projection head; the same config gives the same weights.

    Raises:
        ValueError, RuntimeError: as ``models.build_models``.
    """
    return models.build_models(
        config.encoder,
        config.projection_head,
        image.size_px,
        image.mean,
        image.std,
        config.seed,
        _POLICIES[config.precision],
        is_synchronized,
    )


def views_by_side(values: Sequence[tf.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of first and of second views, gathered from the replicas; two (N, d) arrays, row i the same image."""
    halves = [np.split(np.asarray(value), 2) for value in values]
    first, second = (list(side) for side in zip(*halves, strict=True))
    return np.concatenate(first), np.concatenate(second)
