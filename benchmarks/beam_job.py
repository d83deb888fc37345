"""Compares a Beam job with a bare loop that does the same work on the same images."""

import statistics
from collections.abc import Mapping

from benchmarks.measuring import Timing
from benchmarks.table import Report, Row


def compare(
    report: Report, case: str, unit: str, target: float, made: Mapping[str, int], timings: Mapping[str, Timing]
) -> None:
    """Report two rows: the whole job with Beam's start, and the cost of one more image.

    The second row comes from the difference between all images and half of them. Each ratio is the median over the
    turns, by CPU time: a shared machine can be slow for longer than a turn, and then the best turns of two sides would
    compare a fast machine with a slow one.

    Args:
        report: takes the rows.
        case: name of the rows.
        unit: name of what is counted, such as "images".
        target: the ratio that is wanted.
        made: how many units one turn of ``all``, ``half`` and ``bare`` makes.
        timings: of the same three sides.
    """
    seconds = list(zip(*(timings[name].cpus for name in ("all", "half", "bare")), strict=True))
    bare = [loop / made["bare"] for _, _, loop in seconds]  # seconds each
    started = [whole / made["all"] for whole, _, _ in seconds]
    more = [(whole - half) / (made["all"] - made["half"]) for whole, half, _ in seconds]
    start = statistics.median(whole - each * made["all"] for (whole, _, _), each in zip(seconds, more, strict=True))
    for what, ours in (("with Beam's start", started), ("each image more", more)):
        ratios = sorted(beside / own for own, beside in zip(ours, bare, strict=True))
        report(
            Row(
                f"{case}, {what}",
                f"{1 / statistics.median(ours):,.0f} {unit}/s/core",
                f"bare loop {1 / statistics.median(bare):,.0f}",
                statistics.median(ratios),
                f">= {target}",
                f"{ratios[0]:.2f} to {ratios[-1]:.2f}; start {start:.2f} s",
            )
        )
