"""BYOL: from one view, a predictor predicts what a slowly moving target makes of the other. There are no negatives."""

from collections.abc import Sequence

import keras
from keras import ops

from components.simclr.methods.momentum import Followers
from components.simclr.methods.nt_xent import normalise
from components.simclr.methods.objective import Objective, Outcome
from components.simclr.methods.similarities import ONE_REPLICA, Replicas, Tensor


def byol_loss(predictions: Tensor, targets: Tensor, global_batch_size: int) -> Tensor:
    """Squared distance between normalised predictions and targets, in one direction.

    Args:
        predictions: (n, p) floating, any norm (normalised here, in float32).
        targets: (n, p) floating, of the other views; no gradient reaches them.
        global_batch_size: images over all replicas.

    Returns:
        Float32 scalar: the sum over the n images divided by the global batch size; over all replicas 0 (equal) to 4.

    Raises:
        ValueError: the shapes differ.

    Source: Grill et al. 2020, eq. 2.
    """
    if len(predictions.shape) != 2 or tuple(predictions.shape) != tuple(targets.shape):
        raise ValueError(f"expected two equal shapes (n, p), found {predictions.shape} and {targets.shape}")
    cosine = ops.sum(normalise(predictions) * ops.stop_gradient(normalise(targets)), axis=1)
    return ops.sum(2.0 - 2.0 * cosine) / global_batch_size


class Byol(Objective):
    """Each view is encoded separately; the losses of both directions are added.

    Args:
        encoder: as for ``Objective``.
        projection_head: as for ``Objective``.
        predictor: (n, p) to (n, p).
        followers: copies of encoder and head: the target.

    Source: Grill et al. 2020.
    """

    measure_names = ("loss",)

    def __init__(
        self, encoder: keras.Model, projection_head: keras.Model, predictor: keras.Model, followers: Followers
    ):
        super().__init__(encoder, projection_head)
        self.predictor, self._followers = predictor, followers

    @property
    def trained_models(self) -> list[keras.Model]:
        """As ``Objective``, with the predictor."""
        return [*super().trained_models, self.predictor]

    def __call__(self, pixels: Tensor, replicas: Replicas = ONE_REPLICA) -> Outcome:
        """As ``Objective``."""
        views = ops.split(pixels, 2)
        representations, projections = zip(*(self.encode(view) for view in views), strict=True)
        predictions = [self.predictor(projection, training=True) for projection in projections]
        targets = [self._followers.encode(view)[-1] for view in views]
        global_batch_size = pixels.shape[0] // 2 * replicas.count
        directions = zip(predictions, reversed(targets), strict=True)
        loss = sum(byol_loss(prediction, target, global_batch_size) for prediction, target in directions)
        return Outcome((loss,), ops.concatenate(representations), ops.concatenate(projections))

    def follow(self, outcome: Outcome, replicas: Replicas = ONE_REPLICA) -> None:
        """Move the target towards the trained models."""
        self._followers.follow()

    def state(self) -> dict[str, Sequence[keras.Variable]]:
        """As ``Objective``, with predictor and target."""
        return super().state() | {"predictor": self.predictor.variables} | self._followers.state("target")
