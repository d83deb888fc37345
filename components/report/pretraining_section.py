"""How pretraining went: one chart per measure that was watched, and the last values as numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from components.report.charts import Reference, Series, line_chart
from components.report.scales import duration, significant

_EPOCH = "epoch"
Epochs = Sequence[Mapping[str, Any]]


def curves(pretraining: Mapping[str, Any]) -> list[tuple[str, Markup, str]]:
    """Heading, chart and explanation for each measure of the history; measures that were not taken are left out."""
    history = pretraining.get("history") or []
    charts = [
        _loss(history),
        _accuracies(history),
        _geometry(history),
        _spread(history),
        _rank(history),
        _learning_rate(history),
    ]
    return [chart for chart in charts if chart]


def _points(history: Epochs, key: str, factor: float = 1.0) -> tuple[tuple[float, float], ...]:
    """(epoch, value) where there is a value; epochs count from 1."""
    return tuple(
        (float(entry.get(_EPOCH, index)), factor * entry[key])
        for index, entry in enumerate(history, start=1)
        if entry.get(key) is not None
    )


def _chart(
    heading: str,
    explanation: str,
    series: Sequence[tuple[str, tuple[tuple[float, float], ...], int]],
    y_label: str,
    **options: Any,
) -> tuple[str, Markup, str] | None:
    present = [Series(name, points, color) for name, points, color in series if points]
    if not present:
        return None
    return heading, line_chart(heading, present, x_label="epoch", y_label=y_label, **options), explanation


def _loss(history: Epochs) -> tuple[str, Markup, str] | None:
    chance = _points(history, "chance")
    return _chart(
        "Loss",
        "NT-Xent. A loss that stays at chance means that all views look alike to the encoder.",
        [("loss", _points(history, "loss"), 0)],
        "nats",
        references=[Reference("chance", chance[-1][1])] if chance else [],
    )


def _accuracies(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Finding the partner, and the class",
        "How often the other view of an image is the nearest of the batch (top-1) or among the nearest five (top-5); "
        "and how often the neighbours of a held-out train image have its class (kNN).",
        [
            ("top-1", _points(history, "top1", 100), 0),
            ("top-5", _points(history, "top5", 100), 1),
            ("kNN", _points(history, "knn", 100), 2),
        ],
        "%",
    )


def _geometry(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Alignment and uniformity",
        "Alignment: squared distance between the two views of an image. Uniformity: how evenly the images fill the "
        "sphere. Lower is better for both.",
        [("alignment", _points(history, "alignment"), 0), ("uniformity", _points(history, "uniformity"), 1)],
        "on the unit sphere",
    )


def _spread(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Spread of the representations",
        "Standard deviation per dimension of the normalised representations; near zero, the encoder has collapsed.",
        [("std", _points(history, "std"), 3)],
        "standard deviation",
        y_low=0.0,
    )


def _rank(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Effective rank",
        "How many directions the representations really use.",
        [("rank", _points(history, "effective_rank"), 3)],
        "dimensions",
        y_low=0.0,
    )


def _learning_rate(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Learning rate", "Warm-up, then cosine.", [("rate", _points(history, "lr"), 4)], "per step", y_low=0.0
    )


def facts(pretraining: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The last value of each measure, and how long it took."""
    history = pretraining.get("history") or []
    names = {
        "loss": "last loss",
        "chance": "loss at chance",
        "alignment": "alignment",
        "uniformity": "uniformity",
        "std": "std of the representations",
        "effective_rank": "effective rank",
    }
    found = [("epochs", significant(len(history)))] if history else []
    found += [(name, significant(points[-1][1])) for key, name in names.items() if (points := _points(history, key))]
    if pretraining.get("seconds") is not None:
        found.append(("time", duration(pretraining["seconds"])))
    return found
