"""MoCo v2: first views are queries, second views keys, and the keys of earlier batches are the negatives.

Keys come from an encoder and head that follow the trained ones slowly, and are kept in a queue.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from components.simclr.methods.momentum import Followers
from components.simclr.methods.nt_xent import ONE_REPLICA, TIE, Contrast, Replicas, Tensor, normalise
from components.simclr.methods.objective import Objective, Outcome


def chance_loss(queue_size: int) -> float:
    """log(Q + 1), the loss of an encoder to which all images look alike; nats.

    Source: He et al. 2019, eq. 1, with all similarities equal.
    """
    return math.log(queue_size + 1)


def info_nce(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float, global_batch_size: int) -> Contrast:
    """Cross-entropy of finding each query's key among it and the queue, and how often it is found.

    Args:
        queries: (n, p) floating, any norm (normalised here, in float32).
        keys: (n, p) floating, the other views of the same images; no gradient reaches them.
        queue: (Q, p) float32, unit rows.
        temperature: > 0, divides cosine similarity.
        global_batch_size: images over all replicas.

    Returns:
        Sums over the n queries divided by the global batch, so that replicas add up to the mean.

    Raises:
        ValueError: temperature is not positive, or the shapes differ.

    Source: He et al. 2019, eq. 1 and algorithm 1.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, found {temperature}")
    if len(queries.shape) != 2 or tuple(queries.shape) != tuple(keys.shape) or queue.shape[1] != keys.shape[1]:
        raise ValueError(
            f"expected shapes (n, p), (n, p) and (Q, p), found {queries.shape}, {keys.shape} and {queue.shape}"
        )
    queries, keys = normalise(queries), ops.stop_gradient(normalise(keys))
    positive = ops.sum(queries * keys, axis=1, keepdims=True) / temperature  # (n, 1)
    negatives = ops.matmul(queries, ops.transpose(queue)) / temperature  # (n, Q)
    losses = ops.logsumexp(ops.concatenate([positive, negatives], axis=1), axis=1) - positive[:, 0]
    nearer = ops.sum(ops.cast(negatives >= positive - TIE / temperature, "int32"), axis=1)
    found = (ops.sum(ops.cast(nearer < k, "float32")) / global_batch_size for k in (1, 5))
    return Contrast(ops.sum(losses) / global_batch_size, *found)


class KeyQueue:
    """The latest ``size`` keys, unit rows; random directions at first.

    Args:
        size: a multiple of the number of keys that are put in together.
        width: p of the projections.
        seed: of the first rows.

    Source: He et al. 2019, section 3.2.
    """

    def __init__(self, size: int, width: int, seed: int):
        rows = np.random.default_rng(seed).normal(size=(size, width))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        self.rows = keras.Variable(rows.astype(np.float32), trainable=False, name="queue")
        self.pointer = keras.Variable(0, dtype="int", trainable=False, name="queue_pointer")

    def enqueue(self, keys: Tensor) -> None:
        """Put (N, p) unit rows in the place of the oldest.

        Raises:
            ValueError: the queue's size is no multiple of N.

        Source: He et al. 2019, algorithm 1.
        """
        size, width = self.rows.shape
        count = keys.shape[0]
        if size % count:
            raise ValueError(f"a queue of {size} keys cannot take {count} at a time")
        # A choice between whole blocks, because scattered writes are not deterministic everywhere.
        block = ops.cast(self.pointer.value // count, "int32")
        is_oldest = ops.arange(size // count, dtype="int32")[:, None, None] == block
        blocks = ops.reshape(self.rows.value, (size // count, count, width))
        self.rows.assign(ops.reshape(ops.where(is_oldest, keys[None], blocks), (size, width)))
        self.pointer.assign((self.pointer.value + count) % size)


class MoCo(Objective):
    """Queries and keys encoded apart; the keys join the queue after the loss.

    Keys are normalised in several groups and queries over the whole batch, so that BatchNorm does not tell a query
    which statistics its key was made with.

    Args:
        encoder: as for ``Objective``.
        projection_head: likewise.
        followers: copies of both, for the keys.
        queue: of keys; a multiple of the global batch.
        temperature: of ``info_nce``.
        groups: BatchNorm groups of the keys on this replica.

    Source: He et al. 2019; Chen et al. 2020, "Improved baselines with momentum contrastive learning".
    """

    def __init__(
        self,
        encoder: keras.Model,
        projection_head: keras.Model,
        followers: Followers,
        queue: KeyQueue,
        temperature: float,
        groups: int,
    ):
        super().__init__(encoder, projection_head)
        self._followers, self.queue = followers, queue
        self._temperature, self._groups = temperature, groups

    def __call__(self, pixels: Tensor, replicas: Replicas = ONE_REPLICA) -> Outcome:
        """As ``Objective``; representations and projections of second views are the followers'."""
        query_pixels, key_pixels = ops.split(pixels, 2)
        representations, queries = self.encode(query_pixels)
        key_representations, keys = self._encode_keys(key_pixels)
        global_batch_size = pixels.shape[0] // 2 * replicas.count
        contrast = info_nce(queries, keys, self.queue.rows.value, self._temperature, global_batch_size)
        return Outcome(
            tuple(contrast),
            ops.concatenate([representations, key_representations]),
            ops.concatenate([queries, keys]),
        )

    def follow(self, outcome: Outcome, replicas: Replicas = ONE_REPLICA) -> None:
        """Put the keys of all replicas into the queue, then move the key encoder."""
        keys = normalise(ops.split(outcome.projections, 2)[1])
        count, width = keys.shape
        self.queue.enqueue(ops.reshape(replicas.gather(keys), (count * replicas.count, width)))
        self._followers.follow()

    def state(self) -> dict[str, Sequence[keras.Variable]]:
        """As ``Objective``, and key encoder, queue and pointer."""
        queue = {"queue": [self.queue.rows], "queue_pointer": [self.queue.pointer]}
        return super().state() | self._followers.state("key") | queue

    def _encode_keys(self, pixels: Tensor) -> list[Tensor]:
        groups = [self._followers.encode(part) for part in ops.split(pixels, self._groups)]
        return [ops.concatenate(parts) for parts in zip(*groups, strict=True)]
