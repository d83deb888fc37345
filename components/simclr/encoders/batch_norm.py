"""Estimate BatchNorm statistics: an encoder and batches go in, the same encoder with exact statistics comes out.

During training, moving averages follow changing weights and remember only the last few batches. So before an encoder
is frozen, its statistics are pooled over many batches at the final weights. A new encoder gets its first statistics in
the same way.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from components.simclr.encoders.layers import leaf_layers


def estimate_batch_norm_statistics(model: keras.Model, batches: Iterable[np.ndarray]) -> int:
    """Set the moving mean and variance of every BatchNorm of ``model`` to those of ``batches`` pooled.

    Each layer sees inputs that are normalised by the batch, as in training. The pooled variance is the mean variance
    within the batches plus the variance of their means.

    Args:
        model: changed in place; its trainable weights are not.
        batches: (n, ...) float32 inputs, equal n.

    Returns:
        The number of batches.

    Raises:
        ValueError: there are no batches.

    Source: Ioffe and Szegedy 2015, algorithm 2, steps 8 to 10 (statistics of many batches at the final weights).
    """
    return estimate_statistics_together([model], lambda inputs: model(inputs, training=True), batches)


def estimate_statistics_together(
    models: Sequence[keras.Model], forward: Callable[[tf.Tensor], object], batches: Iterable[np.ndarray]
) -> int:
    """As ``estimate_batch_norm_statistics``, for several models that read each batch once.

    Args:
        models: changed in place.
        forward: runs a batch through all models, with ``training=True``.
        batches: as there.

    Returns:
        The number of batches.

    Raises:
        ValueError: there are no batches.
    """
    norms = [layer for layer in leaf_layers(models) if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return 0
    means, variances, count = _collect(forward, norms, batches)
    if count == 0:
        raise ValueError("no batches to estimate BatchNorm statistics from")
    for norm, mean, variance in zip(norms, means, variances, strict=True):
        norm.moving_mean.assign(np.mean(mean, axis=0))
        norm.moving_variance.assign(np.mean(variance, axis=0) + np.var(mean, axis=0))
    return count


def _collect(
    forward: Callable[[tf.Tensor], object],
    norms: list[keras.layers.BatchNormalization],
    batches: Iterable[np.ndarray],
) -> tuple[list[list[np.ndarray]], list[list[np.ndarray]], int]:
    """For each layer the mean and variance of every batch, float64, and the number of batches."""
    means: list[list[np.ndarray]] = [[] for _ in norms]
    variances: list[list[np.ndarray]] = [[] for _ in norms]
    count = 0
    with _without_memory(norms):
        compiled = tf.function(forward, autograph=False)
        for batch in batches:
            compiled(tf.convert_to_tensor(batch))
            count += 1
            for index, norm in enumerate(norms):
                means[index].append(np.asarray(norm.moving_mean, np.float64))
                variances[index].append(np.asarray(norm.moving_variance, np.float64))
    return means, variances, count


@contextlib.contextmanager
def _without_memory(norms: list[keras.layers.BatchNormalization]) -> Iterator[None]:
    """Set momentum to 0 meanwhile, so that the moving statistics are those of the last batch."""
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
