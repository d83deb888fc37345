"""Gradients of a batch that is larger than memory, with all its negatives: the batch is encoded part by part, twice.

The first pass keeps only projections; the loss of all of them gives each its gradient; the second pass makes each part
again and carries that gradient back to the weights. Memory is that of one part and of all projections.
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
    """Outcome and gradients of all parts together.

    Args:
        encode: one part to representations and projections, each row a view: first views of the part's images before
            the second ones. Called twice per part; it must draw nothing, so that both passes see the same views. Moving
            statistics that it updates are updated in the second pass only.
        compare: representations and projections of the whole batch, first views before second ones, to the outcome.
        parts: a structure of tensors (K, ...): what ``encode`` takes, for K parts.
        variables: that the gradients are of.
        scale: of the loss, for mixed precision.

    Returns:
        The outcome, and per variable the gradient of ``scale(loss)``: that of one pass over the batch, where no layer
        looks at other images; BatchNorm's statistics are those of each part.

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
    # One after the other: two parts at a time would need twice the memory.
    _, gradients = tf.while_loop(lambda index, sums: index < count, add_part, start, parallel_iterations=1)
    return outcome, gradients


def _encode_all(encode: Encode, parts: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """(K, ...) representations and projections, and no trace of them in the moving statistics."""
    with keras.StatelessScope():
        first = encode(_part(parts, 0))  # for its shapes: nobody uses the values, so they are not computed
        signature = tf.nest.map_structure(tf.TensorSpec.from_tensor, first)
        return tf.map_fn(encode, parts, fn_output_signature=signature, parallel_iterations=1)


def _part(parts: Any, index: Any) -> Any:
    return tf.nest.map_structure(lambda values: values[index], parts)


def parts_of(values: tf.Tensor, count: int) -> tf.Tensor:
    """(2n, ...), first views before second ones, to (count, 2n / count, ...), likewise in each part.

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
