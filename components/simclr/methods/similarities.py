"""Sums over the similarity matrix of a batch's views, without holding a large matrix whole.

The matrix is made block by block, so memory grows with N, not with N squared. It is symmetric, so only half of it is
made. Written in ``keras.ops``, so any Keras backend can run it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

Tensor = Any  # of the Keras backend in use

_WHOLE_ROWS = 1024  # with up to this many views the similarity matrix is a single block, made once
_BLOCK_ROWS = 1024  # most rows of each of several blocks; 512 took a quarter longer on 2 CPU cores
_MASKED = -1e30


@dataclasses.dataclass(frozen=True)
class Replicas:
    """How this replica gets the views of the others. The default is a single device."""

    count: int = 1
    index: Any = 0  # of this replica, int or int32 scalar tensor
    gather: Callable[[Tensor], Tensor] = lambda local: local  # (m, ...) -> (count * m, ...), in replica order


ONE_REPLICA = Replicas()


class PlainSums:
    """Sums of exponentials, for temperatures at which no exponential over- or underflows."""

    values = staticmethod(ops.exp)
    log = staticmethod(ops.log)
    merge = staticmethod(ops.add)
    divisor = staticmethod(ops.reciprocal)

    @staticmethod
    def total(values: Tensor, axis: int) -> Tensor:
        """(b,): (b, b) values added up along ``axis``."""
        return ops.sum(values, axis=axis) if axis == 1 else _add_up(values, axis)

    @staticmethod
    def weights(values: Tensor, row_divisors: Tensor, column_divisors: Tensor) -> Tensor:
        """(b, b): softmax weight of each pair seen from its row, and from its column, added."""
        return values * (row_divisors[:, None] + column_divisors)


class LogSums:
    """Logarithms of the same sums, for low temperatures; they need twice as many exponentials.

    Source: Milakov and Gimelshein 2018, Online normalizer calculation for softmax, section 3.
    """

    values = log = divisor = staticmethod(lambda logits: logits)
    merge = staticmethod(ops.logaddexp)

    @staticmethod
    def total(values: Tensor, axis: int) -> Tensor:
        """(b,): (b, b) values added up along ``axis``."""
        return ops.logsumexp(values, axis=axis)

    @staticmethod
    def weights(values: Tensor, row_divisors: Tensor, column_divisors: Tensor) -> Tensor:
        """(b, b): softmax weight of each pair seen from its row, and from its column, added."""
        return ops.exp(values - row_divisors[:, None]) + ops.exp(values - column_divisors)


Sums = type[PlainSums] | type[LogSums]


class _Side(NamedTuple):
    """The rows or the columns of one block, or of all blocks, with an axis for the block in front."""

    views: Tensor  # (b, d)
    numbers: Tensor  # (b,), one number for each view
    is_view: Tensor  # (b,), false for padding

    def map(self, function: Callable[[Tensor], Tensor]) -> "_Side":
        return _Side(*(function(values) for values in self))


class _Pass(NamedTuple):
    """What one pass over the blocks collects: some values for each view, to which each of its pairs contributes."""

    # From a block's values, rows and columns: contributions to the rows, and a function that makes those to the columns
    contribute: Callable[[Tensor, _Side, _Side], tuple[tuple, Callable[[], tuple]]]
    merges: tuple[Callable, ...]  # for each contribution, how to merge two of them
    like: tuple[Tensor, ...]  # for each contribution, an array of its shape for one block

    def merge(self, state: tuple, results: tuple) -> tuple:
        return tuple(merge(old, new) for merge, old, new in zip(self.merges, state, results, strict=True))


class Similarities:
    """The similarity matrix between this replica's views and those of all replicas, one square block at a time.

    This replica's views lie in m blocks of b rows; m is 1 or even. For each k from 0 to m / 2, every block is paired
    with the block k places further on, which visits every pair of blocks once. The matrix is symmetric, so each pair
    contributes to its rows and to its columns. The views of other replicas are only columns.

    Args:
        views: (2n, d) float32, of this replica; their products are the logits.
        sums: ``PlainSums`` or ``LogSums``.
        replicas: how to get the views of the others.

    Source: Chen et al. 2020, section 2.1; the blocks are this project's.
    """

    def __init__(self, views: Tensor, sums: Sums, replicas: Replicas):
        self._num_views, self._width = views.shape
        self._sums, self._replicas = sums, replicas
        self._count = 1 if self._num_views <= _WHOLE_ROWS else 2 * -(-self._num_views // (2 * _BLOCK_ROWS))  # m
        self._rows = -(-self._num_views // self._count)  # b
        self._padding = self._count * self._rows - self._num_views
        self._shape = (self._rows,) if self._count == 1 else (self._count, self._rows)
        self._views = self._to_blocks(views)
        self._is_view = self._to_blocks(ops.ones((self._num_views,))) > 0
        self._whole: Tensor | None = None  # the values of the only block, kept once they are made

    def statistics(self, threshold: Tensor) -> tuple[Tensor, Tensor]:
        """For each view, (2n,): the sum over all other views, and how many of them reach its threshold."""

        def contribute(values: Tensor, rows: _Side, columns: _Side) -> tuple:
            to_rows = self._sums.total(values, 1), _count(values >= rows.numbers[:, None], 1)
            return to_rows, lambda: (self._sums.total(values, 0), _count(values >= columns.numbers, 0))

        like = (ops.zeros((self._rows,)),) * 2
        return self._visit(_Pass(contribute, (self._sums.merge, ops.add), like), threshold)

    def attraction(self, total: Tensor) -> Tensor:
        """(2n, d): for each view, the sum of all others, each times the softmax weights of the pair from both ends."""

        def contribute(values: Tensor, rows: _Side, columns: _Side) -> tuple:
            weights = self._sums.weights(values, rows.numbers, columns.numbers)
            to_rows = (ops.matmul(weights, columns.views),)
            return to_rows, lambda: (ops.transpose(ops.matmul(ops.transpose(rows.views), weights)),)

        like = (ops.zeros((self._rows, self._width)),)
        return self._visit(_Pass(contribute, (ops.add,), like), self._sums.divisor(total))[0]

    def _visit(self, visit: _Pass, numbers: Tensor) -> tuple:
        """Make the pass and return what it collects, arrays (2n, ...); ``numbers`` (2n,) go with the views."""
        own = _Side(self._views, self._to_blocks(numbers, filler=1.0), self._is_view)

        def visit_diagonal(i: Tensor) -> tuple:
            rows = self._block(own, i)
            return visit.contribute(self._diagonal_values(rows), rows, rows)[0]

        state = self._each(visit_diagonal, visit.like, self._count)
        if self._count > 1:
            state = self._visit_pairs(visit, own, state)
        if self._replicas.count > 1:
            state = self._visit_others(visit, own, state)
        return tuple(self._from_blocks(values) for values in state)

    def _visit_pairs(self, visit: _Pass, own: _Side, state: tuple) -> tuple:
        """Visit the pairs of different blocks of this replica."""
        half = self._count // 2

        def visit_round(k: Tensor, pairs: int) -> tuple:
            def visit_pair(i: Tensor) -> tuple:
                rows, columns = self._block(own, i), self._block(own, (i + k) % self._count)
                to_rows, to_columns = visit.contribute(self._values(rows, columns), rows, columns)
                return to_rows, to_columns()

            return self._each(visit_pair, (visit.like,) * 2, pairs)

        def visit_turned(k: Tensor, state: tuple) -> tuple:
            to_rows, to_columns = visit_round(k, self._count)
            state = visit.merge(state, to_rows)
            return visit.merge(state, tuple(ops.roll(values, k, axis=0) for values in to_columns))

        def visit_opposite(k: Tensor, state: tuple) -> tuple:
            results = visit_round(k, half)  # each block occurs once, as rows or as columns
            return visit.merge(state, tuple(ops.concatenate(parts) for parts in zip(*results, strict=True)))

        return _loop(half, half + 1, visit_opposite, _loop(1, half, visit_turned, state))

    def _visit_others(self, visit: _Pass, own: _Side, state: tuple) -> tuple:
        """Visit the blocks of the other replicas, one after the other, each with all blocks of this one."""
        is_view = ops.tile(ops.reshape(self._is_view, (self._count, self._rows)), (self._replicas.count - 1, 1))
        others = _Side(self._of_others(own.views), self._of_others(own.numbers), is_view)

        def visit_other(k: Tensor, state: tuple) -> tuple:
            columns = others.map(lambda values: ops.take(values, k, axis=0))

            def visit_rows(i: Tensor) -> tuple:
                rows = self._block(own, i)
                return visit.contribute(self._values(rows, columns), rows, columns)[0]

            return visit.merge(state, self._each(visit_rows, visit.like, self._count))

        return _loop(0, others.views.shape[0], visit_other, state)

    def _block(self, side: _Side, number: Tensor) -> _Side:
        return side if self._count == 1 else side.map(lambda values: ops.take(values, number, axis=0))

    def _each(self, function: Callable[[Tensor], tuple], like: tuple, blocks: int) -> tuple:
        """Call ``function`` for each block, one after the other; results like ``like``, with an axis for the block."""
        if self._count == 1:
            return function(0)
        return ops.scan(lambda nothing, number: (nothing, function(number)), like, ops.arange(blocks))[1]

    def _diagonal_values(self, rows: _Side) -> Tensor:
        """As ``_values``, for a block and itself."""
        if self._count > 1:
            return self._values(rows, rows, is_diagonal=True)
        if self._whole is None:
            self._whole = self._values(rows, rows, is_diagonal=True)
        return self._whole

    def _values(self, rows: _Side, columns: _Side, is_diagonal: bool = False) -> Tensor:
        """(b, b) values as ``sums`` adds them up; padding, and a view with itself, contribute nothing."""
        logits = ops.matmul(rows.views, ops.transpose(columns.views))
        if is_diagonal:
            logits = ops.where(ops.eye(self._rows, dtype="bool"), _MASKED, logits)
        if self._padding:
            logits = ops.where(ops.logical_and(rows.is_view[:, None], columns.is_view), logits, _MASKED)
        return self._sums.values(logits)

    def _of_others(self, blocks: Tensor) -> Tensor:
        """(m, b, ...) of this replica to ((count - 1) m, b, ...) of the others."""
        gathered = self._replicas.gather(blocks)
        gathered = ops.reshape(gathered, (self._replicas.count * self._count, self._rows, *self._rest(blocks)))
        after_own = (ops.cast(self._replicas.index, "int32") + 1) * self._count
        return ops.roll(gathered, -after_own, axis=0)[: -self._count]

    def _to_blocks(self, values: Tensor, filler: float = 0.0) -> Tensor:
        """(2n, ...) to (m, b, ...), or to (b, ...) if there is one block."""
        if self._count == 1:
            return values
        rest = values.shape[1:]
        if self._padding:
            values = ops.pad(values, [(0, self._padding)] + [(0, 0)] * len(rest), constant_values=filler)
        return ops.reshape(values, (*self._shape, *rest))

    def _from_blocks(self, blocks: Tensor) -> Tensor:
        flat = ops.reshape(blocks, (self._count * self._rows, *self._rest(blocks)))
        return flat[: self._num_views] if self._padding else flat

    def _rest(self, blocks: Tensor) -> tuple:
        return tuple(blocks.shape[len(self._shape) :])


def _loop(start: int, stop: int, body: Callable[[Tensor, tuple], tuple], state: tuple) -> tuple:
    """Run ``state = body(k, state)`` for k from ``start`` to ``stop - 1``, strictly one after the other."""

    def step(k: Tensor, *state: Tensor) -> tuple:
        state = body(k, state)
        return (_after(state, k + 1), *state)

    return tuple(ops.while_loop(lambda k, *_: k < stop, step, (_after(state, start), *state))[1:])


def _after(state: tuple, k: Any) -> Tensor:
    """Make k depend on ``state``, so that loop iterations do not run in parallel and multiply memory."""
    return ops.where(ops.ravel(state[0])[0] > 0, k, k)


def _count(chosen: Tensor, axis: int) -> Tensor:
    """Count the true values of (b, b) along an axis: (b,) float32, exact."""
    return _add_up(ops.cast(chosen, "float32"), axis)


def _add_up(values: Tensor, axis: int) -> Tensor:
    """Add up (b, b) values along an axis, (b,), by a matrix product: faster than a sum, except along rows of floats."""
    ones = ops.ones((1, values.shape[axis]))
    added = ops.matmul(ones, values) if axis == 0 else ops.matmul(values, ops.transpose(ones))
    return ops.reshape(added, (-1,))
