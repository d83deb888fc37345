"""The parts of a small run: three classes, one of them with a hostile name, and twelve test images."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from components.contracts.baseline_record import BaselinesReport, ClassifierKind, MethodResult
from components.contracts.configuration import from_mapping
from components.contracts.drift_record import Comparison, DriftRecord, Measure
from components.contracts.evidence import (
    Calibration,
    CalibrationBin,
    Check,
    CheckName,
    Difference,
    FeatureKind,
    FeatureResult,
    ProbeReport,
    SplitCounts,
    SplitUse,
    Verdict,
    VerdictReport,
)
from components.contracts.ingestion_record import IngestionSummary, QuarantineEntry
from components.contracts.push_record import PushRecord
from components.contracts.stored_predictions import Pictures, StoredPredictions
from components.contracts.tuning_record import Trial, TuningRecord
from components.contracts.window_record import SpanImages, WindowRecord
from components.report.run_record import RunRecord, Trace
from tests.components import evidence_records
from tests.components.evidence_records import make_entry, make_features, make_fraction, with_encoder
from tests.components.example_records import PRETRAINING, VIEWS

HOSTILE = '<script>alert("x")</script>'
CLASSES = ("cat", "dog", HOSTILE)
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 0, 2])
CONFUSION = ((3, 1, 0), (0, 4, 0), (1, 0, 3))


def features(accuracy: float, draws: tuple[float, ...] = (0.5, 0.6, 0.7)) -> FeatureResult:
    return make_features(
        accuracy,
        class_recall={name: row[i] / 4 for i, (name, row) in enumerate(zip(CLASSES, CONFUSION, strict=True))},
        confusion=CONFUSION,
        calibration=Calibration(
            expected_calibration_error=0.0625,
            expected_calibration_error_interval=(0.05, 0.125),
            bins=(_bin(0.7, 0.6667), _bin(0.8, 1.0)),
        ),
        fractions=(make_fraction(0.1, 6, draws), make_fraction(1.0, 60, (accuracy,))),
    )


def _bin(confidence: float, accuracy: float) -> CalibrationBin:
    return CalibrationBin(
        images=6, mean_confidence=confidence, accuracy=accuracy, accuracy_interval=(accuracy - 0.3, accuracy)
    )


def make_probe() -> ProbeReport:
    differences = tuple(
        Difference(
            features=FeatureKind.ENCODER,
            against=against,
            fraction=fraction,
            difference=difference,
            interval=(difference - 0.02, difference + 0.02),
        )
        for against, fraction, difference in (
            (FeatureKind.RANDOM_ENCODER, 0.1, 0.05),
            (FeatureKind.RAW_PIXELS, None, 0.01),
            (FeatureKind.RAW_PIXELS, 1.0, -0.03),
        )
    )
    return evidence_records.make_probe(
        class_names=CLASSES,
        features={
            FeatureKind.ENCODER: features(0.8333),
            FeatureKind.RANDOM_ENCODER: features(0.75, (0.4, 0.5, 0.6)),
            FeatureKind.RAW_PIXELS: features(0.7, (0.3, 0.4, 0.5)),
        },
        differences=differences,
    )


def make_predictions(predicted: np.ndarray = PREDICTED) -> StoredPredictions:
    generator = np.random.default_rng(0)
    scores = np.full((12, 3), 0.1, np.float32)
    scores[np.arange(12), predicted] = 0.8
    if predicted[3] == 1:
        scores[3] = (0.2, 0.7, 0.1)  # a mistake less confident than that of image 10
    images = generator.integers(0, 256, (12, 8, 8, 3), np.uint8)
    representations = generator.normal(size=(12, 6)).astype(np.float32) + 3 * LABELS[:, None]
    pictures = Pictures(
        thumbnail_rows=np.arange(11),
        thumbnails=images[:11],
        mistake_rows=np.zeros(0, np.int64),
        mistake_thumbnails=images[:0],
        query_rows=np.array([0, 10]),
        query_thumbnails=images[[0, 10]],
        neighbour_digests=np.full((2, 3), "f" * 64),
        neighbour_labels=np.array([[0, 0, 1], [2, 2, 2]]),
        neighbour_similarities=np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]], np.float32),
        neighbour_thumbnails=generator.integers(0, 256, (2, 3, 8, 8, 3), np.uint8),
    )
    draws = np.tile(predicted, (3, 1)), predicted[np.newaxis]
    return evidence_records.make_predictions(
        LABELS.astype(np.int64),
        scores,
        class_names=np.array(CLASSES),
        representations=representations,
        pictures=pictures,
        predicted={FeatureKind.ENCODER: draws},
    )


def make_verdict() -> VerdictReport:
    checks = (
        Check(name=CheckName.MIN_ACCURACY, value=0.8333, threshold=0.9, passed=False, text="accuracy is too low"),
        Check(name=CheckName.MIN_TEST_IMAGES, value=12, threshold=5, passed=True, text="enough images"),
    )
    return evidence_records.make_verdict(
        Verdict.NOT_BLESSED,
        reason="test accuracy 0.8333 is 0.0667 below min_accuracy 0.9",
        warnings=("the gap is large",),
        checks=checks,
        test_split=SplitUse(test_split_digest="e" * 64, earlier_blessings=4),
        candidate=make_entry(accuracy=0.8333),
    )


def make_ingestion() -> IngestionSummary:
    values = {
        "root": "/images",
        "source": "image_folder",
        "shards": {"train": 1, "test": 1},
        "seconds": 3.0,
        "content_digest": "d" * 64,
        "records": {"train": 60, "test": 12},
        "record_bytes": {"train": 6000, "test": 1200},
        "classes": {"train": {"cat": 30, "dog": 20, HOSTILE: 10}, "test": {"cat": 4, "dog": 4, HOSTILE: 4}},
        "refused": {"truncated": 1, "duplicate": 3},
        "undecodable": 1,
        "undecodable_fraction": 1 / 76,
        "duplicates": 3,
        "label_conflicts": 0,
        "near_duplicates": 7,
        "near_duplicate_pairs": [
            {"path": "dog/4.png", "split": "train", "test_path": "dog/test-9.png", "bits": 2},
            {"path": HOSTILE, "split": "unlabeled", "test_path": "cat/test-1.png", "bits": 0},
        ],
        "gray_fraction": 0.25,
        "white_level": 4095,
        "bits_of_deep_images": {"10": 2, "12": 58},
        "warnings": ["1 file could not be read as an image"],
    }
    return from_mapping(IngestionSummary, values, "test")


def make_drift() -> DriftRecord:
    return DriftRecord(
        span=4,
        baseline_span=3,
        is_accepted=False,
        notes=("split test is not compared: 12 images before",),
        comparisons=(
            Comparison(
                split="train",
                feature="pixel_mean",
                measure=Measure.DIVERGENCE,
                distance=0.31254,
                limit=0.2,
                before="120.1 ± 9",
                now="90.2 ± 8",
            ),
        ),
    )


def make_baselines() -> BaselinesReport:
    def result(fraction: float, accuracies: tuple[float, ...], difference: float | None = None) -> MethodResult:
        mean = float(np.mean(accuracies))
        return MethodResult(
            fraction=fraction,
            labels=round(60 * fraction),
            accuracy_mean=mean,
            accuracy_std=float(np.std(accuracies)),
            accuracies=accuracies,
            interval=(mean - 0.05, mean + 0.05),
            difference=difference,
            difference_interval=None if difference is None else (difference - 0.04, difference + 0.04),
        )

    return BaselinesReport(
        confidence=0.95,
        counts=SplitCounts(train=60, test=12),
        encoder_digest="e" * 64,
        image_passes=192_000,
        batch_size=64,
        checkpoint_directory="2" * 32,
        config={},
        methods={
            ClassifierKind.LINEAR_PROBE: (result(0.1, (0.5, 0.7)), result(1.0, (0.8333,))),
            ClassifierKind.ALL_LAYERS: (result(0.1, (0.7, 0.8), 0.15), result(1.0, (0.85,), 0.0167)),
            ClassifierKind.FROM_SCRATCH: (result(0.1, (0.4, 0.6), -0.1), result(1.0, (0.8,), -0.0333)),
        },
    )


def make_window() -> WindowRecord:
    return WindowRecord(
        spans=(
            SpanImages(span=4, images={"train": 60, "test": 12}),
            SpanImages(span=3, images={"train": 41, "unlabeled": 7}),
        ),
        images={"train": 101, "test": 12, "unlabeled": 7},
        also_in_test=5,
        group_in_test=3,
        duplicates=19,
        label_conflicts=2,
    )


def make_tuning() -> TuningRecord:
    def trial(number: int, temperature: float, knn: float | None, failure: str | None = None) -> Trial:
        return Trial(
            trial=number,
            values={"temperature": temperature, "batch_size": 256},
            knn=knn,
            knns=(knn,),
            seconds=61.0,
            failure=failure,
        )

    return TuningRecord(
        trials=(trial(1, 0.2, 0.8), trial(2, 0.31416, 0.9), trial(3, 0.1, None, f"it {HOSTILE} blew up")),
        best=2,
        epochs=20,
        executions=1,
        eval_images=100,
        checkpoint_directories=("3" * 32, "4" * 32, "5" * 32),
    )


def make_trace() -> Trace:
    return Trace(
        run="20260131-120000",
        folders={},
        seconds={"examples": 5.0},
        settings={"pipeline_name": "small", "image": {"size_px": 8}, "gate": {"min_accuracy": 0.9}},
        versions={"python": "3.10"},
        code_digests={"ingestion": "1" * 64},
    )


def make_view_grid() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((16, 24), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def make_record() -> RunRecord:
    refused = [(f"dog/{index}.png", "duplicate", "", "as dog/9.png") for index in range(3)]
    refused.append(('<img src=x onerror="alert(1)">.png', "truncated", "OSError", "ends early"))
    quarantine = [
        QuarantineEntry(path=path, reason=reason, error=error, message=message)
        for path, reason, error, message in refused
    ]
    return RunRecord(
        verdict=make_verdict(),
        probe=make_probe(),
        predictions=make_predictions(),
        trace=make_trace(),
        push=PushRecord(
            verdict=Verdict.NOT_BLESSED,
            reason="",
            message="nothing pushed",
            seconds=0.1,
            registered=None,
            candidate="/registry/image-encoder/candidate",
        ),
        pretraining=PRETRAINING,
        view_grid=make_view_grid(),
        ingestion=make_ingestion(),
        quarantine=tuple(quarantine),
        drift=make_drift(),
        window=make_window(),
        baselines=make_baselines(),
        tuning=make_tuning(),
        views=VIEWS,
    )


def make_earlier_record() -> RunRecord:
    """The run before: fewer images and epochs; its model predicts images 3 and 10 right, and 0 and 5 wrong."""
    record, predicted = make_record(), LABELS.copy()
    predicted[[0, 5]] = (1, 2)
    verdict = dataclasses.replace(record.verdict, verdict=Verdict.BLESSED, reason="it was the first")
    recalls = {"cat": 0.75, "dog": 0.5, HOSTILE: 1.0}
    probe = with_encoder(make_probe(), accuracy=10 / 12, class_recall=recalls)
    ingestion = dataclasses.replace(
        record.ingestion, content_digest="0" * 64, records={"train": 50, "test": 12}, refused={}
    )
    pretraining = dataclasses.replace(record.pretraining, history=record.pretraining.history[:3])
    settings = {"pipeline_name": "small", "image": {"size_px": 8}, "gate": {"min_accuracy": 0.5}, "old": 1}
    trace = dataclasses.replace(
        record.trace, run="20251231-120000", settings=settings, code_digests={"ingestion": "2" * 64}
    )
    return dataclasses.replace(
        record,
        trace=trace,
        verdict=verdict,
        probe=probe,
        predictions=make_predictions(predicted),
        ingestion=ingestion,
        pretraining=pretraining,
    )


@pytest.fixture
def record() -> RunRecord:
    return make_record()


@pytest.fixture
def earlier_record() -> RunRecord:
    return make_earlier_record()
