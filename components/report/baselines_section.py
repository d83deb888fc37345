"""What the same labels are worth without pretraining, or with more than a linear probe: one table."""

import dataclasses

from components.contracts.baseline_record import BaselinesReport, ClassifierKind, MethodResult
from components.contracts.evidence import Interval
from components.report.scales import percent, share, told_apart

_NAMES = {
    ClassifierKind.LINEAR_PROBE: "pretrained encoder, linear probe",
    ClassifierKind.RAW_PIXELS: "raw pixels, linear probe",
    ClassifierKind.RANDOM_ENCODER: "random encoder, linear probe",
    ClassifierKind.FROM_SCRATCH: "trained from scratch",
    ClassifierKind.FROZEN: "fine-tuned, encoder frozen",
    ClassifierKind.LAST_BLOCK: "fine-tuned, last block",
    ClassifierKind.ALL_LAYERS: "fine-tuned, all layers",
}


@dataclasses.dataclass(frozen=True)
class BaselinesSection:
    """A table and the note on how to read it."""

    rows: list[list[str]]
    note: str
    heads: tuple[str, ...] = ("method", "of the labels", "labels", "accuracy", "interval", "std", "points", "interval",
                              "against the probe")  # fmt: skip
    numbers: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)


def baselines_section(report: BaselinesReport) -> BaselinesSection:
    """The table of ``baselines.json``: fractions ascending, and at each of them every method."""
    methods = {kind: report.methods[kind] for kind in _NAMES if kind in report.methods}
    fractions = len(methods[ClassifierKind.LINEAR_PROBE])
    rows = [_row(_NAMES[kind], results[position]) for position in range(fractions) for kind, results in methods.items()]
    note = (
        f"Every method was given the same labels and predicted the same {report.counts.test:,} test images once. "
        "Learning rate and length of a training were chosen on held-out parts of the labels; a training saw at most "
        f"{report.image_passes:,} images. Intervals: {percent(report.confidence, 0)}, by bootstrap over the test "
        "images. Std: over the draws of the labels. Points: percentage points above the linear probe of the pretrained "
        "encoder, paired over draws and images."
    )
    return BaselinesSection(rows, note)


def _row(name: str, result: MethodResult) -> list[str]:
    return [
        name,
        share(result.fraction),
        f"{result.labels:,}",
        percent(result.accuracy_mean, 2),
        _ends(result.interval, ".1f"),
        f"{100 * result.accuracy_std:.2f}" if len(result.accuracies) > 1 else "",
        *_difference(result),
    ]


def _difference(result: MethodResult) -> tuple[str, str, str]:
    if result.difference is None or result.difference_interval is None:
        return "", "", ""
    interval = result.difference_interval
    return f"{100 * result.difference:+.1f}", _ends(interval, "+.1f"), told_apart(*interval)


def _ends(interval: Interval, form: str) -> str:
    return " to ".join(f"{100 * bound:{form}}" for bound in interval)
