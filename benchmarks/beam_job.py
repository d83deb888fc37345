"""A Beam job beside a bare loop that does the same work on the same images."""

import statistics
from collections.abc import Mapping

from benchmarks.measuring import Timing
from benchmarks.table import Report, Row


def compare(
    report: Report, case: str, unit: str, target: float, made: Mapping[str, int], timings: Mapping[str, Timing]
) -> None:
    """Two rows: all with Beam's start, and what an image more costs, from half of the images and all.

    Ratios are medians of those of single turns, by CPU time: a shared machine may be fast or slow for longer than a
    turn, and the best turns of two sides would then be of different speeds of the machine.

    Args:
        report: takes the rows.
        case: what is done.
        unit: of what is counted.
        target: what the ratios should reach.
        made: how many of the unit a turn of ``all``, ``half`` and ``bare`` makes.
        timings: of these three, which took turns.
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
