"""The interface of a method: it turns a batch of views into a loss, and moves the weights that no gradient moves.

``SimClr`` is here; its siblings are ``moco.MoCo`` and ``byol.Byol``. The caller owns gradient and optimiser:

    with tf.GradientTape() as tape:
        outcome = objective(pixels, replicas)
    optimizer.apply(tape.gradient(outcome.loss, objective.trainable_variables), objective.trainable_variables)
    objective.follow(outcome, replicas)
"""

import abc
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import keras
from keras import ops

from components.simclr.methods import nt_xent
from components.simclr.methods.similarities import ONE_REPLICA, Replicas, Tensor


class Outcome(NamedTuple):
    """The result of one pass over this replica's n images; all first views come before the second views."""

    measures: tuple[Tensor, ...]  # float32 scalars in the order of ``measure_names``; replicas add them up
    representations: Tensor  # (2n, d)
    projections: Tensor  # (2n, p), compared by the loss

    @property
    def loss(self) -> Tensor:
        """This replica's share of the loss; replicas add up its gradients."""
        return self.measures[0]


class Objective(abc.ABC):
    """A method, with encoder, head and whatever else it trains or keeps.

    Args:
        encoder: (n, s, s, c) pixels to (n, d) representations.
        projection_head: (n, d) to (n, p).
    """

    measure_names: tuple[str, ...] = ("loss", "top1", "top5")  # fields of ``pretraining_record.Epoch``

    def __init__(self, encoder: keras.Model, projection_head: keras.Model):
        self.encoder, self.projection_head = encoder, projection_head

    @abc.abstractmethod
    def __call__(self, pixels: Tensor, replicas: Replicas = ONE_REPLICA) -> Outcome:
        """Compare (2n, s, s, c) standardised views; the first views of n images come before the second views."""

    def follow(self, outcome: Outcome, replicas: Replicas = ONE_REPLICA) -> None:
        """Move what no gradient moves; call this after the optimiser's step. SimCLR has nothing to move."""
        return None

    @property
    def trained_models(self) -> list[keras.Model]:
        """The models that the optimiser moves."""
        return [self.encoder, self.projection_head]

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """The variables of all trained models, in the order of the models."""
        return list(itertools.chain.from_iterable(model.trainable_variables for model in self.trained_models))

    def state(self) -> dict[str, Sequence[keras.Variable]]:
        """All variables by kind, for checkpoints; siblings add their own."""
        return {"encoder": self.encoder.variables, "projection_head": self.projection_head.variables}

    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Representations (n, d) and projections (n, p) of (n, s, s, c) pixels, with batch statistics."""
        representations = self.encoder(pixels, training=True)
        return representations, self.projection_head(representations, training=True)


class SimClr(Objective):
    """Both views go through one forward pass; all other views of the batch are negatives.

    Args:
        encoder: as for ``Objective``.
        projection_head: as for ``Objective``.
        temperature: as for ``nt_xent``.

    Source: Chen et al. 2020, algorithm 1.
    """

    def __init__(self, encoder: keras.Model, projection_head: keras.Model, temperature: float):
        super().__init__(encoder, projection_head)
        self._temperature = temperature

    def __call__(self, pixels: Tensor, replicas: Replicas = ONE_REPLICA) -> Outcome:
        """As ``Objective``."""
        return self.compare(*self.encode(pixels), replicas)

    def compare(self, representations: Tensor, projections: Tensor, replicas: Replicas = ONE_REPLICA) -> Outcome:
        """The outcome of (2n, p) projections, however they were made."""
        first, second = ops.split(projections, 2)
        contrast = nt_xent.nt_xent(first, second, self._temperature, replicas)
        return Outcome(tuple(contrast), representations, projections)
