"""How pretraining went: one chart per measure that was watched, and the last values as numbers."""

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from components.contracts.pretraining_record import Epoch, Plan, PretrainingRecord
from components.report.charts import Reference, Series, line_chart
from components.report.scales import duration, significant

Measure = Callable[[Epoch], float | None]
_MEASURES: tuple[tuple[str, Measure], ...] = (
    ("last loss", lambda epoch: epoch.loss),
    ("last kNN accuracy", lambda epoch: epoch.knn),
    ("alignment", lambda epoch: epoch.alignment),
    ("uniformity", lambda epoch: epoch.uniformity),
    ("std of the representations", lambda epoch: epoch.std),
    ("effective rank", lambda epoch: epoch.effective_rank),
)
_LOSSES = {
    "simclr": ("NT-Xent. A loss that stays at chance means that all views look alike to the encoder.", "nats"),
    "moco": ("InfoNCE over the queue. A loss that stays at chance means that all images look alike.", "nats"),
    "byol": (
        "Squared distance between what is predicted from one view and the target's view, 0 to 8. It has no chance "
        "value; near zero with a falling spread, the encoder has collapsed.",
        "squared distance",
    ),
}
_COMPARED: tuple[tuple[str, Measure, float, str], ...] = (
    ("kNN on held-out train images", lambda epoch: epoch.knn, 100, "%"),
    ("Finding the partner (top-1)", lambda epoch: epoch.top1, 100, "%"),
    ("Effective rank", lambda epoch: epoch.effective_rank, 1, "dimensions"),
    ("Learning rate", lambda epoch: epoch.learning_rate, 1, "rate"),
)
Epochs = Sequence[Epoch]


def curves(pretraining: PretrainingRecord) -> list[tuple[str, Markup, str]]:
    """Heading, chart and explanation for each measure of the history; measures that were not taken are left out."""
    history, plan = pretraining.history, pretraining.plan
    charts = [
        _loss(history, plan.method, plan.chance_loss),
        _accuracies(history),
        _geometry(history),
        _spread(history),
        _rank(history),
        _learning_rate(history),
    ]
    return [chart for chart in charts if chart]


def overlaid(
    before: PretrainingRecord, now: PretrainingRecord, words: tuple[str, str]
) -> list[tuple[str, Markup, str]]:
    """Curves of two runs in one chart each, for the measures that both took in the same unit."""
    units = [_LOSSES[run.plan.method][1] for run in (before, now)]
    loss: tuple[str, Measure, float, str] = ("Loss", lambda epoch: epoch.loss, 1, units[0])
    found = []
    for heading, measure, factor, unit in [*([loss] if units[0] == units[1] else []), *_COMPARED]:
        curves = [_points(run.history, measure, factor) for run in (before, now)]
        if all(curves):
            series = [(word, points, color) for word, points, color in zip(words, curves, (4, 0), strict=True)]
            found.append(_chart(heading, "", series, unit))
    return [chart for chart in found if chart]


def _points(history: Epochs, measure: Measure, factor: float = 1.0) -> tuple[tuple[float, float], ...]:
    """(epoch, value) for the epochs that measured it."""
    return tuple((float(epoch.epoch), factor * value) for epoch in history if (value := measure(epoch)) is not None)


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
        [("loss", _points(history, lambda epoch: epoch.loss), 0)],
        unit,
        references=[] if chance is None else [Reference("chance", chance)],
    )


def _accuracies(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Finding the partner, and the class",
        "How often the other view of an image is nearer than every negative (top-1) or among the nearest five (top-5); "
        "and how often the neighbours of a held-out train image have its class (kNN).",
        [
            ("top-1", _points(history, lambda epoch: epoch.top1, 100), 0),
            ("top-5", _points(history, lambda epoch: epoch.top5, 100), 1),
            ("kNN", _points(history, lambda epoch: epoch.knn, 100), 2),
        ],
        "%",
    )


def _geometry(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Alignment and uniformity",
        "Alignment: squared distance between the two views of an image. Uniformity: how evenly the images fill the "
        "sphere. Lower is better for both.",
        [
            ("alignment", _points(history, lambda epoch: epoch.alignment), 0),
            ("uniformity", _points(history, lambda epoch: epoch.uniformity), 1),
        ],
        "on the unit sphere",
    )


def _spread(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Spread of the representations",
        "Standard deviation per dimension of the normalised representations; near zero, the encoder has collapsed.",
        [("std", _points(history, lambda epoch: epoch.std), 3)],
        "standard deviation",
        y_low=0.0,
    )


def _rank(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Effective rank",
        "How many directions the representations really use.",
        [("rank", _points(history, lambda epoch: epoch.effective_rank), 3)],
        "dimensions",
        y_low=0.0,
    )


def _learning_rate(history: Epochs) -> tuple[str, Markup, str] | None:
    return _chart(
        "Learning rate",
        "Warm-up, then cosine.",
        [("rate", _points(history, lambda epoch: epoch.learning_rate), 4)],
        "rate",
        y_low=0.0,
    )


def _resolved(plan: Plan) -> list[tuple[str, float | None]]:
    return [
        ("loss at chance", plan.chance_loss),
        ("steps", plan.total_steps),
        ("images per step", plan.images_per_step),
        ("peak learning rate", plan.learning_rate),
        ("momentum of the following weights, at first", plan.momentum),
        ("parameters of the encoder", plan.encoder_parameters),
        ("parameters of the head", plan.projection_head_parameters),
    ]


def facts(pretraining: PretrainingRecord) -> list[tuple[str, str]]:
    """Size and speed of the run, and the last value of each measure."""
    history, plan = pretraining.history, pretraining.plan
    found = [("method", plan.method), ("epochs", significant(len(history)))]
    found += [(name, significant(value)) for name, value in _resolved(plan) if value is not None]
    found += [
        (f"{name.replace('_', ' ')}, from the Tuner", significant(value))
        for name, value in (pretraining.tuned or {}).items()
    ]
    found += [
        (name, significant(points[-1][1])) for name, measure in _MEASURES if (points := _points(history, measure))
    ]
    found.append(("time", duration(pretraining.seconds)))
    if pretraining.images_per_second:
        found.append(("images per second", significant(pretraining.images_per_second, 3)))
    if steps := pretraining.resumed_from_steps:
        found.append(("resumed at step", ", ".join(significant(step) for step in steps)))
    return found
