"""Two runs side by side: settings, data, metrics, test images that flipped, curves and cost."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from markupsafe import Markup

from components.contracts.evidence import FeatureKind, FractionResult, ProbeReport
from components.linear_evaluation import intervals
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
    """The names of the two runs on the page."""

    before: str
    now: str
    with_before: str  # in a sentence: "right with A, wrong with B"
    with_now: str


@dataclasses.dataclass(frozen=True)
class Changes:
    """The differences between two runs, ready to be shown."""

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
        words: names of the two runs.
        flipped_examples: greatest number of images shown per direction.
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
    yield from ((f"code of {folder}", digest[:12]) for folder, digest in run.trace.code_digests.items())


def _data(before: RunRecord, now: RunRecord) -> list[Row]:
    rows = _differing(_counts(before), _counts(now), "0")
    rows += (classes := _differing(_class_counts(before), _class_counts(now), "0"))[:_MAX_CLASSES]
    more = len(classes) - _MAX_CLASSES
    return [*rows, (f"and {more} more counts of classes", "", "")] if more > 0 else rows


def _counts(run: RunRecord) -> Iterator[tuple[str, str]]:
    ingestion = run.ingestion
    span = run.verdict.candidate.span
    yield "span", "none" if span is None else str(span)
    yield "data root", ingestion.root
    for split, count in ingestion.records.items():
        yield f"images, {split}", f"{count:,}"
    for reason, count in ingestion.refused.items():
        yield f"left out: {reason.replace('_', ' ')}", f"{count:,}"
    yield "images of train that look like one of test", f"{ingestion.near_duplicates:,}"


def _class_counts(run: RunRecord) -> Iterator[tuple[str, str]]:
    for split, classes in run.ingestion.classes.items():
        for name, count in classes.items():
            yield f"images of {name}, {split}", f"{count:,}"


def _data_note(before: RunRecord, now: RunRecord, flipped: Flips) -> str:
    is_same = before.ingestion.content_digest == now.ingestion.content_digest
    images = "The ingested images are the same." if is_same else "The images differ."
    ours, theirs = (run.probe.counts.test for run in (now, before))
    if _same_test_images(before, now, flipped):
        return f"{images} Both models were measured on the same {ours:,} test images."
    return f"{images} Of {theirs:,} and {ours:,} test images, {flipped.images:,} are the same."


def _same_test_images(before: RunRecord, now: RunRecord, flipped: Flips) -> bool:
    return all(run.probe.counts.test == flipped.images for run in (before, now))


def _metrics_note(before: RunRecord, now: RunRecord, flipped: Flips) -> str:
    ours, theirs = (run.probe.class_names for run in (now, before))
    if ours != theirs:
        return "The classes differ, so accuracies are of different tasks."
    if not flipped.images:
        return "No test image is the same, so the luck of the images is part of every difference."
    confidence = percent(now.probe.confidence, 0)
    return (
        f"Differences in percentage points. Those with an interval ({confidence}) are paired, image by image; if it "
        "includes zero, the difference may be chance."
    )


def _metrics(before: RunRecord, now: RunRecord, flipped: Flips) -> list[tuple[str, str, str, str]]:
    theirs, ours = (dict(_numbers(run.probe)) for run in (before, now))
    rows = []
    if flipped.images:
        rows.append(_paired(flipped, now.probe.confidence))
    if _same_test_images(before, now, flipped):
        del ours[_ACCURACY]  # the paired row shows it already
    paired = _paired_fractions(before, now)
    for name in [name for name in ours if name in theirs]:
        (value_before, text_before), (value, text) = theirs[name], ours[name]
        rows.append((name, text_before, text, paired.get(name, f"{100 * (value - value_before):+.2f}")))
    return rows


def _paired(flipped: Flips, confidence: float) -> tuple[str, str, str, str]:
    """Accuracy on the images in common."""
    accuracy_before, accuracy = (percent(value, 2) for value in flipped.accuracies)
    name = f"accuracy on the {flipped.images:,} test images in common"
    return name, accuracy_before, accuracy, _mean_with_interval(flipped.differences, confidence)


def _paired_fractions(before: RunRecord, now: RunRecord) -> dict[str, str]:
    """Differences at each part of the labels, paired over the images in common and over draws, by name of the row."""
    rows_before, rows_now = common_rows(before.predictions, now.predictions)
    theirs, ours = dict(_right_by_fraction(before, rows_before)), dict(_right_by_fraction(now, rows_now))
    found = {}
    for name in [name for name in ours if name in theirs]:
        differences = ours[name] - theirs[name]  # (m,)
        if len(differences):
            found[name] = _mean_with_interval(differences, now.probe.confidence)
    return found


def _right_by_fraction(run: RunRecord, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The share of the draws of the labels in which each of these test images was predicted right."""
    labels = run.predictions.labels[rows]
    of_fractions = run.predictions.predicted[FeatureKind.ENCODER]  # (draws, m) each
    for result, predicted in zip(run.probe.encoder.fractions, of_fractions, strict=True):
        yield _fraction_name(result), (predicted[:, rows] == labels).mean(axis=0)


def _mean_with_interval(differences: np.ndarray, confidence: float) -> str:
    """The mean of (m,) paired differences, and its interval, in percentage points."""
    low, high = (100 * bound for bound in intervals.normal_interval(differences, confidence))
    return f"{100 * differences.mean():+.2f} ({low:+.2f} to {high:+.2f})"


def _fraction_name(result: FractionResult) -> str:
    return f"accuracy, {share(result.fraction)} of labels"


def _numbers(probe: ProbeReport) -> Iterator[tuple[str, tuple[float, str]]]:
    """Name -> value and text."""
    encoder = probe.encoder
    for name, value in (
        (_ACCURACY, encoder.accuracy),
        ("balanced accuracy", encoder.balanced_accuracy),
        ("kNN accuracy", encoder.knn_accuracy),
        ("AUROC", encoder.auroc),
    ):
        if value is not None:
            yield name, (value, percent(value, 2))
    for result in encoder.fractions:
        if len(result.accuracies) > 1:
            text = f"{percent(result.accuracy_mean, 2)} ± {100 * result.accuracy_std:.2f}"
            yield _fraction_name(result), (result.accuracy_mean, text)
    error = encoder.calibration.expected_calibration_error
    yield "expected calibration error", (error, percent(error, 2))


def _recalls(before: ProbeReport, now: ProbeReport) -> list[tuple[str, str, str, str]]:
    """Classes whose recall changed, most changed first."""
    theirs, ours = before.encoder.class_recall, now.encoder.class_recall
    pairs = [
        (name, recall_before, recall)
        for name, recall in ours.items()
        if recall is not None and (recall_before := theirs.get(name)) is not None
    ]
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
