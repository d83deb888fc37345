"""The results of linear evaluation: key numbers, comparison with simpler features, label fractions, confusions."""

import dataclasses
from collections.abc import Sequence

from markupsafe import Markup

from components.contracts.evidence import FeatureKind, FeatureResult, FractionResult, Interval, ProbeReport
from components.report.charts import Dot, dot_chart
from components.report.scales import interval_text, percent, share, told_apart

_MAX_MATRIX_CLASSES = 25
_MAX_PAIRS = 20


@dataclasses.dataclass(frozen=True)
class Tile:
    """One key number."""

    name: str
    value: str
    more: str = ""


def accuracy_tiles(probe: ProbeReport) -> list[Tile]:
    """The numbers people ask for first."""
    encoder = probe.encoder
    interval = f"{interval_text(encoder.accuracy_interval)} on {probe.counts.test:,} images"
    return [
        Tile("Test accuracy, all labels", percent(encoder.accuracy), interval),
        *(_fraction_tile(result) for result in encoder.fractions if result.fraction < 1),
        Tile("kNN accuracy", percent(encoder.knn_accuracy), interval_text(encoder.knn_accuracy_interval)),
    ]


def _fraction_tile(result: FractionResult) -> Tile:
    draws = len(result.accuracies)
    spread = f"± {100 * result.accuracy_std:.1f} over {draws} draws" if draws > 1 else ""
    return Tile(f"Accuracy, {share(result.fraction)} of labels", percent(result.accuracy_mean), spread)


def _by_kind(probe: ProbeReport) -> list[tuple[str, FeatureResult]]:
    """Name and results of each kind of features that was measured, always in the same order."""
    return [(kind.words, probe.features[kind]) for kind in FeatureKind if kind in probe.features]


def comparison_rows(probe: ProbeReport) -> list[list[str]]:
    """One row per kind of features: name, dimensions, accuracy, balanced accuracy, kNN, AUROC, each with interval."""
    return [
        [
            name,
            f"{found.dimensions:,}",
            _with_interval(found.accuracy, found.accuracy_interval),
            _with_interval(found.balanced_accuracy, found.balanced_accuracy_interval),
            _with_interval(found.knn_accuracy, found.knn_accuracy_interval),
            "" if found.auroc is None else f"{found.auroc:.4f}",
        ]
        for name, found in _by_kind(probe)
    ]


def _with_interval(value: float, interval: Interval) -> str:
    return f"{percent(value, 2)} ({interval_text(interval)})"


def difference_rows(probe: ProbeReport) -> list[tuple[str, str, str, str]]:
    """The encoder minus other features, paired: name of the others, percentage points, interval, meaning."""
    rows = []
    for found in probe.differences:
        where = "kNN" if found.fraction is None else f"{share(found.fraction)} of labels"
        low, high = (100 * bound for bound in found.interval)
        difference = f"{100 * found.difference:+.1f}"
        rows.append(
            (f"{found.against.words}, {where}", difference, f"{low:+.1f} to {high:+.1f}", told_apart(low, high))
        )
    return rows


def fraction_chart(probe: ProbeReport) -> Markup:
    """Accuracy over the part of the labels used, for each kind of features."""
    return dot_chart(
        "Test accuracy by the part of the labels the classifier was trained with",
        [share(result.fraction) for result in probe.encoder.fractions],
        [(name, [_dot(result) for result in found.fractions]) for name, found in _by_kind(probe)],
        x_label="part of the labels used",
        y_label="test accuracy, %",
    )


def _dot(result: FractionResult) -> Dot:
    values = tuple(100 * value for value in result.accuracies)
    return Dot(100 * result.accuracy_mean, values if len(values) > 1 else ())


def fraction_rows(probe: ProbeReport) -> list[list[str]]:
    """The numbers of ``fraction_chart``: features, part, labels, mean, standard deviation, single draws."""
    return [
        [
            name,
            share(result.fraction),
            f"{result.labels:,}",
            percent(result.accuracy_mean, 2),
            f"{100 * result.accuracy_std:.2f}" if len(result.accuracies) > 1 else "",
            ", ".join(f"{100 * value:.1f}" for value in result.accuracies),
        ]
        for name, found in _by_kind(probe)
        for result in found.fractions
    ]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One count of the confusion matrix."""

    count: int
    share: float  # of the images of its true class
    is_right: bool
    title: str


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Which classes the head confuses."""

    class_names: tuple[str, ...]
    rows: list[tuple[str, list[Cell], str]]  # true class, one cell per predicted class, recall; empty if too many
    pairs: list[tuple[str, str, int, str]]  # true, predicted, images, share of the true class; most frequent first
    recalls: list[tuple[str, float | None, int]]  # class, recall, images; lowest recall first


def confusion(probe: ProbeReport) -> Confusion:
    """The encoder's confusion matrix, its most frequent mistakes and recalls."""
    matrix, names = probe.encoder.confusion, probe.class_names
    totals = [sum(row) for row in matrix]
    recalls = [
        (name, row[index] / total if total else None, total)
        for index, (name, row, total) in enumerate(zip(names, matrix, totals, strict=True))
    ]
    rows = []
    if len(names) <= _MAX_MATRIX_CLASSES:
        rows = [
            (name, _cells(names, index, matrix[index], totals[index]), _recall(recalls[index][1]))
            for index, name in enumerate(names)
        ]
    mistakes = [
        (names[i], names[j], count, percent(count / totals[i]))
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    mistakes.sort(key=lambda pair: -pair[2])
    recalls.sort(key=lambda entry: 2.0 if entry[1] is None else entry[1])
    return Confusion(names, rows, mistakes[:_MAX_PAIRS], recalls)


def _cells(names: Sequence[str], true: int, counts: Sequence[int], total: int) -> list[Cell]:
    return [
        Cell(
            count,
            count / total if total else 0.0,
            predicted == true,
            f"{count} of {total} images of {names[true]} taken for {names[predicted]}",
        )
        for predicted, count in enumerate(counts)
    ]


def _recall(recall: float | None) -> str:
    return "no image" if recall is None else percent(recall)
