"""Evidence of small runs, with every field filled in; a test changes the fields that it is about."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.contracts.evidence import (
    Calibration,
    CalibrationBin,
    Difference,
    FeatureKind,
    FeatureResult,
    FractionResult,
    ModelEntry,
    ProbeReport,
    SplitCounts,
    SplitUse,
    Verdict,
    VerdictReport,
)
from components.contracts.stored_predictions import Pictures, StoredPredictions


def make_fraction(fraction: float, labels: int, accuracies: Sequence[float]) -> FractionResult:
    return FractionResult(
        fraction=fraction,
        labels=labels,
        accuracy_mean=float(np.mean(accuracies)),
        accuracy_std=float(np.std(accuracies)),
        accuracies=tuple(accuracies),
        l2_strengths=(0.1,) * len(accuracies),
        held_out_images=(1,) * len(accuracies),
    )


def make_features(accuracy: float = 0.5, **changes: Any) -> FeatureResult:
    part = CalibrationBin(images=6, mean_confidence=0.7, accuracy=0.6667, accuracy_interval=(0.3667, 0.6667))
    values = {
        "dimensions": 6,
        "accuracy": accuracy,
        "accuracy_interval": (accuracy - 0.1, accuracy + 0.05),
        "balanced_accuracy": accuracy,
        "balanced_accuracy_interval": (accuracy - 0.1, accuracy + 0.05),
        "class_recall": {"cat": accuracy, "dog": accuracy},
        "confusion": ((1, 0), (0, 1)),
        "auroc": None,
        "calibration": Calibration(
            expected_calibration_error=0.0625, expected_calibration_error_interval=(0.05, 0.125), bins=(part,)
        ),
        "knn_accuracy": accuracy - 0.02,
        "knn_accuracy_interval": (accuracy - 0.12, accuracy + 0.03),
        "fractions": (make_fraction(1.0, 60, (accuracy,)),),
    }
    return FeatureResult(**(values | changes))


def make_differences(difference: float, reach: float, fraction: float = 1.0) -> tuple[Difference, ...]:
    """The encoder against raw pixels and against itself before training; the interval goes ``reach`` either way."""
    return tuple(
        Difference(
            features=FeatureKind.ENCODER,
            against=against,
            fraction=fraction,
            difference=difference,
            interval=(difference - reach, difference + reach),
        )
        for against in (FeatureKind.RAW_PIXELS, FeatureKind.RANDOM_ENCODER)
    )


def make_probe(**changes: Any) -> ProbeReport:
    values = {
        "class_names": ("cat", "dog"),
        "counts": SplitCounts(train=60, test=12),
        "encoder_digest": "e" * 64,
        "content_digest": "c" * 64,
        "test_split_digest": "f" * 64,
        "confidence": 0.95,
        "features": {FeatureKind.ENCODER: make_features()},
        "differences": (),
        "config": {},
        "seconds": {},
    }
    return ProbeReport(**(values | changes))


def with_encoder(probe: ProbeReport, **changes: Any) -> ProbeReport:
    """``probe`` with other results of the encoder."""
    encoder = dataclasses.replace(probe.encoder, **changes)
    return dataclasses.replace(probe, features={**probe.features, FeatureKind.ENCODER: encoder})


def make_entry(content_digest: str = "c" * 64, **changes: Any) -> ModelEntry:
    values = {"content_digest": content_digest, "id": 3, "uri": "/m", "accuracy": None, "span": None}
    return ModelEntry(**(values | changes))


def make_verdict(verdict: Verdict = Verdict.BLESSED, **changes: Any) -> VerdictReport:
    values = {
        "verdict": verdict,
        "reason": "because",
        "reasons": ("because",),
        "warnings": (),
        "checks": (),
        "test_split": SplitUse(test_split_digest="f" * 64, earlier_blessings=0),
        "candidate": make_entry(),
        "baseline": None,
        "in_use": None,
    }
    return VerdictReport(**(values | changes))


def no_pictures(size_px: int = 8, channels: int = 3) -> Pictures:
    """Pictures of no image."""
    rows, images = np.zeros(0, np.int64), np.zeros((0, size_px, size_px, channels), np.uint8)
    return Pictures(
        thumbnail_rows=rows,
        thumbnails=images,
        mistake_rows=rows,
        mistake_thumbnails=images,
        query_rows=rows,
        query_thumbnails=images,
        neighbour_digests=np.zeros((0, 0), str),
        neighbour_labels=np.zeros((0, 0), np.int64),
        neighbour_similarities=np.zeros((0, 0), np.float32),
        neighbour_thumbnails=images[:, np.newaxis],
    )


def make_predictions(labels: np.ndarray, scores: np.ndarray, **changes: Any) -> StoredPredictions:
    """Answers to images whose digests are 0, 1, ..., with two classes unless ``class_names`` says otherwise."""
    values = {
        "digests": np.array([f"{index:064x}" for index in range(len(labels))], "<U64"),
        "labels": labels,
        "class_names": np.array(["cat", "dog"]),
        "scores": scores,
        "representations": np.zeros((len(labels), 6), np.float32),
        "pictures": no_pictures(),
        "predicted": {FeatureKind.ENCODER: (scores.argmax(axis=1)[np.newaxis],)},
    }
    return StoredPredictions(**(values | changes))
