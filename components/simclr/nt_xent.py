"""NT-Xent, the loss of SimCLR: projections of two views of each image go in, loss and contrastive accuracy come out.

Memory grows with N, not with N squared: the similarity matrix is made strip by strip, half of it, as it is symmetric;
the gradient, which has a closed form, is made the same way. Written in ``keras.ops``, so any Keras backend can run it.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

Tensor = Any  # of the Keras backend in use

_STRIP_ELEMENTS = 1 << 20  # 4 MiB of float32 similarities at a time, which fits into caches
_MIN_BLOCK_ROWS = 128  # smaller products are slow
_WHOLE_ROWS = 512  # up to so many images there is one block per view, kept for the gradient
_MAX_PLAIN_EXPONENT = 70.0  # sums of 2**20 exponentials of -70 to 70 stay within float32, and so do their inverses
_SQUARED_NORM_FLOOR = 1e-12  # a zero vector keeps a finite direction and a finite gradient
TIE = 1e-5  # of cosine similarity: equal vectors differ by float32 rounding
_MASKED = -1e30
_SMALLEST = 1e-37


class Contrast(NamedTuple):
    """What one pass over the similarities gives; three scalars, float32."""

    loss: Tensor  # nats; the logarithm of the number of candidates when all views look alike
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
    views = normalise(ops.concatenate([projections_a, projections_b]))  # (2n, d)
    return _contrast(views, float(temperature), replicas)


def chance_loss(global_batch_size: int) -> float:
    """log(2N - 1), the loss of an encoder to which all views look alike; nats."""
    return math.log(2 * global_batch_size - 1)


def normalise(projections: Tensor) -> Tensor:
    """Rows scaled to length 1 in float32, (n, d); a zero row stays zero, with a finite gradient."""
    projections = ops.cast(projections, "float32")
    squared_norm = ops.sum(ops.square(projections), axis=1, keepdims=True)
    return projections * ops.rsqrt(ops.maximum(squared_norm, _SQUARED_NORM_FLOOR))


def _contrast(views: Tensor, temperature: float, replicas: Replicas) -> Contrast:
    num_views = views.shape[0]
    num_global = num_views * replicas.count
    anchors = ops.stop_gradient(views)
    if num_global == 2:  # no negatives: the softmax has one term, whatever it is
        return Contrast(0.0 * ops.sum(views), ops.ones(()), ops.ones(()))
    similarities = _Similarities(anchors, temperature, replicas)
    log_sum, positive, nearer = similarities.statistics()
    partners = ops.roll(anchors, num_views // 2, axis=0)
    gradient = (similarities.attraction(log_sum) - 2.0 * partners) / (temperature * num_global)
    loss = ops.sum(log_sum - positive) / num_global
    # The second term is zero, and its derivative is the gradient.
    loss = loss + ops.sum(gradient * (views - anchors))
    return Contrast(loss, *(ops.sum(ops.cast(nearer < k, "float32")) / num_global for k in (1, 5)))


class _PlainSums:
    """Sums of exponentials, where the temperature lets none of them over- or underflow."""

    values = staticmethod(ops.exp)
    log = staticmethod(lambda total: ops.log(ops.maximum(total, _SMALLEST)))  # 0 in the padding
    merge = staticmethod(ops.add)

    @staticmethod
    def total(values: Tensor, axis: int) -> Tensor:
        return _sum(values, axis)

    @staticmethod
    def weights(values: Tensor, log_rows: Tensor, log_columns: Tensor) -> Tensor:
        return values * (ops.exp(-log_rows)[:, :, None] + ops.exp(-log_columns)[:, None, :])


class _LogSums:
    """The same with a running maximum, for low temperatures; twice the exponentials."""

    values = staticmethod(lambda logits: logits)
    log = staticmethod(lambda log_sum: log_sum)
    merge = staticmethod(ops.logaddexp)

    @staticmethod
    def total(values: Tensor, axis: int) -> Tensor:
        highest = ops.max(values, axis=axis, keepdims=True)
        return ops.squeeze(highest, axis) + ops.log(_sum(ops.exp(values - highest), axis))

    @staticmethod
    def weights(values: Tensor, log_rows: Tensor, log_columns: Tensor) -> Tensor:
        return ops.exp(values - log_rows[:, :, None]) + ops.exp(values - log_columns[:, None, :])


class _Similarities:
    """The similarity matrix between this replica's views and everyone's, in strips of square blocks.

    The own views lie in 2h blocks of b rows, first views in the first h. A strip pairs each block with the one k places
    on: k = 0 to h visits every pair of blocks once, and what a pair gives to its rows it gives to its columns too, as
    the matrix is symmetric. In strip h the positives are the diagonals. The other replicas' views are columns only.
    """

    def __init__(self, anchors: Tensor, temperature: float, replicas: Replicas):
        views = anchors.shape[0]
        self._images, self._temperature, self._replicas = views // 2, temperature, replicas
        self._is_whole = self._images <= _WHOLE_ROWS and replicas.count == 1
        rows = self._images if self._is_whole else max(_MIN_BLOCK_ROWS, _STRIP_ELEMENTS // views)
        self._blocks = -(-self._images // rows)  # h, per view
        self._rows = -(-self._images // self._blocks)  # b
        self._padding = self._blocks * self._rows - self._images
        self._sums = _PlainSums if temperature * _MAX_PLAIN_EXPONENT >= 1.0 else _LogSums
        self._kept: dict[bool, Tensor] = {}
        self._own = self._to_blocks(anchors / math.sqrt(temperature))  # (2h, b, d)
        self._is_view = self._to_blocks(ops.ones((views,))) > 0  # (2h, b), false in the padding

    def statistics(self) -> tuple[Tensor, Tensor, Tensor]:
        """Per view (2n,): log-sum-exp over all others, the positive's logit, how many negatives are as near as it."""
        first, second = self._halves(self._own)
        positive = ops.diagonal(_logits(first, second), axis1=1, axis2=2)  # (h, b)
        positive = ops.concatenate([positive, positive])
        threshold = self._sums.values(positive - TIE / self._temperature)

        def contribute(values: Tensor, rows: _Side, columns: _Side) -> tuple:
            to_rows = self._sums.total(values, 2), _count(values >= rows.numbers[:, :, None], 2)
            if not columns.is_own:
                return to_rows, None
            return to_rows, (self._sums.total(values, 1), _count(values >= columns.numbers[:, None, :], 1))

        total, nearer = self._visit(contribute, threshold, (self._sums.merge, ops.add))
        log_sum = self._from_blocks(self._sums.log(total))
        return log_sum, self._from_blocks(positive), self._from_blocks(nearer) - 1.0  # the positive itself

    def attraction(self, log_sum: Tensor) -> Tensor:
        """(2n, d): sum over all others of their direction times the softmax weights of the pair, from both its ends."""

        def contribute(values: Tensor, rows: _Side, columns: _Side) -> tuple:
            weights = self._sums.weights(values, rows.numbers, columns.numbers)
            to_rows = (ops.matmul(weights, columns.views),)
            if not columns.is_own:
                return to_rows, None
            return to_rows, (ops.matmul(ops.transpose(weights, (0, 2, 1)), rows.views),)

        (directions,) = self._visit(contribute, self._to_blocks(log_sum), (ops.add,))
        return self._from_blocks(directions) * math.sqrt(self._temperature)

    def _visit(self, contribute: Callable, numbers: Tensor, merges: tuple[Callable, ...]) -> tuple[Tensor, ...]:
        """What all pairs contribute, merged; ``numbers`` (2h, b) go to ``contribute`` beside the views."""
        own = _Side(self._own, numbers, self._is_view)

        def merge(state: tuple, results: tuple) -> tuple:
            return tuple(merge(old, new) for merge, old, new in zip(merges, state, results, strict=True))

        def visit_own(k: Tensor, state: tuple) -> tuple:
            columns = own.turned(k)
            to_rows, to_columns = contribute(self._values(own, columns), own, columns)
            return merge(merge(state, to_rows), tuple(ops.roll(values, k, axis=0) for values in to_columns))

        first, second = (_Side(*parts) for parts in zip(*(self._halves(x) for x in own[:3]), strict=True))
        results = contribute(self._values(first, second), first, second)
        state = tuple(ops.concatenate(parts) for parts in zip(*results, strict=True))
        columns = own._replace(is_own=False)  # a block with itself: its columns are its rows
        state = merge(state, contribute(self._values(own, columns, is_diagonal=True), own, columns)[0])
        state = _loop(1, self._blocks, visit_own, state)
        if self._replicas.count == 1:
            return state
        is_view = ops.tile(self._is_view, (self._replicas.count - 1, 1))
        others = _Side(self._of_others(self._own), self._of_others(numbers), is_view, is_own=False)

        def visit_others(k: Tensor, state: tuple) -> tuple:
            columns = others.turned(k, 2 * self._blocks)
            return merge(state, contribute(self._values(own, columns), own, columns)[0])

        return _loop(0, 2 * self._blocks * (self._replicas.count - 1), visit_others, state)

    def _values(self, rows: "_Side", columns: "_Side", is_diagonal: bool = False) -> Tensor:
        """(m, b, b) of ``sums``; nothing comes from the padding, nor from a view to itself."""
        if is_diagonal in self._kept:
            return self._kept[is_diagonal]
        logits = _logits(rows.views, columns.views)
        if is_diagonal:
            logits = ops.where(ops.eye(self._rows, dtype="bool"), _MASKED, logits)
        if self._padding:
            are_views = ops.logical_and(rows.is_view[:, :, None], columns.is_view[:, None, :])
            logits = ops.where(are_views, logits, _MASKED)
        values = self._sums.values(logits)
        if self._is_whole:
            self._kept[is_diagonal] = values
        return values

    def _of_others(self, blocks: Tensor) -> Tensor:
        """(2h, b, ...) of this replica to ((count - 1) 2h, b, ...) of the others, the next replica's first."""
        gathered = self._replicas.gather(blocks)
        after_own = (ops.cast(self._replicas.index, "int32") + 1) * (2 * self._blocks)
        return ops.roll(gathered, -after_own, axis=0)[: -2 * self._blocks]

    def _halves(self, blocks: Tensor) -> tuple[Tensor, Tensor]:
        return blocks[: self._blocks], blocks[self._blocks :]

    def _to_blocks(self, values: Tensor) -> Tensor:
        """(2n, ...) to (2h, b, ...), with zeros behind each half."""
        rest = values.shape[1:]
        halves = ops.reshape(values, (2, self._images, *rest))
        padded = ops.pad(halves, [(0, 0), (0, self._padding)] + [(0, 0)] * len(rest))
        return ops.reshape(padded, (2 * self._blocks, self._rows, *rest))

    def _from_blocks(self, blocks: Tensor) -> Tensor:
        rest = blocks.shape[2:]
        halves = ops.reshape(blocks, (2, self._images + self._padding, *rest))[:, : self._images]
        return ops.reshape(halves, (2 * self._images, *rest))


class _Side(NamedTuple):
    """Blocks of views that are the rows or the columns of a strip."""

    views: Tensor  # (m, b, d)
    numbers: Tensor  # (m, b)
    is_view: Tensor  # (m, b)
    is_own: bool = True  # whether they want what the strip gives to its columns

    def turned(self, k: Tensor, count: int | None = None) -> "_Side":
        """The blocks from the k-th on, the first ones behind the last; the first ``count`` of them."""
        return _Side(*(ops.roll(values, -k, axis=0)[:count] for values in self[:3]), self.is_own)


def _loop(start: int, stop: int, body: Callable[[Tensor, tuple], tuple], state: tuple) -> tuple:
    """``state = body(k, state)`` for k from ``start`` to ``stop - 1``, one after the other."""

    def step(k: Tensor, *state: Tensor) -> tuple:
        state = body(k, state)
        # One more, but not before this strip is done: else TensorFlow makes several at once, in as much more memory.
        done = sum(ops.sum(values[0]) for values in state)
        return (k + ops.where(done > 0, 1, 1), *state)

    if start == stop:
        return state
    return tuple(ops.while_loop(lambda k, *_: k < stop, step, (ops.full((), start, "int32"), *state))[1:])


def _logits(rows: Tensor, columns: Tensor) -> Tensor:
    return ops.matmul(rows, ops.transpose(columns, (0, 2, 1)))


def _count(chosen: Tensor, axis: int) -> Tensor:
    return _sum(ops.cast(chosen, "float32"), axis)


def _sum(values: Tensor, axis: int) -> Tensor:
    """Over axis 1 or 2 of (m, b, b); a product with ones, as reductions over the first of two small axes are slow."""
    blocks, size, _ = values.shape
    if axis == 2:
        return ops.squeeze(ops.matmul(values, ops.ones((blocks, size, 1))), 2)
    return ops.squeeze(ops.matmul(ops.ones((blocks, 1, size)), values), 1)
