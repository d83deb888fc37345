"""NT-Xent, the loss of SimCLR: projections of two views of each image go in, loss and contrastive accuracy come out.

Loss and gradient are both computed block by block from the similarity matrix, as the gradient has a closed form. So
memory grows with N, not with N squared. Written in ``keras.ops``, so any Keras backend can run it.
"""

import math
from typing import NamedTuple

from keras import ops, tree

from components.simclr.methods.similarities import ONE_REPLICA, LogSums, PlainSums, Replicas, Similarities, Tensor

_MAX_PLAIN_EXPONENT = 43.0  # reached at a temperature of 0.0233; the squares of such exponentials still fit float32
_SQUARED_NORM_FLOOR = 1e-12  # gives zero vectors a finite direction and a finite gradient
TIE = 1e-5  # cosine similarities this close are equal: float32 rounds them


class Contrast(NamedTuple):
    """Loss and accuracy of one pass over the similarities; three float32 scalars."""

    loss: Tensor  # nats; if all views look alike, the logarithm of the number of candidates
    top1: Tensor  # fraction of anchors whose positive is nearer than every negative
    top5: Tensor  # fraction of anchors with fewer than five negatives as near as the positive


def nt_xent(
    projections_a: Tensor, projections_b: Tensor, temperature: float, replicas: Replicas = ONE_REPLICA
) -> Contrast:
    """Mean contrastive cross-entropy over both directions of every positive pair, and how often the positive wins.

    Row i of each argument is a view of image i; the other 2N - 2 views, gathered from all replicas, are negatives. An
    anchor's rank counts the negatives that are *at least* as near as its positive, so that a collapsed encoder scores
    0 and not 1.

    Args:
        projections_a: (n, d) floating, n images on this replica, any norm (normalised here, in float32).
        projections_b: (n, d) floating, the second views, same order.
        temperature: > 0, divides cosine similarity.
        replicas: how to reach the other replicas, which all have the same n.

    Returns:
        Float32 scalars. Each is the sum over the 2n local anchors divided by the *global* 2N, so that the sum over the
        replicas is the mean over all anchors. Likewise, each replica's gradient is the gradient of the global mean with
        respect to its own projections. All derivatives beyond the first are zero.

    Raises:
        ValueError: temperature is not positive, or the shapes differ.

    Source: Chen et al. 2020, eq. 1 and algorithm 1. The authors' TF2 code sums the two directions (twice this value).
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, found {temperature}")
    if len(projections_a.shape) != 2 or tuple(projections_a.shape) != tuple(projections_b.shape):
        raise ValueError(f"expected two equal shapes (n, d), found {projections_a.shape} and {projections_b.shape}")

    @ops.custom_gradient
    def contrast(projections_a: Tensor, projections_b: Tensor) -> tuple:
        measures, gradient = _contrast(ops.concatenate([projections_a, projections_b]), float(temperature), replicas)

        def carry_back(*upstream: Tensor) -> list[Tensor]:
            return ops.split(gradient * tree.flatten(upstream)[0], 2)  # only the loss has a derivative

        return tuple(measures), carry_back

    return Contrast(*contrast(ops.cast(projections_a, "float32"), ops.cast(projections_b, "float32")))


def chance_loss(global_batch_size: int) -> float:
    """log(2N - 1), the loss in nats of an encoder to which all views look alike.

    Source: Chen et al. 2020, eq. 1, with all similarities equal.
    """
    return math.log(2 * global_batch_size - 1)


def normalise(projections: Tensor) -> Tensor:
    """Scale rows to length 1 in float32, (n, d); a zero row stays zero and has a finite gradient.

    Source: Chen et al. 2020, section 2.1 (cosine similarity is the product of such rows).
    """
    projections = ops.cast(projections, "float32")
    return projections * _inverse_norms(projections)


def _inverse_norms(projections: Tensor) -> Tensor:
    squared_norms = ops.sum(ops.square(projections), axis=1, keepdims=True)
    return ops.rsqrt(ops.maximum(squared_norms, _SQUARED_NORM_FLOOR))


def _contrast(projections: Tensor, temperature: float, replicas: Replicas) -> tuple[Contrast, Tensor]:
    """The measures of (2n, d) projections, and the gradient of the global loss with respect to the projections."""
    num_global = projections.shape[0] * replicas.count
    if num_global == 2:  # no negatives: the softmax has a single term
        return Contrast(ops.zeros(()), ops.ones(()), ops.ones(())), ops.zeros_like(projections)
    # The products of these views are logits, so that no matrix has to be divided by the temperature.
    scales = _inverse_norms(projections) / math.sqrt(temperature)
    views = projections * scales
    partners = ops.concatenate(
        ops.split(views, 2)[::-1]
    )  # the partner of each view; faster than a roll for small batches
    positive = ops.sum(views * partners, axis=1)
    sums = PlainSums if temperature * _MAX_PLAIN_EXPONENT >= 1.0 else LogSums
    similarities = Similarities(views, sums, replicas)
    total, as_near = similarities.statistics(sums.values(positive - TIE / temperature))
    by_views = similarities.attraction(total) - 2.0 * partners
    # A direction has no derivative along itself.
    along = ops.sum(by_views * views, axis=1, keepdims=True) * temperature
    gradient = (by_views - along * views) * (scales / num_global)
    found = (as_near <= k for k in (1, 5))  # as_near counts the positive itself
    parts = (sums.log(total) - positive, *(ops.cast(chosen, "float32") for chosen in found))
    return Contrast(*(ops.sum(part) / num_global for part in parts)), gradient
