"""From values to positions on a chart: ranges, round tick values, and numbers as text."""

import dataclasses
import itertools
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Scale:
    """A linear map from ``low``..``high`` to ``start``..``end`` (pixels; ``end`` may be smaller)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The position of ``value``, in pixels."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """About ``count`` round values within the range."""
        step = round_step((self.high - self.low) / max(count, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def round_step(step: float) -> float:
    """The smallest of 1, 2, 2.5, 5, 10 times a power of ten that is at least ``step`` (> 0)."""
    magnitude = 10.0 ** math.floor(math.log10(step))
    return next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= step * (1 - 1e-9))


def padded_range(values: Sequence[float], low: float | None = None, high: float | None = None) -> tuple[float, float]:
    """A range around ``values`` with a margin; ``low`` and ``high``, if given, are its ends without a margin."""
    smallest = min(values) if low is None else low
    largest = max(values) if high is None else high
    air = (largest - smallest) * 0.06 or abs(largest) * 0.1 or 1.0
    return (smallest - air if low is None else low), (largest + air if high is None else high)


def tick_text(value: float, ticks: Sequence[float]) -> str:
    """``value`` with enough decimals to distinguish neighbouring ticks."""
    step = min((abs(b - a) for a, b in itertools.pairwise(ticks)), default=1.0)
    if max(abs(tick) for tick in ticks) < 1e-3 and value:
        return f"{value:.1e}".replace("e-0", "e-")
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 0
    decimals += bool(step) and not math.isclose(step * 10**decimals, round(step * 10**decimals), rel_tol=1e-6)
    return f"{value:,.{decimals}f}"


def percent(value: float, decimals: int = 1) -> str:
    """A fraction as a percentage: 0.985 becomes "98.5 %", unbroken."""
    return f"{100 * value:.{decimals}f}\N{NO-BREAK SPACE}%"


def share(fraction: float) -> str:
    """A part of the labels as a percentage without needless decimals: 0.01 becomes "1 %", unbroken."""
    return f"{100 * fraction:g}\N{NO-BREAK SPACE}%"


def told_apart(low: float, high: float) -> str:
    """The meaning of a difference's interval: is the first one better or worse than the second?"""
    return "better" if low > 0 else "worse" if high < 0 else "not told apart"


def interval_text(interval: Sequence[float]) -> str:
    """Low and high end of fractions as percentages."""
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}\N{NO-BREAK SPACE}%"


def significant(value: float, digits: int = 4) -> str:
    """A number for people: integers whole, others with ``digits`` significant digits."""
    if isinstance(value, int) or (math.isfinite(value) and float(value).is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:.{digits}g}"


def duration(seconds: float) -> str:
    """Seconds as "4.2 s", "3 min 20 s" or "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def byte_size(count: float) -> str:
    """Bytes as "1.2 MB", in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
