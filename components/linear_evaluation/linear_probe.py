"""Linear evaluation from files to files: features and their encoder in; SavedModel, numbers and predictions out.

The features are those that feature extraction wrote; by its digest they are those of the encoder that is exported.
"""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.contracts import artifact_files, configuration, evidence, features_record, files, records, signatures
from components.contracts.images import ImageConfig
from components.contracts.progress import report_progress
from components.features import extraction, frozen_features, stored
from components.features.extraction import LabelledFeatures
from components.linear_evaluation import images, probe, saved_model, split_identity
from components.linear_evaluation.config import LinearEvaluationConfig
from components.preprocessing import moments
from components.simclr import knn
from components.simclr.encoders.encoder import weights_digest


@dataclasses.dataclass(frozen=True)
class ProbeInputs:
    """Where everything lies."""

    train_files: Sequence[str]  # gzip TFRecord files of image records
    test_files: Sequence[str]
    encoder_dir: str  # holds ENCODER_FILE and PROJECTION_HEAD_FILE of artifact_files
    transform_graph_dir: str
    features_dir: str  # of these records and this encoder


@dataclasses.dataclass(frozen=True)
class _Measured:
    """Features of both splits, labels as indices, and what every kind of features predicts."""

    train: LabelledFeatures
    test: LabelledFeatures
    train_labels: np.ndarray  # (n,) int
    test_labels: np.ndarray  # (m,) int
    class_names: list[str]
    predictions: dict[str, probe.Predictions]


def run_probe(
    inputs: ProbeInputs,
    saved_model_dir: str,
    report_dir: str,
    config: LinearEvaluationConfig,
    image_config: ImageConfig,
) -> dict[str, Any]:
    """Measure an encoder and export it with its linear head.

    Args:
        inputs: image records, encoder, transform graph and features.
        saved_model_dir: the SavedModel is written there; what is there is replaced.
        report_dir: ``artifact_files.PROBE_FILE`` and ``artifact_files.TEST_PREDICTIONS_FILE`` are written there.
        config: the protocol.
        image_config: what the encoder sees.

    Returns:
        The content of ``artifact_files.PROBE_FILE``.

    Raises:
        ValueError: train has one class only, test holds a class that train does not, or the features are not of this
            encoder.
    """
    clock = _Clock()
    encoder, projection_head = (
        frozen_features.load_model(inputs.encoder_dir, name)
        for name in (artifact_files.ENCODER_FILE, artifact_files.PROJECTION_HEAD_FILE)
    )
    encoder_digest = weights_digest(encoder)
    _require_features_of(encoder_digest, inputs)
    train, test = (stored.read(inputs.features_dir, split) for split in (records.TRAIN, records.TEST))
    clock.lap("reading")
    measured = _predict(train, test, config)
    clock.lap("classifiers")
    head = measured.predictions[evidence.ENCODER].fractions[-1].fitted[0].head
    mean, std = moments.channel_moments(inputs.transform_graph_dir)
    parts = saved_model.ServedParts(encoder, projection_head, head, mean, std, measured.class_names, image_config)
    content_digest = saved_model.export(parts, _golden_images(inputs, train, config), saved_model_dir)
    clock.lap("export")
    report = _count(measured, config)
    clock.lap("intervals")
    pictures = _pictures(inputs, measured, config, image_config)
    clock.lap("pictures")
    report |= {
        evidence.ENCODER_DIGEST: encoder_digest,
        evidence.CONTENT_DIGEST: content_digest,
        evidence.CONFIG: configuration.to_mapping(config),
        evidence.SECONDS: clock.laps,
    }
    _write_predictions(measured, pictures, report_dir, saved_model_dir)
    files.write_json(f"{report_dir}/{artifact_files.PROBE_FILE}", report)
    return report


class _Clock:
    """Seconds by stage."""

    def __init__(self):
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, stage: str) -> None:
        now = time.monotonic()
        self.laps[stage], self._last = round(now - self._last, 3), now


def _predict(train: LabelledFeatures, test: LabelledFeatures, config: LinearEvaluationConfig) -> _Measured:
    class_names = sorted(set(train.labels.tolist()))
    if len(class_names) < 2:
        raise ValueError(f"train holds one class only, {class_names}; a classifier needs at least two")
    unknown = sorted(set(test.labels.tolist()) - set(class_names))
    if unknown:
        raise ValueError(f"test holds classes that train does not: {unknown}; train holds {class_names}")
    train_labels = np.searchsorted(class_names, train.labels)
    total, done = probe.fits(config) * len(train.features), 0

    def on_fit() -> None:
        nonlocal done
        done += 1
        report_progress(done, total, "linear classifiers")

    predictions = {
        name: probe.predict_test(
            values, train_labels, train.groups, test.features[name], len(class_names), config, on_fit
        )
        for name, values in train.features.items()
    }
    test_labels = np.searchsorted(class_names, test.labels)
    return _Measured(train, test, train_labels, test_labels, class_names, predictions)


def _golden_images(
    inputs: ProbeInputs, train: LabelledFeatures, config: LinearEvaluationConfig
) -> saved_model.GoldenImages:
    rows = np.unique(np.linspace(0, len(train.digests) - 1, config.golden_images).astype(int))
    found = images.read_images(inputs.train_files, train.digests[rows].tolist())
    encoded = [found[digest] for digest in train.digests[rows].tolist()]
    prepared = extraction.Preparation(inputs.transform_graph_dir)(tf.constant(encoded)).numpy()
    return saved_model.GoldenImages(encoded, prepared, train.features[evidence.ENCODER][rows])


def _require_features_of(encoder_digest: str, inputs: ProbeInputs) -> None:
    extracted = files.read_json(f"{inputs.features_dir}/{artifact_files.FEATURES_FILE}")[features_record.ENCODER_DIGEST]
    if extracted != encoder_digest:
        raise ValueError(
            f"the features in {inputs.features_dir} are of an encoder with digest {extracted}, but the one in "
            f"{inputs.encoder_dir} has {encoder_digest}"
        )


def _count(measured: _Measured, config: LinearEvaluationConfig) -> dict[str, Any]:
    """The numbers; the one place where test labels are read."""
    right = {
        name: probe.correctness(predictions, measured.test_labels) for name, predictions in measured.predictions.items()
    }
    others = [name for name in right if name != evidence.ENCODER]
    return {
        evidence.CLASS_NAMES: measured.class_names,
        evidence.COUNTS: {"train": len(measured.train_labels), "test": len(measured.test_labels)},
        evidence.TEST_SPLIT_DIGEST: split_identity.digest(measured.test.digests),
        evidence.CONFIDENCE: config.confidence,
        evidence.FEATURES: {
            name: probe.measure(predictions, right[name], measured.test_labels, measured.class_names, config)
            for name, predictions in measured.predictions.items()
        },
        evidence.DIFFERENCES: [
            entry
            for other in others
            for entry in probe.differences(evidence.ENCODER, other, right[evidence.ENCODER], right[other], config)
        ],
    }


def _pictures(
    inputs: ProbeInputs, measured: _Measured, config: LinearEvaluationConfig, image_config: ImageConfig
) -> dict[str, np.ndarray]:
    """Thumbnails of test images, and of the nearest train images of some of them."""
    thumbnail_rows = _spread(len(measured.test_labels), config.max_thumbnails)
    mistakes = _mistakes(measured)
    mistake_rows = mistakes[~np.isin(mistakes, thumbnail_rows)][: config.max_mistake_thumbnails]
    query_rows = _queries(measured, config.neighbour_queries)
    indices, similarities = knn.nearest(
        measured.test.features[evidence.ENCODER][query_rows],
        measured.train.features[evidence.ENCODER],
        config.neighbours,
    )

    neighbour_digests = measured.train.digests[indices]
    test_digests = measured.test.digests
    shown = test_digests[np.concatenate([thumbnail_rows, mistake_rows, query_rows])]
    found = images.read_images(inputs.test_files, shown.tolist())
    found |= images.read_images(inputs.train_files, neighbour_digests.ravel().tolist())

    def pictures(digests: np.ndarray) -> np.ndarray:
        return images.thumbnails([found[digest] for digest in digests.tolist()], image_config, config.thumbnail_px)

    neighbours = pictures(neighbour_digests.ravel())
    return {
        evidence.THUMBNAIL_ROWS: thumbnail_rows,
        evidence.THUMBNAILS: pictures(test_digests[thumbnail_rows]),
        evidence.MISTAKE_ROWS: mistake_rows,
        evidence.MISTAKE_THUMBNAILS: pictures(test_digests[mistake_rows]),
        evidence.QUERY_ROWS: query_rows,
        evidence.QUERY_THUMBNAILS: pictures(test_digests[query_rows]),
        evidence.NEIGHBOUR_DIGESTS: neighbour_digests,
        evidence.NEIGHBOUR_LABELS: measured.train_labels[indices],
        evidence.NEIGHBOUR_SIMILARITIES: similarities,
        evidence.NEIGHBOUR_THUMBNAILS: neighbours.reshape(*indices.shape, *neighbours.shape[1:]),
    }


def _spread(size: int, count: int) -> np.ndarray:
    """Up to ``count`` rows spread evenly; digests are in no order of content, so this is a fair sample."""
    return np.unique(np.linspace(0, size - 1, min(size, count)).astype(np.int64))


def _mistakes(measured: _Measured) -> np.ndarray:
    """Test rows predicted wrong, those with the highest score first."""
    scores = measured.predictions[evidence.ENCODER].fractions[-1].scores[0]
    wrong = np.flatnonzero(scores.argmax(axis=1) != measured.test_labels)
    return wrong[np.argsort(-scores[wrong].max(axis=1), kind="stable")]


def _queries(measured: _Measured, count: int) -> np.ndarray:
    """Test rows worth looking at: up to half of them predicted wrong, the rest spread over the right ones."""
    predicted = measured.predictions[evidence.ENCODER].fractions[-1].scores[0].argmax(axis=1)
    wrong = np.flatnonzero(predicted != measured.test_labels)
    right = np.flatnonzero(predicted == measured.test_labels)
    chosen_wrong = wrong[_spread(len(wrong), max(count // 2, count - len(right)))]
    chosen_right = right[_spread(len(right), count - len(chosen_wrong))]
    return np.sort(np.concatenate([chosen_wrong, chosen_right]))


def _write_predictions(
    measured: _Measured, pictures: dict[str, np.ndarray], report_dir: str, saved_model_dir: str
) -> None:
    scores = measured.predictions[evidence.ENCODER].fractions[-1].scores[0]
    files.write_arrays(
        f"{saved_model_dir}/{signatures.PREDICTIONS_FILE}",
        {
            signatures.PREDICTED_DIGESTS: measured.test.digests,
            signatures.PREDICTED_CLASSES: np.array(measured.class_names)[scores.argmax(axis=1)],
        },
    )
    files.write_arrays(
        f"{report_dir}/{artifact_files.TEST_PREDICTIONS_FILE}",
        {
            evidence.TEST_DIGESTS: measured.test.digests,
            evidence.TEST_LABELS: measured.test_labels,
            evidence.TEST_CLASS_NAMES: np.array(measured.class_names),
            evidence.TEST_SCORES: scores,
            evidence.TEST_REPRESENTATIONS: measured.test.features[evidence.ENCODER],
            **{
                evidence.predicted_by(name, position): part.scores.argmax(axis=2)
                for name, predictions in measured.predictions.items()
                for position, part in enumerate(predictions.fractions)
            },
            **pictures,
        },
    )
