"""Does pretraining learn? Representations and losses go in; a few numbers come out, and an error if the run is lost.

GPU hours cost money, so a run stops early if it stays at chance, collapses or has numbers that are not finite. The
error says what to try. NumPy only.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from components.contracts.pretraining_record import Epoch
from components.simclr import knn
from components.simclr.config import WatchConfig

CHANCE_MARGIN = 3  # top-1 accuracy below this many times its chance value counts as chance


class Chance(NamedTuple):
    """The loss of an encoder that knows nothing."""

    loss: float  # nats; top-1 is then about exp(-loss)
    formula: str  # such as "log(2N - 1)"


class PretrainingStopped(RuntimeError):
    """The run no longer learns; the message says what was measured and what to try."""


class StuckAtChance(PretrainingStopped):
    """The loss stays where guessing would put it: to the loss, all views look alike."""


class Collapsed(PretrainingStopped):
    """All representations are nearly the same, or differ along one direction only."""


class NonFinite(PretrainingStopped):
    """The loss is infinite or not a number."""


def normalise(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to length 1, (n, d) float64; zero rows stay zero."""
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def alignment(projections_a: np.ndarray, projections_b: np.ndarray) -> float:
    """Mean squared distance between the two views of an image, on the unit sphere: from 0 (equal) to 4.

    Source: Wang and Isola 2020, with exponent 2.
    """
    return float(np.mean(np.sum((normalise(projections_a) - normalise(projections_b)) ** 2, axis=1)))


def uniformity(projections: np.ndarray) -> float:
    """Log of the mean of exp(-2 * squared distance) over all pairs, on the unit sphere; 0 if all are equal.

    Args:
        projections: (n, d), n > 1.

    Source: Wang and Isola 2020, with t = 2.
    """
    rows = normalise(projections)
    squared_distances = 2.0 - 2.0 * (rows @ rows.T)  # (n, n)
    pairs = squared_distances[np.triu_indices(len(rows), k=1)]
    return float(np.log(np.mean(np.exp(-2.0 * np.maximum(pairs, 0.0)))))


def mean_std(representations: np.ndarray) -> float:
    """Standard deviation of normalised representations, averaged over dimensions; 1/sqrt(d) if they are evenly spread.

    Source: Chen and He 2020, section 4.1.
    """
    return float(np.mean(np.std(normalise(representations), axis=0)))


def effective_rank(representations: np.ndarray) -> float:
    """Exponential of the entropy of the singular values of the normalised, centred representations; 0 if all are equal.

    They are centred because the part that all images share does not tell them apart.

    Source: Roy and Vetterli 2007.
    """
    rows = normalise(representations)
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    total = values.sum()
    if total < 1e-9:
        return 0.0
    shares = values[values > 0] / total
    return float(np.exp(-np.sum(shares * np.log(shares))))


def knn_accuracy(representations: np.ndarray, labels: Sequence, k: int, temperature: float) -> float:
    """Leave-one-out accuracy of a weighted vote among the k nearest other images, by cosine similarity.

    Args:
        representations: (n, d), n > 1.
        labels: n class names or numbers.
        k: voters; at most n - 1 vote.
        temperature: each vote weighs exp(similarity / temperature).

    Source: Wu et al. 2018, section 3.4.
    """
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    count = len(codes)
    k = min(k, count - 1)
    indices, similarities = knn.nearest(representations, representations, k + 1)
    others = indices != np.arange(count)[:, None]
    others[others.all(axis=1), -1] = False  # a row that more than k equal rows keep out of its own neighbours
    voters, similarities = (values[others].reshape(count, k) for values in (indices, similarities))
    votes = knn.vote(voters, similarities, codes, len(classes), temperature)
    return float(np.mean(np.argmax(votes, axis=1) == codes))


def non_finite(step: int, what: str) -> NonFinite:
    """The error for a run whose numbers are not finite; ``what`` says which."""
    return NonFinite(
        f"pretraining stopped at step {step}: {what}. Try a lower optimizer.learning_rate, a longer "
        "schedule.warmup_epochs, a higher loss.temperature, or precision float32"
    )


def judge(
    config: WatchConfig,
    history: Sequence[Epoch],
    chance: Chance | None,
    representation_width: int,
    warmup_epochs: float,
) -> None:
    """Raise an error if the run is lost.

    Args:
        config: thresholds.
        history: the epochs so far.
        chance: the loss of guessing; None for a method that has no such value.
        representation_width: d.
        warmup_epochs: epochs that are not judged.

    Raises:
        Collapsed: std, or effective rank, was below its bound in each epoch of the window.
        StuckAtChance: loss and top-1 accuracy were both at chance in each epoch of the window, without a collapse.
    """
    window = history[math.ceil(warmup_epochs) :][-config.window_epochs :]
    if len(window) < config.window_epochs:
        return
    _judge_collapse(config, window, representation_width, len(history))
    if chance is not None:
        _judge_chance(config, window, chance, len(history))


def _judge_chance(config: WatchConfig, window: Sequence[Epoch], chance: Chance, num_epochs: int) -> None:
    bound = config.chance_fraction * chance.loss
    top1_bound = CHANCE_MARGIN * math.exp(-chance.loss)
    if all(epoch.loss > bound and epoch.top1 is not None and epoch.top1 < top1_bound for epoch in window):
        raise StuckAtChance(
            f"pretraining stopped after epoch {num_epochs}: for {len(window)} epochs the loss stayed at "
            f"{window[-1].loss:.3f}, where guessing gives {chance.formula} = {chance.loss:.3f}. Try another "
            "optimizer.learning_rate, a lower loss.temperature, or weaker augmentation"
        )


def _judge_collapse(config: WatchConfig, window: Sequence[Epoch], representation_width: int, num_epochs: int) -> None:
    std_bound = config.min_std_fraction / math.sqrt(representation_width)
    measures: tuple[tuple[str, Callable[[Epoch], float], float], ...] = (
        ("std", lambda epoch: epoch.std, std_bound),
        ("effective_rank", lambda epoch: epoch.effective_rank, config.min_effective_rank),
    )
    for name, measure, bound in measures:
        if all(measure(epoch) < bound for epoch in window):
            raise Collapsed(
                f"pretraining stopped after epoch {num_epochs}: for {len(window)} epochs the {name} of the "
                f"representations stayed below {bound:.4g} (last {measure(window[-1]):.4g}): all images look alike to "
                "the encoder. Try a lower optimizer.learning_rate, more views per batch (global_batch_size) or a "
                "higher loss.temperature"
            )
