"""A Beam job beside a bare loop that does the same work on the same images."""

import statistics
from collections.abc import Callable, Mapping

from benchmarks import measuring
from benchmarks.table import Report, Row


def compare(
    report: Report, case: str, unit: str, target: float, made: int, sides: Mapping[str, Callable], turns: int
) -> None:
    """Two rows: all with Beam's start, and what an image more costs, from half of the images and all.

    Ratios are medians of those of single turns, by CPU time: a shared machine may be fast or slow for longer than a
    turn, and the best turns of two sides would then be of different speeds of the machine.

    Args:
        report: takes the rows.
        case: what is done.
        unit: of what is counted.
        target: what the ratios should reach.
        made: how many of the unit one turn of ``all`` makes, and of ``bare``.
        sides: ``all``, ``half`` and ``bare``, to take turns.
        turns: of each side.
    """
    timings = measuring.alternate(sides, turns)
    seconds = list(zip(*(timings[name].cpus for name in ("all", "half", "bare")), strict=True))
    more = [2 * (whole - half) for whole, half, _ in seconds]  # for as many again
    bare = [turn[-1] for turn in seconds]
    start = statistics.median(2 * half - whole for whole, half, _ in seconds)
    for what, ours in (("with Beam's start", [turn[0] for turn in seconds]), ("each image more", more)):
        ratios = sorted(beside / own for own, beside in zip(ours, bare, strict=True))
        report(
            Row(
                f"{case}, {what}",
                f"{made / statistics.median(ours):,.0f} {unit}/s/core",
                f"bare loop {made / statistics.median(bare):,.0f}",
                statistics.median(ratios),
                f">= {target}",
                f"{ratios[0]:.2f} to {ratios[-1]:.2f}; start {start:.2f} s",
            )
        )
