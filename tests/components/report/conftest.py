"""A small run as the page gets it: three classes, one of them with a hostile name, and twelve test images."""

import dataclasses
import io
import math

import numpy as np
import pytest
from PIL import Image

from components.contracts import baseline_record, drift_record, evidence, push_record, tuning_record, window_record
from components.report.run_record import RunRecord, Trace

HOSTILE = '<script>alert("x")</script>'
CLASSES = ["cat", "dog", HOSTILE]
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 0, 2])
CONFUSION = [[3, 1, 0], [0, 4, 0], [1, 0, 3]]


def features(accuracy: float, draws: tuple[float, ...] = (0.5, 0.6, 0.7)) -> dict:
    return {
        evidence.DIMENSIONS: 6,
        evidence.ACCURACY: accuracy,
        evidence.ACCURACY_INTERVAL: [accuracy - 0.1, accuracy + 0.05],
        evidence.BALANCED_ACCURACY: accuracy,
        evidence.BALANCED_ACCURACY_INTERVAL: [accuracy - 0.1, accuracy + 0.05],
        evidence.CLASS_RECALL: {name: row[i] / 4 for i, (name, row) in enumerate(zip(CLASSES, CONFUSION, strict=True))},
        evidence.CONFUSION: CONFUSION,
        evidence.AUROC: None,
        evidence.CALIBRATION: {
            evidence.CALIBRATION_ERROR: 0.0625,
            evidence.CALIBRATION_ERROR_INTERVAL: [0.05, 0.125],
            evidence.BINS: [_bin(0.7, 0.6667), _bin(0.8, 1.0)],
        },
        evidence.KNN_ACCURACY: accuracy - 0.02,
        evidence.KNN_ACCURACY_INTERVAL: [accuracy - 0.12, accuracy + 0.03],
        evidence.FRACTIONS: [
            _fraction(0.1, 6, draws),
            _fraction(1.0, 60, (accuracy,)),
        ],
    }


def _bin(confidence: float, accuracy: float) -> dict:
    return {
        evidence.IMAGES: 6,
        evidence.MEAN_CONFIDENCE: confidence,
        evidence.ACCURACY: accuracy,
        evidence.ACCURACY_INTERVAL: [accuracy - 0.3, accuracy],
    }


def _fraction(fraction: float, labels: int, accuracies: tuple[float, ...]) -> dict:
    return {
        evidence.FRACTION: fraction,
        evidence.LABELS: labels,
        evidence.ACCURACY_MEAN: float(np.mean(accuracies)),
        evidence.ACCURACY_STD: float(np.std(accuracies)),
        evidence.ACCURACIES: list(accuracies),
        evidence.L2_STRENGTHS: [0.1] * len(accuracies),
    }


def make_probe() -> dict:
    differences = [
        {
            evidence.FEATURES: evidence.ENCODER,
            evidence.AGAINST: against,
            evidence.FRACTION: fraction,
            evidence.DIFFERENCE: difference,
            evidence.INTERVAL: [difference - 0.02, difference + 0.02],
        }
        for against, fraction, difference in (
            (evidence.RANDOM_ENCODER, 0.1, 0.05),
            (evidence.RAW_PIXELS, None, 0.01),
            (evidence.RAW_PIXELS, 1.0, -0.03),
        )
    ]
    return {
        evidence.CLASS_NAMES: CLASSES,
        evidence.COUNTS: {"train": 60, "test": 12},
        evidence.CONFIDENCE: 0.95,
        evidence.FEATURES: {
            evidence.ENCODER: features(0.8333),
            evidence.RANDOM_ENCODER: features(0.75, (0.4, 0.5, 0.6)),
            evidence.RAW_PIXELS: features(0.7, (0.3, 0.4, 0.5)),
        },
        evidence.DIFFERENCES: differences,
    }


def make_predictions(predicted: np.ndarray = PREDICTED) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    scores = np.full((12, 3), 0.1, np.float32)
    scores[np.arange(12), predicted] = 0.8
    if predicted[3] == 1:
        scores[3] = (0.2, 0.7, 0.1)  # a mistake less confident than that of image 10
    images = generator.integers(0, 256, (12, 8, 8, 3), np.uint8)
    return {
        evidence.TEST_DIGESTS: np.array([f"{index:064x}" for index in range(12)]),
        evidence.TEST_LABELS: LABELS.astype(np.int64),
        evidence.TEST_CLASS_NAMES: np.array(CLASSES),
        evidence.TEST_SCORES: scores,
        evidence.TEST_REPRESENTATIONS: generator.normal(size=(12, 6)).astype(np.float32) + 3 * LABELS[:, None],
        evidence.THUMBNAIL_ROWS: np.arange(11),
        evidence.THUMBNAILS: images[:11],
        evidence.MISTAKE_ROWS: np.zeros(0, np.int64),
        evidence.MISTAKE_THUMBNAILS: images[:0],
        evidence.QUERY_ROWS: np.array([0, 10]),
        evidence.QUERY_THUMBNAILS: images[[0, 10]],
        evidence.NEIGHBOUR_DIGESTS: np.full((2, 3), "f" * 64),
        evidence.NEIGHBOUR_LABELS: np.array([[0, 0, 1], [2, 2, 2]]),
        evidence.NEIGHBOUR_SIMILARITIES: np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]], np.float32),
        evidence.NEIGHBOUR_THUMBNAILS: generator.integers(0, 256, (2, 3, 8, 8, 3), np.uint8),
    }


def make_pretraining() -> dict:
    history = [
        {
            "loss": 3.4 - 0.2 * epoch,
            "top1": 0.1 * epoch,
            "top5": 0.15 * epoch,
            "alignment": 1.0 / (epoch + 1),
            "uniformity": -0.5 * epoch,
            "std": 0.2,
            "effective_rank": 2.0 + epoch,
            "lr": 0.1,
            **({"knn": 0.5} if epoch == 4 else {}),
        }
        for epoch in range(5)
    ]
    settings = {
        "method": "simclr",
        "chance_loss": math.log(31),
        "total_steps": 20,
        "images_per_step": 16,
        "learning_rate": 0.3,
    }
    speed = {"seconds": 95.0, "images_per_second": 3.4, "resumed_from_steps": [8]}
    return {"history": history, "settings": settings, "tuned": None, **speed}


def make_verdict() -> dict:
    check = {"name": "min_accuracy", "value": 0.8333, "threshold": 0.9, "passed": False, "text": "accuracy is too low"}
    passed = {"name": "min_test_images", "value": 12.0, "threshold": 5.0, "passed": True, "text": "enough images"}
    return {
        evidence.VERDICT: evidence.NOT_BLESSED,
        evidence.REASON: "test accuracy 0.8333 is 0.0667 below min_accuracy 0.9",
        evidence.REASONS: [],
        evidence.WARNINGS: ["the gap is large"],
        evidence.CHECKS: [check, passed],
        evidence.TEST_SPLIT: {evidence.TEST_SPLIT_DIGEST: "e" * 64, evidence.EARLIER_BLESSINGS: 4},
        evidence.CANDIDATE: {"content_digest": "c" * 64, "id": 3, "uri": "/m", "accuracy": 0.8333, "span": None},
        evidence.BASELINE: None,
        evidence.IN_USE: None,
    }


def make_ingestion() -> dict:
    return {
        "root": "/images",
        "content_digest": "d" * 64,
        "records": {"train": 60, "test": 12},
        "bytes": {"train": 6000, "test": 1200},
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
        "warnings": ["1 file could not be read as an image"],
    }


def make_drift() -> dict:
    return {
        drift_record.SPAN: 4,
        drift_record.BASELINE_SPAN: 3,
        drift_record.ACCEPTED: False,
        drift_record.NOTES: ["split test is not compared: 12 images before"],
        drift_record.COMPARISONS: [
            {
                drift_record.SPLIT: "train",
                drift_record.FEATURE: "pixel_mean",
                drift_record.MEASURE: drift_record.DIVERGENCE,
                drift_record.DISTANCE: 0.31254,
                drift_record.LIMIT: 0.2,
                drift_record.BEFORE: "120.1 ± 9",
                drift_record.NOW: "90.2 ± 8",
                drift_record.DRIFTED: True,
            }
        ],
    }


def make_baselines() -> dict:
    def entry(fraction: float, accuracies: tuple[float, ...], difference: float | None = None) -> dict:
        mean = float(np.mean(accuracies))
        found = _fraction(fraction, round(60 * fraction), accuracies)
        found[evidence.INTERVAL] = [mean - 0.05, mean + 0.05]
        if difference is not None:
            found[evidence.DIFFERENCE] = difference
            found[baseline_record.DIFFERENCE_INTERVAL] = [difference - 0.04, difference + 0.04]
        return found

    return {
        evidence.CONFIDENCE: 0.95,
        evidence.COUNTS: {"train": 60, "test": 12},
        baseline_record.IMAGE_PASSES: 192_000,
        baseline_record.METHODS: {
            baseline_record.PROBE: [entry(0.1, (0.5, 0.7)), entry(1.0, (0.8333,))],
            baseline_record.ALL_LAYERS: [entry(0.1, (0.7, 0.8), 0.15), entry(1.0, (0.85,), 0.0167)],
            baseline_record.FROM_SCRATCH: [entry(0.1, (0.4, 0.6), -0.1), entry(1.0, (0.8,), -0.0333)],
        },
    }


def make_window() -> dict:
    return {
        window_record.SPANS: [
            {window_record.SPAN: 4, window_record.RECORDS: {"train": 60, "test": 12}},
            {window_record.SPAN: 3, window_record.RECORDS: {"train": 41, "unlabeled": 7}},
        ],
        window_record.RECORDS: {"train": 101, "test": 12, "unlabeled": 7},
        window_record.ALSO_IN_TEST: 5,
        window_record.GROUP_IN_TEST: 3,
        window_record.DUPLICATES: 19,
        window_record.LABEL_CONFLICTS: 2,
    }


def make_tuning() -> dict:
    def trial(number: int, temperature: float, knn: float | None, failure: str | None = None) -> dict:
        return {
            tuning_record.TRIAL: number,
            tuning_record.VALUES: {"temperature": temperature, "batch_size": 256},
            tuning_record.KNN: knn,
            tuning_record.KNNS: [knn],
            tuning_record.SECONDS: 61.0,
            tuning_record.FAILURE: failure,
        }

    return {
        tuning_record.TRIALS: [
            trial(1, 0.2, 0.8),
            trial(2, 0.31416, 0.9),
            trial(3, 0.1, None, f"it {HOSTILE} blew up"),
        ],
        tuning_record.BEST: 2,
        tuning_record.EPOCHS: 20,
        tuning_record.EXECUTIONS: 1,
        tuning_record.EVAL_IMAGES: 100,
    }


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
    quarantine = [{"path": f"dog/{index}.png", "reason": "duplicate", "message": "as dog/9.png"} for index in range(3)]
    quarantine.append({"path": '<img src=x onerror="alert(1)">.png', "reason": "truncated", "message": "ends early"})
    return RunRecord(
        verdict=make_verdict(),
        probe=make_probe(),
        predictions=make_predictions(),
        trace=make_trace(),
        push={push_record.PUSHED: False},
        pretraining=make_pretraining(),
        view_grid=make_view_grid(),
        ingestion=make_ingestion(),
        quarantine=tuple(quarantine),
        drift=make_drift(),
        window=make_window(),
        baselines=make_baselines(),
        tuning=make_tuning(),
        views={"records": {"train": 60, "eval": 6}, "views_per_image": 4, "size_px": 8, "channels": 3, "bytes": 12000},
    )


def make_earlier_record() -> RunRecord:
    """The run before: fewer images and epochs; it has images 3 and 10 right, and 0 and 5 wrong."""
    record, predicted = make_record(), LABELS.copy()
    predicted[[0, 5]] = (1, 2)
    verdict = {**record.verdict, evidence.VERDICT: evidence.BLESSED, evidence.REASON: "it was the first"}
    probe = make_probe()
    probe[evidence.FEATURES][evidence.ENCODER][evidence.ACCURACY] = 10 / 12
    probe[evidence.FEATURES][evidence.ENCODER][evidence.CLASS_RECALL] = {"cat": 0.75, "dog": 0.5, HOSTILE: 1.0}
    ingestion = {**record.ingestion, "content_digest": "0" * 64, "records": {"train": 50, "test": 12}, "refused": {}}
    pretraining = {**record.pretraining, "history": record.pretraining["history"][:3]}
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
