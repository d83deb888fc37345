"""Builds the objective of the config's method, and says what loss guessing gives and how many negatives there are."""

from collections.abc import Callable

import keras

from components.pretraining.config import PretrainingConfig
from components.simclr.config import Method, ProjectionHeadConfig
from components.simclr.encoders.projection_head import build_projection_head
from components.simclr.methods import moco, momentum, nt_xent
from components.simclr.methods.byol import Byol
from components.simclr.methods.objective import Objective, SimClr
from components.simclr.watching import Chance

_SEED_OF_PREDICTOR = 1  # added to the config's seed, so that predictor and head start with different weights


def chance(config: PretrainingConfig) -> Chance | None:
    """The loss of an encoder that knows nothing; None for BYOL, whose loss has no such value."""
    if config.method is Method.SIMCLR:
        return Chance(nt_xent.chance_loss(config.global_batch_size), "log(2N - 1)")
    if config.method is Method.MOCO:
        return Chance(moco.chance_loss(config.moco.queue_size), "log(Q + 1)")
    return None


def negatives_per_anchor(config: PretrainingConfig) -> int:
    """How many views are negatives of an anchor."""
    negatives = {Method.SIMCLR: 2 * config.global_batch_size - 2, Method.MOCO: config.moco.queue_size, Method.BYOL: 0}
    return negatives[config.method]


def build_objective(
    config: PretrainingConfig,
    total_steps: int,
    num_replicas: int,
    dtype_policy: str,
    build_models: Callable[[bool], tuple[keras.Model, keras.Model]],
) -> Objective:
    """A new objective with new models; the same arguments give the same weights.

    Args:
        config: method and its settings.
        total_steps: of the run.
        num_replicas: that share a batch.
        dtype_policy: of the predictor's arithmetic.
        build_models: gives a new encoder and head; the argument says whether BatchNorm spans the replicas.
    """
    is_shared = num_replicas > 1
    encoder, head = build_models(is_shared)
    base = config.momentum(max(total_steps // config.epochs, 1))
    if base is None:
        return SimClr(encoder, head, config.loss.temperature)
    if config.method is Method.MOCO:
        # Keys are normalised in groups that lie within a replica.
        followers = momentum.Followers([encoder, head], build_models(False), momentum.constant_rate(base))
        queue = moco.KeyQueue(config.moco.queue_size, head.output_shape[1], config.seed)
        groups = config.moco.key_batch_norm_groups // num_replicas
        return moco.MoCo(encoder, head, followers, queue, config.loss.temperature, groups)
    target = momentum.Followers([encoder, head], build_models(is_shared), momentum.cosine_rate(base, total_steps))
    return Byol(encoder, head, _build_predictor(config, head.output_shape[1], dtype_policy, is_shared), target)


def _build_predictor(config: PretrainingConfig, width: int, dtype_policy: str, is_shared: bool) -> keras.Model:
    """A network with the shape of the projection head, from projections to projections."""
    shape = ProjectionHeadConfig(
        layers=2,
        hidden_width=config.byol.predictor_hidden_width or config.projection_head.hidden_width,
        output_width=width,
        final_batch_norm=False,
    )
    seed = config.seed + _SEED_OF_PREDICTOR
    return build_projection_head(shape, width, seed, dtype_policy, is_shared)
