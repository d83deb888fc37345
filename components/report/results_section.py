"""What linear evaluation found: key numbers, comparison with simpler features, label fractions, confusions."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from components.contracts import evidence, records
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


def accuracy_tiles(probe: Mapping[str, Any]) -> list[Tile]:
    """The numbers people ask for first."""
    encoder = probe[evidence.FEATURES][evidence.ENCODER]
    images = probe[evidence.COUNTS][records.TEST]
    interval = interval_text(encoder[evidence.ACCURACY_INTERVAL])
    knn_interval = interval_text(encoder[evidence.KNN_ACCURACY_INTERVAL])
    return [
        Tile("Test accuracy, all labels", percent(encoder[evidence.ACCURACY]), f"{interval} on {images:,} images"),
        *(_fraction_tile(fraction) for fraction in encoder[evidence.FRACTIONS] if fraction[evidence.FRACTION] < 1),
        Tile("kNN accuracy", percent(encoder[evidence.KNN_ACCURACY]), knn_interval),
    ]


def _fraction_tile(fraction: Mapping[str, Any]) -> Tile:
    draws = len(fraction[evidence.ACCURACIES])
    spread = f"± {100 * fraction[evidence.ACCURACY_STD]:.1f} over {draws} draws" if draws > 1 else ""
    name = f"Accuracy, {share(fraction[evidence.FRACTION])} of labels"
    return Tile(name, percent(fraction[evidence.ACCURACY_MEAN]), spread)


def comparison_rows(probe: Mapping[str, Any]) -> list[list[str]]:
    """One row per kind of features: name, dimensions, accuracy, balanced accuracy, kNN, AUROC, each with interval."""
    rows = []
    for key, name in evidence.FEATURE_NAMES.items():
        found = probe[evidence.FEATURES].get(key)
        if found:
            rows.append(
                [
                    name,
                    f"{found[evidence.DIMENSIONS]:,}",
                    _with_interval(found, evidence.ACCURACY, evidence.ACCURACY_INTERVAL),
                    _with_interval(found, evidence.BALANCED_ACCURACY, evidence.BALANCED_ACCURACY_INTERVAL),
                    _with_interval(found, evidence.KNN_ACCURACY, evidence.KNN_ACCURACY_INTERVAL),
                    "" if found[evidence.AUROC] is None else f"{found[evidence.AUROC]:.4f}",
                ]
            )
    return rows


def _with_interval(found: Mapping[str, Any], value_key: str, interval_key: str) -> str:
    return f"{percent(found[value_key], 2)} ({interval_text(found[interval_key])})"


def difference_rows(probe: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """The encoder against others, paired: with what, by how many percentage points, interval, meaning."""
    rows = []
    for entry in probe[evidence.DIFFERENCES]:
        against = evidence.FEATURE_NAMES.get(entry[evidence.AGAINST], entry[evidence.AGAINST])
        fraction = entry.get(evidence.FRACTION)
        where = "kNN" if fraction is None else f"{share(fraction)} of labels"
        low, high = (100 * bound for bound in entry[evidence.INTERVAL])
        difference = f"{100 * entry[evidence.DIFFERENCE]:+.1f}"
        rows.append((f"{against}, {where}", difference, f"{low:+.1f} to {high:+.1f}", told_apart(low, high)))
    return rows


def fraction_chart(probe: Mapping[str, Any]) -> Markup:
    """Accuracy over the part of the labels used, for each kind of features."""
    features = probe[evidence.FEATURES]
    return dot_chart(
        "Test accuracy by the part of the labels the classifier was trained with",
        [share(entry[evidence.FRACTION]) for entry in features[evidence.ENCODER][evidence.FRACTIONS]],
        [
            (name, [_dot(entry) for entry in features[key][evidence.FRACTIONS]])
            for key, name in evidence.FEATURE_NAMES.items()
            if key in features
        ],
        x_label="part of the labels used",
        y_label="test accuracy, %",
    )


def _dot(entry: Mapping[str, Any]) -> Dot:
    values = tuple(100 * value for value in entry[evidence.ACCURACIES])
    return Dot(100 * entry[evidence.ACCURACY_MEAN], values if len(values) > 1 else ())


def fraction_rows(probe: Mapping[str, Any]) -> list[list[str]]:
    """The numbers of ``fraction_chart``: features, part, labels, mean, standard deviation, single draws."""
    rows = []
    for key, name in evidence.FEATURE_NAMES.items():
        for entry in probe[evidence.FEATURES].get(key, {}).get(evidence.FRACTIONS, ()):
            draws = entry[evidence.ACCURACIES]
            rows.append(
                [
                    name,
                    share(entry[evidence.FRACTION]),
                    f"{entry[evidence.LABELS]:,}",
                    percent(entry[evidence.ACCURACY_MEAN], 2),
                    f"{100 * entry[evidence.ACCURACY_STD]:.2f}" if len(draws) > 1 else "",
                    ", ".join(f"{100 * value:.1f}" for value in draws),
                ]
            )
    return rows


@dataclasses.dataclass(frozen=True)
class Cell:
    """One count of the confusion matrix."""

    count: int
    share: float  # of the images of its true class
    is_right: bool
    title: str


@dataclasses.dataclass(frozen=True)
class Confusion:
    """What the head takes for what."""

    class_names: list[str]
    rows: list[tuple[str, list[Cell], str]]  # true class, one cell per predicted class, recall; empty if too many
    pairs: list[tuple[str, str, int, str]]  # true, predicted, images, share of the true class; most frequent first
    recalls: list[tuple[str, float | None, int]]  # class, recall, images; lowest recall first


def confusion(probe: Mapping[str, Any]) -> Confusion:
    """The encoder's confusion matrix, its most frequent mistakes and recalls."""
    matrix, names = probe[evidence.FEATURES][evidence.ENCODER][evidence.CONFUSION], probe[evidence.CLASS_NAMES]
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


def _cells(names: list[str], true: int, counts: Sequence[int], total: int) -> list[Cell]:
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
