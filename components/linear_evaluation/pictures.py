"""Which images the report shows, and their thumbnails: a sample of test, mistakes, and neighbours in train."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from components.contracts.evidence import FeatureKind
from components.contracts.images import ImageConfig
from components.contracts.stored_predictions import Pictures
from components.features.extraction import LabelledFeatures
from components.linear_evaluation import images
from components.linear_evaluation.config import LinearEvaluationConfig
from components.simclr import knn


@dataclasses.dataclass(frozen=True)
class ChosenRows:
    """Rows of the test images that are shown, and of the train images nearest to some of them."""

    sample: np.ndarray  # (t,) int64, spread evenly over test
    mistakes: np.ndarray  # (w,) int64, misclassified images outside the sample, most confident first
    queries: np.ndarray  # (q,) int64, shown with their neighbours
    neighbours: np.ndarray  # (q, j) int64, rows of train, most similar first
    similarities: np.ndarray  # (q, j) float32, cosine

    @property
    def test(self) -> np.ndarray:
        """All rows of test."""
        return np.concatenate([self.sample, self.mistakes, self.queries])


def choose_rows(
    train: LabelledFeatures,
    test: LabelledFeatures,
    test_labels: np.ndarray,
    scores: np.ndarray,
    config: LinearEvaluationConfig,
) -> ChosenRows:
    """Choose what is shown.

    Args:
        train: features of the encoder, among others.
        test: likewise.
        test_labels: (m,) int.
        scores: (m, k) float32, of the exported head.
        config: how many images of each kind.
    """
    is_right = scores.argmax(axis=1) == test_labels
    sample = _spread(len(test_labels), config.max_thumbnails)
    mistakes = _most_confident(np.flatnonzero(~is_right), scores)
    queries = _queries(is_right, config.neighbour_queries)
    neighbours, similarities = knn.nearest(
        test.features[FeatureKind.ENCODER][queries], train.features[FeatureKind.ENCODER], config.neighbours
    )
    shown_mistakes = mistakes[~np.isin(mistakes, sample)][: config.max_mistake_thumbnails]
    return ChosenRows(sample, shown_mistakes, queries, neighbours, similarities)


def _spread(size: int, count: int) -> np.ndarray:
    """Up to ``count`` rows, spread evenly: a fair sample, because the order of digests says nothing about content."""
    return np.unique(np.linspace(0, size - 1, min(size, count)).astype(np.int64))


def _most_confident(rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return rows[np.argsort(-scores[rows].max(axis=1), kind="stable")]


def _queries(is_right: np.ndarray, count: int) -> np.ndarray:
    """Up to half of the rows are misclassified images, the rest are spread over the correctly classified ones."""
    wrong, right = np.flatnonzero(~is_right), np.flatnonzero(is_right)
    chosen_wrong = wrong[_spread(len(wrong), max(count // 2, count - len(right)))]
    chosen_right = right[_spread(len(right), count - len(chosen_wrong))]
    return np.sort(np.concatenate([chosen_wrong, chosen_right]))


def draw(
    rows: ChosenRows,
    train: LabelledFeatures,
    test: LabelledFeatures,
    train_labels: np.ndarray,
    encoded: Mapping[str, bytes],
    image_config: ImageConfig,
    thumbnail_px: int,
) -> Pictures:
    """Shrink the chosen images.

    Args:
        rows: chosen rows of ``test`` and ``train``.
        train: digests of the train images.
        test: digests of the test images.
        train_labels: (n,) int.
        encoded: PNG or JPEG by digest, at least of the chosen images.
        image_config: size, colour and crop of the encoder's input.
        thumbnail_px: greatest side of a thumbnail.
    """

    def thumbnails(digests: np.ndarray) -> np.ndarray:
        return images.thumbnails([encoded[digest] for digest in digests.tolist()], image_config, thumbnail_px)

    neighbour_digests = train.digests[rows.neighbours]
    neighbours = thumbnails(neighbour_digests.ravel())
    return Pictures(
        thumbnail_rows=rows.sample,
        thumbnails=thumbnails(test.digests[rows.sample]),
        mistake_rows=rows.mistakes,
        mistake_thumbnails=thumbnails(test.digests[rows.mistakes]),
        query_rows=rows.queries,
        query_thumbnails=thumbnails(test.digests[rows.queries]),
        neighbour_digests=neighbour_digests,
        neighbour_labels=train_labels[rows.neighbours],
        neighbour_similarities=rows.similarities,
        neighbour_thumbnails=neighbours.reshape(*rows.neighbours.shape, *neighbours.shape[1:]),
    )
