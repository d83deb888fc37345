"""Two runs side by side: settings, data, metrics, test images that flipped, curves and cost."""

import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from components.contracts import evidence, ingestion_record, records
from components.report import pretraining_section
from components.report.cost_section import StepCost, step_costs
from components.report.flips import Flips, common_rows, flips
from components.report.run_record import RunRecord
from components.report.scales import percent, share
from components.report.settings_section import flat

Row = tuple[str, str, str]  # what, before, now
_MAX_CLASSES = 20
_ACCURACY = "test accuracy, all labels"


@dataclasses.dataclass(frozen=True)
class Words:
    """How the page calls the two runs."""

    before: str
    now: str
    with_before: str  # in a sentence: "right with A, wrong with B"
    with_now: str


@dataclasses.dataclass(frozen=True)
class Changes:
    """What differs between two runs, ready to be shown."""

    words: Words
    runs: tuple[str, str]  # their names in ML Metadata
    settings: list[Row]
    data: list[Row]
    data_note: str
    metrics: list[tuple[str, str, str, str]]  # with the difference
    metrics_note: str
    classes: list[tuple[str, str, str, str]]  # recall of the classes that changed most
    flips: Flips
    curves: list[tuple[str, Markup, str]]
    cost: list[Row]


def changes(before: RunRecord, now: RunRecord, words: Words, flipped_examples: int) -> Changes:
    """Compare two runs.

    Args:
        before: one run, such as that of the model in use.
        now: the other.
        words: for the two.
        flipped_examples: shown per direction at most.
    """
    flipped = flips(before.predictions, now.predictions, (words.before, words.now), flipped_examples)
    return Changes(
        words=words,
        runs=(before.trace.run, now.trace.run),
        settings=_settings(before, now),
        data=_data(before, now),
        data_note=_data_note(before, now, flipped),
        metrics=_metrics(before, now, flipped),
        metrics_note=_metrics_note(before, now, flipped),
        classes=_recalls(before.probe, now.probe),
        flips=flipped,
        curves=pretraining_section.overlaid(before.pretraining, now.pretraining, (words.before, words.now)),
        cost=_cost(before, now),
    )


def _differing(before: Iterator[tuple[str, str]], now: Iterator[tuple[str, str]], absent: str) -> list[Row]:
    theirs, ours = dict(before), dict(now)
    keys = [*ours, *(key for key in theirs if key not in ours)]
    rows = [(key, theirs.get(key, absent), ours.get(key, absent)) for key in keys]
    return [row for row in rows if row[1] != row[2]]


def _settings(before: RunRecord, now: RunRecord) -> list[Row]:
    return _differing(_making(before), _making(now), "not set")


def _making(run: RunRecord) -> Iterator[tuple[str, str]]:
    yield from flat(run.trace.settings)
    yield from ((f"version of {library}", version) for library, version in run.trace.versions.items())
    yield from ((f"code of {room}", digest[:12]) for room, digest in run.trace.code_digests.items())


def _data(before: RunRecord, now: RunRecord) -> list[Row]:
    rows = _differing(_counts(before), _counts(now), "0")
    rows += (classes := _differing(_class_counts(before), _class_counts(now), "0"))[:_MAX_CLASSES]
    more = len(classes) - _MAX_CLASSES
    return [*rows, (f"and {more} more counts of classes", "", "")] if more > 0 else rows


def _counts(run: RunRecord) -> Iterator[tuple[str, str]]:
    ingestion = run.ingestion
    span = run.verdict[evidence.CANDIDATE][evidence.SPAN]
    yield "span", "none" if span is None else str(span)
    yield "data root", str(ingestion[ingestion_record.ROOT])
    for split, count in ingestion[ingestion_record.RECORDS].items():
        yield f"images, {split}", f"{count:,}"
    for reason, count in ingestion[ingestion_record.REFUSED].items():
        yield f"left out: {reason.replace('_', ' ')}", f"{count:,}"
    yield "images of train that look like one of test", f"{ingestion[ingestion_record.NEAR_DUPLICATES]:,}"


def _class_counts(run: RunRecord) -> Iterator[tuple[str, str]]:
    for split, classes in run.ingestion[ingestion_record.CLASSES].items():
        for name, count in classes.items():
            yield f"images of {name}, {split}", f"{count:,}"


def _data_note(before: RunRecord, now: RunRecord, flipped: Flips) -> str:
    key = ingestion_record.CONTENT_DIGEST
    images = (
        "The ingested images are the same." if before.ingestion[key] == now.ingestion[key] else "The images differ."
    )
    ours, theirs = (run.probe[evidence.COUNTS][records.TEST] for run in (now, before))
    if _same_test_images(before, now, flipped):
        return f"{images} Both models were measured on the same {ours:,} test images."
    return f"{images} Of {theirs:,} and {ours:,} test images, {flipped.images:,} are the same."


def _same_test_images(before: RunRecord, now: RunRecord, flipped: Flips) -> bool:
    return all(run.probe[evidence.COUNTS][records.TEST] == flipped.images for run in (before, now))


def _metrics_note(before: RunRecord, now: RunRecord, flipped: Flips) -> str:
    ours, theirs = (run.probe[evidence.CLASS_NAMES] for run in (now, before))
    if ours != theirs:
        return "The classes differ, so accuracies are of different tasks."
    if not flipped.images:
        return "No test image is the same, so the luck of the images is part of every difference."
    confidence = percent(now.probe[evidence.CONFIDENCE], 0)
    return (
        f"Differences in percentage points. Those with an interval ({confidence}) are paired, image by image: where it "
        "holds zero, the two are not told apart."
    )


def _metrics(before: RunRecord, now: RunRecord, flipped: Flips) -> list[tuple[str, str, str, str]]:
    theirs, ours = (dict(_numbers(run.probe)) for run in (before, now))
    rows = []
    if flipped.images:
        rows.append(_paired(flipped, now.probe[evidence.CONFIDENCE]))
    if _same_test_images(before, now, flipped):
        del ours[_ACCURACY]  # the paired row says it
    paired = _paired_fractions(before, now)
    for name in [name for name in ours if name in theirs]:
        (value_before, text_before), (value, text) = theirs[name], ours[name]
        rows.append((name, text_before, text, paired.get(name, f"{100 * (value - value_before):+.2f}")))
    return rows


def _paired(flipped: Flips, confidence: float) -> tuple[str, str, str, str]:
    """Accuracy on the images in common."""
    won, lost, images = flipped.to_right.count, flipped.to_wrong.count, flipped.images
    difference = (won - lost) / images
    text = _with_interval(difference, math.sqrt((won + lost) / images - difference**2), images, confidence)
    accuracies = [percent(accuracy, 2) for accuracy in flipped.accuracies]
    return (f"accuracy on the {images:,} test images in common", *accuracies, text)


def _paired_fractions(before: RunRecord, now: RunRecord) -> dict[str, str]:
    """Differences at each part of the labels, paired over the images in common and over draws, by name of the row."""
    rows_before, rows_now = common_rows(before.predictions, now.predictions)
    theirs, ours = dict(_right_by_fraction(before, rows_before)), dict(_right_by_fraction(now, rows_now))
    found = {}
    for name in [name for name in ours if name in theirs]:
        differences = ours[name] - theirs[name]  # (m,)
        if len(differences):
            deviation = float(differences.std())
            found[name] = _with_interval(
                float(differences.mean()), deviation, len(differences), now.probe[evidence.CONFIDENCE]
            )
    return found


def _right_by_fraction(run: RunRecord, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """How often each of these test images was predicted right, over the draws of the labels."""
    for position, fraction in enumerate(run.probe[evidence.FEATURES][evidence.ENCODER][evidence.FRACTIONS]):
        predicted = run.predictions.get(evidence.predicted_by(evidence.ENCODER, position))  # (draws, m)
        if predicted is not None:
            labels = run.predictions[evidence.TEST_LABELS][rows]
            yield _fraction_name(fraction), (predicted[:, rows] == labels).mean(axis=0)


def _with_interval(difference: float, deviation: float, images: int, confidence: float) -> str:
    """A mean of paired differences and its normal interval.

    Source: for right and wrong it is that of paired proportions in Fleiss, Levin and Paik 2003, section 13.1.
    """
    reach = statistics.NormalDist().inv_cdf((1 + confidence) / 2) * deviation / math.sqrt(images)
    return f"{100 * difference:+.2f} ({100 * (difference - reach):+.2f} to {100 * (difference + reach):+.2f})"


def _fraction_name(fraction: Mapping[str, Any]) -> str:
    return f"accuracy, {share(fraction[evidence.FRACTION])} of labels"


def _numbers(probe: Mapping[str, Any]) -> Iterator[tuple[str, tuple[float, str]]]:
    """Name -> value and text."""
    encoder = probe[evidence.FEATURES][evidence.ENCODER]
    for name, key in (
        (_ACCURACY, evidence.ACCURACY),
        ("balanced accuracy", evidence.BALANCED_ACCURACY),
        ("kNN accuracy", evidence.KNN_ACCURACY),
        ("AUROC", evidence.AUROC),
    ):
        if encoder.get(key) is not None:
            yield name, (encoder[key], percent(encoder[key], 2))
    for fraction in encoder[evidence.FRACTIONS]:
        if len(fraction[evidence.ACCURACIES]) > 1:
            mean, std = fraction[evidence.ACCURACY_MEAN], fraction[evidence.ACCURACY_STD]
            yield _fraction_name(fraction), (mean, f"{percent(mean, 2)} ± {100 * std:.2f}")
    if evidence.CALIBRATION in encoder:
        error = encoder[evidence.CALIBRATION][evidence.CALIBRATION_ERROR]
        yield "expected calibration error", (error, percent(error, 2))


def _recalls(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Classes whose recall changed, most changed first."""
    theirs, ours = (probe[evidence.FEATURES][evidence.ENCODER][evidence.CLASS_RECALL] for probe in (before, now))
    pairs = [(name, theirs[name], ours[name]) for name in ours if None not in (ours[name], theirs.get(name))]
    changed = sorted((pair for pair in pairs if pair[1] != pair[2]), key=lambda pair: -abs(pair[2] - pair[1]))
    return [
        (name, percent(recall_before), percent(recall), f"{100 * (recall - recall_before):+.1f}")
        for name, recall_before, recall in changed[:_MAX_CLASSES]
    ]


def _cost(before: RunRecord, now: RunRecord) -> list[Row]:
    theirs, ours = ({cost.step: cost for cost in step_costs(run)} for run in (before, now))
    return [
        (step, _cost_text(theirs[step]) if step in theirs else "", _cost_text(ours[step]) if step in ours else "")
        for step in [*ours, *(step for step in theirs if step not in ours)]
    ]


def _cost_text(cost: StepCost) -> str:
    speed = cost.images_per_second
    return cost.time + (f", {speed} images/s" if speed else "")
