"""Gradients of a batch that does not fit into memory, with all its negatives: each part of it is encoded twice.

The first pass keeps only the projections. The loss of all projections gives the gradient of each. The second pass
encodes each part again and carries that gradient back to the weights. Memory holds one part and all projections.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from components.simclr.methods.objective import Outcome

Encode = Callable[[Any], tuple[tf.Tensor, tf.Tensor]]


def cached_gradients(
    encode: Encode,
    compare: Callable[[tf.Tensor, tf.Tensor], Outcome],
    parts: Any,
    variables: Sequence[keras.Variable],
    scale: Callable[[tf.Tensor], tf.Tensor] = lambda loss: loss,
) -> tuple[Outcome, list[tf.Tensor]]:
    """Compute outcome and gradients of all parts together.

    Args:
        encode: turns one part into representations and projections. Each row is a view; all first views of the part's
            images come before the second views. It is called twice for each part and must draw nothing, so that both
            passes see the same views. It updates moving statistics in the second pass only.
        compare: turns representations and projections of the whole batch, first views before second, into the outcome.
        parts: a structure of tensors (K, ...): the arguments of ``encode`` for K parts.
        variables: the variables to differentiate by.
        scale: scales the loss, for mixed precision.

    Returns:
        The outcome, and the gradient of ``scale(loss)`` for each variable. If no layer looks at other images, that is
        the gradient of one pass over the whole batch. BatchNorm takes its statistics from each part alone.

    Source: Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup".
    """
    count = tf.nest.flatten(parts)[0].shape[0]
    representations, projections = (_join(values) for values in _encode_all(encode, parts))
    with tf.GradientTape() as tape:
        tape.watch(projections)
        outcome = compare(representations, projections)
        objective = scale(outcome.loss)
    upstream = parts_of(tape.gradient(objective, projections), count)

    def add_part(index: tf.Tensor, sums: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            again = encode(_part(parts, index))[1]
        gradients = tape.gradient(again, variables, upstream[index])
        return index + 1, [total + one for total, one in zip(sums, gradients, strict=True)]

    start = tf.constant(0), [tf.zeros(variable.shape, variable.dtype) for variable in variables]
    # One part at a time: two would need twice the memory.
    _, gradients = tf.while_loop(lambda index, sums: index < count, add_part, start, parallel_iterations=1)
    return outcome, gradients


def _encode_all(encode: Encode, parts: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """(K, ...) representations and projections; moving statistics stay as they are."""
    with keras.StatelessScope():
        first = encode(_part(parts, 0))  # for its shapes only; unused values are not computed
        signature = tf.nest.map_structure(tf.TensorSpec.from_tensor, first)
        return tf.map_fn(encode, parts, fn_output_signature=signature, parallel_iterations=1)


def _part(parts: Any, index: Any) -> Any:
    return tf.nest.map_structure(lambda values: values[index], parts)


def parts_of(values: tf.Tensor, count: int) -> tf.Tensor:
    """Split (2n, ...) views into (count, 2n / count, ...); first views come before second views in both.

    Args:
        values: n a multiple of ``count``.
        count: K parts.
    """
    rows = values.shape[0] // (2 * count)
    by_side = tf.reshape(values, (2, count, rows, *values.shape[1:]))
    swapped = tf.transpose(by_side, (1, 0, *range(2, len(by_side.shape))))
    return tf.reshape(swapped, (count, 2 * rows, *values.shape[1:]))


def _join(values: tf.Tensor) -> tf.Tensor:
    """Inverse of ``parts_of``."""
    count, views, *rest = values.shape
    by_part = tf.reshape(values, (count, 2, views // 2, *rest))
    swapped = tf.transpose(by_part, (1, 0, *range(2, len(by_part.shape))))
    return tf.reshape(swapped, (count * views, *rest))
