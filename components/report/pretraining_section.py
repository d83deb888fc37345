"""How pretraining went: one chart per measure that was watched, and the last values as numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from components.contracts import pretraining_record as keys
from components.report.charts import Reference, Series, line_chart
from components.report.scales import duration, significant

_MEASURES = {
    keys.LOSS: "last loss",
    keys.KNN: "last kNN accuracy",
    keys.ALIGNMENT: "alignment",
    keys.UNIFORMITY: "uniformity",
    keys.STD: "std of the representations",
    keys.EFFECTIVE_RANK: "effective rank",
}
_SETTINGS = {
    keys.CHANCE_LOSS: "loss at chance",
    keys.TOTAL_STEPS: "steps",
    keys.IMAGES_PER_STEP: "images per step",
    "learning_rate": "peak learning rate",
    "momentum": "momentum of the following weights, at first",
    "encoder_parameters": "parameters of the encoder",
    "projection_head_parameters": "parameters of the head",
}
_LOSSES = {
    "simclr": ("NT-Xent. A loss that stays at chance means that all views look alike to the encoder.", "nats"),
    "moco": ("InfoNCE over the queue. A loss that stays at chance means that all images look alike.", "nats"),
    "byol": (
        "Squared distance between what is predicted from one view and the target's view, 0 to 8. It has no chance "
        "value; near zero with a falling spread, the encoder has collapsed.",
        "squared distance",
    ),
}
_COMPARED = (
    ("kNN on held-out train images", keys.KNN, 100, "%"),
    ("Finding the partner (top-1)", keys.TOP1, 100, "%"),
    ("Effective rank", keys.EFFECTIVE_RANK, 1, "dimensions"),
    ("Learning rate", keys.LEARNING_RATE, 1, "rate"),
)
Epochs = Sequence[Mapping[str, Any]]


def curves(pretraining: Mapping[str, Any]) -> list[tuple[str, Markup, str]]:
    """Heading, chart and explanation for each measure of the history; measures that were not taken are left out."""
    history, settings = pretraining[keys.HISTORY], pretraining[keys.SETTINGS]
    charts = [
        _loss(history, settings[keys.METHOD], settings[keys.CHANCE_LOSS]),
        _accuracies(history),
        _geometry(history),
        _spread(history),
        _rank(history),
        _learning_rate(history),
    ]
    return [chart for chart in charts if chart]


def overlaid(
    before: Mapping[str, Any], now: Mapping[str, Any], words: tuple[str, str]
) -> list[tuple[str, Markup, str]]:
    """Curves of two runs in one chart each, for the measures that both took in the same unit."""
    units = [_LOSSES[run[keys.SETTINGS][keys.METHOD]][1] for run in (before, now)]
    losses = [("Loss", keys.LOSS, 1, units[0])] if units[0] == units[1] else []
    found = []
    for heading, key, factor, unit in [*losses, *_COMPARED]:
        curves = [_points(run[keys.HISTORY], key, factor) for run in (before, now)]
        if all(curves):
            series = [(word, points, color) for word, points, color in zip(words, curves, (4, 0), strict=True)]
            found.append(_chart(heading, "", series, unit))
    return [chart for chart in found if chart]


def _points(history: Epochs, key: str, factor: float = 1.0) -> tuple[tuple[float, float], ...]:
    """(epoch, value) where there is a value; epochs count from 1."""
    return tuple(
        (float(index), factor * entry[key])
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


def _loss(history: Epochs, method: str, chance: float | None) -> tuple[str, Markup, str] | None:
    explanation, unit = _LOSSES[method]
    return _chart(
        "Loss",
        explanation,
        [("loss", _points(history, keys.LOSS), 0)],
        unit,
        references=[] if chance is None else [Reference("chance", chance)],
    )


def _accuracies(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Finding the partner, and the class",
        "How often the other view of an image is nearer than every negative (top-1) or among the nearest five (top-5); "
        "and how often the neighbours of a held-out train image have its class (kNN).",
        [
            ("top-1", _points(history, keys.TOP1, 100), 0),
            ("top-5", _points(history, keys.TOP5, 100), 1),
            ("kNN", _points(history, keys.KNN, 100), 2),
        ],
        "%",
    )


def _geometry(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Alignment and uniformity",
        "Alignment: squared distance between the two views of an image. Uniformity: how evenly the images fill the "
        "sphere. Lower is better for both.",
        [("alignment", _points(history, keys.ALIGNMENT), 0), ("uniformity", _points(history, keys.UNIFORMITY), 1)],
        "on the unit sphere",
    )


def _spread(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Spread of the representations",
        "Standard deviation per dimension of the normalised representations; near zero, the encoder has collapsed.",
        [("std", _points(history, keys.STD), 3)],
        "standard deviation",
        y_low=0.0,
    )


def _rank(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Effective rank",
        "How many directions the representations really use.",
        [("rank", _points(history, keys.EFFECTIVE_RANK), 3)],
        "dimensions",
        y_low=0.0,
    )


def _learning_rate(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Learning rate", "Warm-up, then cosine.", [("rate", _points(history, keys.LEARNING_RATE), 4)], "rate", y_low=0.0
    )


def facts(pretraining: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Size and speed of the run, and the last value of each measure."""
    history, settings = pretraining[keys.HISTORY], pretraining[keys.SETTINGS]
    found = [("method", str(settings[keys.METHOD])), ("epochs", significant(len(history)))]
    found += [(name, significant(settings[key])) for key, name in _SETTINGS.items() if settings.get(key) is not None]
    found += [
        (f"{name.replace('_', ' ')}, from the Tuner", significant(value))
        for name, value in (pretraining[keys.TUNED] or {}).items()
    ]
    found += [
        (name, significant(points[-1][1])) for key, name in _MEASURES.items() if (points := _points(history, key))
    ]
    found.append(("time", duration(pretraining[keys.SECONDS])))
    if pretraining[keys.IMAGES_PER_SECOND]:  # 0 where the last process found all steps done
        found.append(("images per second", significant(pretraining[keys.IMAGES_PER_SECOND], 3)))
    if steps := pretraining[keys.RESUMED_FROM_STEPS]:
        found.append(("resumed at step", ", ".join(significant(step) for step in steps)))
    return found
