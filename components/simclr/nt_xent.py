"""NT-Xent, the loss of SimCLR: projections of two views of each image go in, loss and contrastive accuracy come out.

Memory grows with N, not with N squared: rows of the similarity matrix are made strip by strip, and the gradient, which
has a closed form, is made the same way. Written in ``keras.ops``, so any Keras backend can run it.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

Tensor = Any  # of the Keras backend in use

_STRIP_ELEMENTS = 1 << 22  # 16 MiB of float32 similarities at a time; the graph may hold a few strips at once
_MIN_STRIP_ROWS = 16
_SQUARED_NORM_FLOOR = 1e-12  # a zero vector keeps a finite direction and a finite gradient
_TIE = 1e-5  # of cosine similarity: equal vectors differ by float32 rounding
_MASKED = -1e30


class Contrast(NamedTuple):
    """What one pass over the similarities gives; three scalars, float32."""

    loss: Tensor  # nats; log(2N - 1) when all views look alike
    top1: Tensor  # part of the anchors whose positive is nearer than every negative
    top5: Tensor  # part of the anchors with fewer than five negatives as near as the positive


class Replicas(NamedTuple):
    """How this replica finds the others' views. The default is a single device."""

    count: int = 1
    index: Any = 0  # of this replica, int or int32 scalar tensor
    gather: Callable[[Tensor], Tensor] = lambda local: local  # (m, ...) -> (count * m, ...), in replica order


ONE_REPLICA = Replicas()


def nt_xent_loss(projections_a: Tensor, projections_b: Tensor, temperature: float) -> Tensor:
    """The loss alone, on one device; see ``nt_xent``."""
    return nt_xent(projections_a, projections_b, temperature).loss


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
        replicas: how to reach the other replicas; the same n on each.

    Returns:
        Scalars float32. Each is the sum over the 2n local anchors divided by the *global* 2N, so that the sum over
        replicas is the mean over all anchors; likewise each replica's gradient is that of the global mean with respect
        to its own projections. All derivatives beyond the first are zero.

    Raises:
        ValueError: temperature is not positive, or the shapes differ.

    Source: Chen et al. 2020, eq. 1 and algorithm 1. The authors' TF2 code sums the two directions (twice this value).
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, found {temperature}")
    if len(projections_a.shape) != 2 or tuple(projections_a.shape) != tuple(projections_b.shape):
        raise ValueError(f"expected two equal shapes (n, d), found {projections_a.shape} and {projections_b.shape}")
    views = _normalise(ops.concatenate([projections_a, projections_b]))  # (2n, d)
    return _contrast(views, float(temperature), replicas)


def chance_loss(global_batch_size: int) -> float:
    """log(2N - 1), the loss of an encoder to which all views look alike; nats."""
    return math.log(2 * global_batch_size - 1)


def _normalise(projections: Tensor) -> Tensor:
    projections = ops.cast(projections, "float32")
    squared_norm = ops.sum(ops.square(projections), axis=1, keepdims=True)
    return projections * ops.rsqrt(ops.maximum(squared_norm, _SQUARED_NORM_FLOOR))


def _contrast(views: Tensor, temperature: float, replicas: Replicas) -> Contrast:
    num_views = views.shape[0]
    num_global = num_views * replicas.count
    anchors = ops.stop_gradient(views)
    partners = ops.roll(anchors, num_views // 2, axis=0)
    everyone = ops.reshape(replicas.gather(anchors), (num_global, views.shape[1]))  # (2N, d)
    rows = ops.arange(num_views, dtype="int32") + ops.cast(replicas.index, "int32") * num_views
    strips = _Strips(anchors, rows, everyone, num_views, temperature)
    log_sum, positive, nearer = strips.statistics()
    attraction = strips.attraction(log_sum, ops.reshape(replicas.gather(log_sum), (num_global,)))
    gradient = (attraction - 2.0 * partners) / (temperature * num_global)
    loss = _with_gradient(views, ops.sum(log_sum - positive) / num_global, gradient)
    return Contrast(loss, *(ops.sum(ops.cast(nearer < k, "float32")) / num_global for k in (1, 5)))


def _with_gradient(views: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """``value``, whose derivative with respect to ``views`` is ``gradient``."""

    @ops.custom_gradient
    def loss_of(views: Tensor) -> tuple[Tensor, Callable]:
        def backward(*args: Tensor, upstream: Tensor | None = None) -> Tensor:
            return (args[0] if upstream is None else upstream) * gradient

        return value, backward

    return loss_of(views)


class _Strips:
    """Rows of the similarity matrix between this replica's anchors and everyone, a strip at a time."""

    def __init__(self, anchors: Tensor, rows: Tensor, everyone: Tensor, num_views: int, temperature: float):
        self._anchors, self._rows, self._everyone = anchors, rows, everyone
        self._num_views, self._temperature = num_views, temperature
        strip_rows = min(num_views, max(_MIN_STRIP_ROWS, _STRIP_ELEMENTS // everyone.shape[0]))
        self._count = -(-num_views // strip_rows)
        self._padding = self._count * strip_rows - num_views
        self._single_logits = self._logits(anchors, rows) if self._count == 1 else None

    def statistics(self) -> tuple[Tensor, Tensor, Tensor]:
        """Per anchor: log-sum-exp over all others, the positive's logit, and how many negatives are as near as it."""
        return self._map(self._strip_statistics, self._anchors, self._rows)

    def attraction(self, log_sum: Tensor, everyones_log_sum: Tensor) -> Tensor:
        """(2n, d): sum over all others of their direction times the softmax weights of the pair, from both its ends.

        The logits are symmetric, so row i holds both what anchor i feels of j and what anchor j feels of i: the
        gradient needs no exchange between replicas and no transposed pass.
        """

        def strip_attraction(anchors: Tensor, rows: Tensor, log_sum: Tensor) -> tuple[Tensor]:
            logits = self._logits(anchors, rows) if self._single_logits is None else self._single_logits
            weights = ops.exp(logits - log_sum[:, None]) + ops.exp(logits - everyones_log_sum[None, :])
            return (ops.matmul(weights, self._everyone),)

        return self._map(strip_attraction, self._anchors, self._rows, log_sum)[0]

    def _strip_statistics(self, anchors: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = self._logits(anchors, rows) if self._single_logits is None else self._single_logits
        # A running maximum, because a fixed shift of 1 / temperature underflows below about 0.023.
        highest = ops.max(logits, axis=1)
        log_sum = highest + ops.log(ops.sum(ops.exp(logits - highest[:, None]), axis=1))
        is_positive = self._columns() == self._partner(rows)[:, None]  # (r, 2N)
        positive = ops.sum(ops.where(is_positive, logits, 0.0), axis=1)
        as_near = logits >= positive[:, None] - _TIE / self._temperature
        nearer = ops.sum(ops.cast(ops.logical_and(as_near, ops.logical_not(is_positive)), "int32"), axis=1)
        return log_sum, positive, nearer

    def _logits(self, anchors: Tensor, rows: Tensor) -> Tensor:
        logits = ops.matmul(anchors, ops.transpose(self._everyone)) / self._temperature  # (r, 2N)
        return ops.where(self._columns() == rows[:, None], _MASKED, logits)  # no view is its own negative

    def _columns(self) -> Tensor:
        return ops.arange(self._everyone.shape[0], dtype="int32")[None, :]

    def _partner(self, rows: Tensor) -> Tensor:
        start = rows // self._num_views * self._num_views
        return start + (rows - start + self._num_views // 2) % self._num_views

    def _map(self, function: Callable[..., tuple[Tensor, ...]], *per_row: Tensor) -> tuple[Tensor, ...]:
        """Apply ``function`` to strips of rows; one strip needs no loop."""
        if self._count == 1:
            return function(*per_row)
        strips = [self._split(values) for values in per_row]
        results = ops.map(lambda strip: function(*strip), tuple(strips))
        return tuple(self._join(values) for values in results)

    def _split(self, values: Tensor) -> Tensor:
        padded = ops.pad(values, [(0, self._padding)] + [(0, 0)] * (len(values.shape) - 1))
        return ops.reshape(padded, (self._count, -1, *values.shape[1:]))

    def _join(self, strips: Tensor) -> Tensor:
        return ops.reshape(strips, (-1, *strips.shape[2:]))[: self._num_views]
