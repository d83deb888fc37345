"""Linear evaluation from files to files: features and their encoder in; SavedModel, numbers and predictions out.

The features were written by feature extraction; their encoder's digest must be that of the encoder that is exported.
"""

import dataclasses
import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from components.contracts import artifact_files, configuration, files, records, signatures
from components.contracts.evidence import FeatureKind, ProbeReport, SplitCounts
from components.contracts.features_record import FeaturesSummary
from components.contracts.images import ImageConfig
from components.contracts.progress import report_progress
from components.contracts.record_files import read_record, write_record
from components.contracts.stored_predictions import Pictures, StoredPredictions
from components.features import extraction, frozen_features, stored
from components.features.extraction import LabelledFeatures
from components.linear_evaluation import images, pictures, probe, saved_model, split_identity
from components.linear_evaluation.config import LinearEvaluationConfig
from components.preprocessing import moments
from components.simclr.encoders.encoder import weights_digest


@dataclasses.dataclass(frozen=True)
class ProbeInputs:
    """Paths and URIs of what is read."""

    train_files: Sequence[str]  # gzip TFRecord files of image records
    test_files: Sequence[str]
    encoder_dir: str  # holds ENCODER_FILE and PROJECTION_HEAD_FILE of artifact_files
    transform_graph_dir: str
    features_dir: str  # of these image records and this encoder


@dataclasses.dataclass(frozen=True)
class _Measured:
    """Features of both splits, labels as indices, and the predictions from every kind of features."""

    train: LabelledFeatures
    test: LabelledFeatures
    train_labels: np.ndarray  # (n,) int
    test_labels: np.ndarray  # (m,) int
    class_names: list[str]
    predictions: dict[FeatureKind, probe.Predictions]

    @property
    def final(self) -> probe.FractionPredictions:
        """The encoder's head with all labels, which is exported."""
        return self.predictions[FeatureKind.ENCODER].fractions[-1]


def run_probe(
    inputs: ProbeInputs,
    saved_model_dir: str,
    report_dir: str,
    config: LinearEvaluationConfig,
    image_config: ImageConfig,
) -> ProbeReport:
    """Measure an encoder and export it with its linear head.

    Args:
        inputs: image records, encoder, transform graph and features.
        saved_model_dir: where to write the SavedModel; an existing one is replaced.
        report_dir: where to write ``artifact_files.PROBE_FILE`` and ``artifact_files.TEST_PREDICTIONS_FILE``.
        config: the protocol.
        image_config: size and colour of the encoder's input.

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
    rows = pictures.choose_rows(train, test, measured.test_labels, measured.final.scores[0], config)
    golden_rows = np.unique(np.linspace(0, len(train.digests) - 1, config.golden_images).astype(int))
    encoded = _read_images(inputs, measured, rows, golden_rows)
    clock.lap("images")
    mean, std = moments.channel_moments(inputs.transform_graph_dir)
    head = measured.final.fitted[0].head
    parts = saved_model.ServedParts(encoder, projection_head, head, mean, std, measured.class_names, image_config)
    golden = _golden_images(inputs, train, golden_rows, encoded)
    content_digest = saved_model.export(parts, golden, saved_model_dir)
    clock.lap("export")
    thumbnails = pictures.draw(rows, train, test, measured.train_labels, encoded, image_config, config.thumbnail_px)
    clock.lap("pictures")
    _write_predictions(measured, thumbnails, report_dir, saved_model_dir)
    report = _count(measured, config, encoder_digest, content_digest, clock)
    write_record(f"{report_dir}/{artifact_files.PROBE_FILE}", report)
    return report


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
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
        kind: probe.predict_test(
            values, train_labels, train.groups, test.features[kind], len(class_names), config, on_fit
        )
        for kind, values in train.features.items()
    }
    test_labels = np.searchsorted(class_names, test.labels)
    return _Measured(train, test, train_labels, test_labels, class_names, predictions)


def _read_images(
    inputs: ProbeInputs, measured: _Measured, rows: pictures.ChosenRows, golden_rows: np.ndarray
) -> dict[str, bytes]:
    """The stored images of all chosen rows by digest; the files of each split are read once."""
    train_rows = np.concatenate([golden_rows, rows.neighbours.ravel()])
    found = images.read_images(inputs.train_files, measured.train.digests[train_rows].tolist())
    return found | images.read_images(inputs.test_files, measured.test.digests[rows.test].tolist())


def _golden_images(
    inputs: ProbeInputs, train: LabelledFeatures, rows: np.ndarray, encoded: dict[str, bytes]
) -> saved_model.GoldenImages:
    golden = [encoded[digest] for digest in train.digests[rows].tolist()]
    prepared = extraction.Preparation(inputs.transform_graph_dir)(tf.constant(golden)).numpy()
    return saved_model.GoldenImages(golden, prepared, train.features[FeatureKind.ENCODER][rows])


def _require_features_of(encoder_digest: str, inputs: ProbeInputs) -> None:
    summary = read_record(FeaturesSummary, f"{inputs.features_dir}/{artifact_files.FEATURES_FILE}")
    if summary.encoder_digest != encoder_digest:
        raise ValueError(
            f"the features in {inputs.features_dir} are of an encoder with digest {summary.encoder_digest}, but the "
            f"one in {inputs.encoder_dir} has {encoder_digest}"
        )


def _count(
    measured: _Measured, config: LinearEvaluationConfig, encoder_digest: str, content_digest: str, clock: _Clock
) -> ProbeReport:
    """Count the numbers; no other code of the protocol reads test labels."""
    right = {
        kind: probe.correctness(predictions, measured.test_labels) for kind, predictions in measured.predictions.items()
    }
    features = {
        kind: probe.measure(predictions, right[kind], measured.test_labels, measured.class_names, config)
        for kind, predictions in measured.predictions.items()
    }
    ours = right.pop(FeatureKind.ENCODER)
    differences = [
        difference
        for other, theirs in right.items()
        for difference in probe.differences(FeatureKind.ENCODER, other, ours, theirs, config)
    ]
    clock.lap("intervals")
    return ProbeReport(
        class_names=tuple(measured.class_names),
        counts=SplitCounts(train=len(measured.train_labels), test=len(measured.test_labels)),
        encoder_digest=encoder_digest,
        content_digest=content_digest,
        test_split_digest=split_identity.digest(measured.test.digests),
        confidence=config.confidence,
        features=features,
        differences=tuple(differences),
        config=configuration.to_mapping(config),
        seconds=clock.laps,
    )


def _write_predictions(measured: _Measured, thumbnails: Pictures, report_dir: str, saved_model_dir: str) -> None:
    predictions = StoredPredictions(
        digests=measured.test.digests,
        labels=measured.test_labels,
        class_names=np.array(measured.class_names),
        scores=measured.final.scores[0],
        representations=measured.test.features[FeatureKind.ENCODER],
        pictures=thumbnails,
        predicted={
            kind: tuple(part.scores.argmax(axis=2) for part in predictions.fractions)
            for kind, predictions in measured.predictions.items()
        },
    )
    files.write_arrays(
        f"{saved_model_dir}/{signatures.PREDICTIONS_FILE}",
        {
            signatures.PREDICTED_DIGESTS: predictions.digests,
            signatures.PREDICTED_CLASSES: predictions.predicted_classes,
        },
    )
    files.write_arrays(f"{report_dir}/{artifact_files.TEST_PREDICTIONS_FILE}", predictions.to_arrays())
