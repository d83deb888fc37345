"""MoCo v2: first views are queries, second views keys, and the keys of earlier batches are the negatives.

An encoder and head that slowly follow the trained ones make the keys, and a queue keeps them.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from components.simclr.methods.momentum import Followers
from components.simclr.methods.nt_xent import TIE, Contrast, normalise
from components.simclr.methods.objective import Objective, Outcome
from components.simclr.methods.similarities import ONE_REPLICA, Replicas, Tensor


def chance_loss(queue_size: int) -> float:
    """log(Q + 1), the loss in nats of an encoder to which all images look alike.

    Source: He et al. 2019, eq. 1, with all similarities equal.
    """
    return math.log(queue_size + 1)


def info_nce(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float, global_batch_size: int) -> Contrast:
    """Cross-entropy of telling each query's key from the keys in the queue, and how often that succeeds.

    Args:
        queries: (n, p) floating, any norm (normalised here, in float32).
        keys: (n, p) floating, of the other views of the same images; no gradient reaches them.
        queue: (Q, p) float32, unit rows.
        temperature: > 0, divides cosine similarity.
        global_batch_size: images over all replicas.

    Returns:
        Sums over the n queries divided by the global batch size, so that the replicas add up to the mean.

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
    """The latest ``size`` keys as unit rows; at first, random directions.

    Args:
        size: a multiple of the number of keys that ``enqueue`` takes at a time.
        width: p of the projections.
        seed: of the random directions.

    Source: He et al. 2019, section 3.2.
    """

    def __init__(self, size: int, width: int, seed: int):
        rows = np.random.default_rng(seed).normal(size=(size, width))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        self.rows = keras.Variable(rows.astype(np.float32), trainable=False, name="queue")
        self.pointer = keras.Variable(0, dtype="int", trainable=False, name="queue_pointer")

    def enqueue(self, keys: Tensor) -> None:
        """Replace the oldest keys by (N, p) unit rows.

        Raises:
            ValueError: the size of the queue is no multiple of N.

        Source: He et al. 2019, algorithm 1.
        """
        size, width = self.rows.shape
        count = keys.shape[0]
        if size % count:
            raise ValueError(f"a queue of {size} keys cannot take {count} at a time")
        # Choose between whole blocks, because scattered writes are not deterministic on every device.
        block = ops.cast(self.pointer.value // count, "int32")
        is_oldest = ops.arange(size // count, dtype="int32")[:, None, None] == block
        blocks = ops.reshape(self.rows.value, (size // count, count, width))
        self.rows.assign(ops.reshape(ops.where(is_oldest, keys[None], blocks), (size, width)))
        self.pointer.assign((self.pointer.value + count) % size)


class MoCo(Objective):
    """Queries and keys are encoded separately; the keys join the queue after the loss.

    BatchNorm normalises keys in several groups and queries over the whole batch, so that its statistics do not tell
    which key belongs to a query.

    Args:
        encoder: as for ``Objective``.
        projection_head: as for ``Objective``.
        followers: copies of both, which make the keys.
        queue: keeps the keys; its size is a multiple of the global batch size.
        temperature: as for ``info_nce``.
        groups: number of groups in which this replica's keys are normalised.

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
        """As ``Objective``; the followers make the representations and projections of second views."""
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
        """Put the keys of all replicas into the queue, then move the key encoder towards the trained one."""
        keys = normalise(ops.split(outcome.projections, 2)[1])
        count, width = keys.shape
        self.queue.enqueue(ops.reshape(replicas.gather(keys), (count * replicas.count, width)))
        self._followers.follow()

    def state(self) -> dict[str, Sequence[keras.Variable]]:
        """As ``Objective``, with key encoder, queue and pointer."""
        queue = {"queue": [self.queue.rows], "queue_pointer": [self.queue.pointer]}
        return super().state() | self._followers.state("key") | queue

    def _encode_keys(self, pixels: Tensor) -> list[Tensor]:
        groups = [self._followers.encode(part) for part in ops.split(pixels, self._groups)]
        return [ops.concatenate(parts) for parts in zip(*groups, strict=True)]
