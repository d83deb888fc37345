"""What the same labels are worth without pretraining, or with more than a linear probe: one table."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from components.contracts import baseline_record as record
from components.contracts import evidence
from components.report.scales import percent, share, told_apart

_NAMES = {
    record.PROBE: "pretrained encoder, linear probe",
    record.RAW_PIXELS: "raw pixels, linear probe",
    record.RANDOM_ENCODER: "random encoder, linear probe",
    record.FROM_SCRATCH: "trained from scratch",
    record.FROZEN: "fine-tuned, encoder frozen",
    record.LAST_BLOCK: "fine-tuned, last block",
    record.ALL_LAYERS: "fine-tuned, all layers",
}


@dataclasses.dataclass(frozen=True)
class BaselinesSection:
    """A table and how to read it."""

    rows: list[list[str]]
    note: str
    heads: tuple[str, ...] = ("method", "of the labels", "labels", "accuracy", "interval", "std", "points", "interval",
                              "against the probe")  # fmt: skip
    numbers: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)


def baselines_section(content: Mapping[str, Any]) -> BaselinesSection:
    """The table of ``baselines.json``: fractions ascending, and at each of them every method."""
    methods = {key: content[record.METHODS][key] for key in _NAMES if key in content[record.METHODS]}
    fractions = [entry[evidence.FRACTION] for entry in methods[record.PROBE]]
    rows = [
        _row(_NAMES[key], entries[position]) for position in range(len(fractions)) for key, entries in methods.items()
    ]
    note = (
        f"Every method was given the same labels and predicted the same {content[evidence.COUNTS]['test']:,} test "
        f"images once; rate and length of a training were chosen on held-out parts of them, and it saw at most "
        f"{content[record.IMAGE_PASSES]:,} images. Intervals: {percent(content[evidence.CONFIDENCE], 0)} by bootstrap "
        "over the test images; std: over the draws of the labels; points: percentage points above the linear probe of "
        "the pretrained encoder, paired over draws and images."
    )
    return BaselinesSection(rows, note)


def _row(name: str, entry: Mapping[str, Any]) -> list[str]:
    return [
        name,
        share(entry[evidence.FRACTION]),
        f"{entry[evidence.LABELS]:,}",
        percent(entry[evidence.ACCURACY_MEAN], 2),
        _ends(entry[evidence.INTERVAL], ".1f"),
        f"{100 * entry[evidence.ACCURACY_STD]:.2f}" if len(entry[evidence.ACCURACIES]) > 1 else "",
        *_difference(entry),
    ]


def _difference(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    if evidence.DIFFERENCE not in entry:
        return "", "", ""
    interval = entry[record.DIFFERENCE_INTERVAL]
    return f"{100 * entry[evidence.DIFFERENCE]:+.1f}", _ends(interval, "+.1f"), told_apart(*interval)


def _ends(interval: Sequence[float], form: str) -> str:
    return " to ".join(f"{100 * bound:{form}}" for bound in interval)
