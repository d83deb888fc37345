"""Line and dot charts as inline SVG: axes have labels, and series are labelled directly, without a legend.

Colours are CSS classes of the page, so that the charts follow its light and dark themes.
"""

import dataclasses
from collections.abc import Sequence

from markupsafe import Markup

from components.report.scales import Scale, padded_range, tick_text
from components.report.svg import element, join

_WIDTH, _HEIGHT = 380, 250
_TOP, _BOTTOM = 14, 42
_LABEL_GAP = 15  # smallest distance between two direct labels, pixels
_CHARACTER_PX = 7.2  # width of a label's character, roughly


@dataclasses.dataclass(frozen=True)
class Series:
    """One line: a name, its points, the number of its colour (0, 1, 2, ...), and an interval for each point."""

    name: str
    points: tuple[tuple[float, float], ...]
    color: int = 0
    spans: tuple[tuple[float, float], ...] = ()  # low and high end of each point's bar; empty: no bars
    is_reference: bool = False  # dashed, without dots


@dataclasses.dataclass(frozen=True)
class Reference:
    """A dashed horizontal line with a name, such as the value at chance."""

    name: str
    value: float


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    references: Sequence[Reference] = (),
    y_low: float | None = None,
    y_high: float | None = None,
) -> Markup:
    """Lines over a common x axis.

    Args:
        title: what the chart shows, also for screen readers.
        series: at least one, each with at least one point; values are finite.
        x_label: what the x axis measures.
        y_label: what the y axis measures.
        references: horizontal lines to compare with.
        y_low: lower end of the y axis; None: chosen from the values.
        y_high: upper end of the y axis; None: likewise.

    Returns:
        One ``svg`` element.
    """
    values = [y for line in series for _, y in line.points] + [reference.value for reference in references]
    values += [bound for line in series for span in line.spans for bound in span]
    columns = [x for line in series for x, _ in line.points]
    labels = [line.name for line in series] + [reference.name for reference in references]
    x_low, x_high = (min(columns), max(columns)) if min(columns) < max(columns) else (columns[0] - 1, columns[0] + 1)
    y = Scale(*padded_range(values, y_low, y_high), _HEIGHT - _BOTTOM, _TOP)
    x = Scale(x_low, x_high, _left_of(y), _WIDTH - _margin_for(labels))
    marks = [_reference(reference, x, y) for reference in references] + [_line(line, x, y) for line in series]
    ends = [
        (line.name, y(line.points[-1][1]), "reference" if line.is_reference else f"series-{line.color}")
        for line in series
    ]
    ends += [(reference.name, y(reference.value), "reference") for reference in references]
    ticks = _whole(x.ticks(5))
    return _figure(
        title,
        [
            *_y_axis(y, x, y_label),
            *(_x_tick(x(tick), tick_text(tick, ticks)) for tick in ticks),
            _x_axis_label(x, x_label),
            *marks,
            *_direct_labels(ends, x.end + 8),
        ],
    )


@dataclasses.dataclass(frozen=True)
class Dot:
    """A mean and the single values behind it."""

    mean: float
    values: tuple[float, ...] = ()


def dot_chart(
    title: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[Dot | None]]],
    *,
    x_label: str,
    y_label: str,
    y_high: float | None = None,
) -> Markup:
    """Means with their spread for a few named columns, joined by a line per row.

    Args:
        title: what the chart shows.
        columns: names along the x axis.
        rows: a name and one ``Dot`` (or None if there is no value) for each column; at least one ``Dot`` in all.
        x_label: what the columns are.
        y_label: what the y axis measures.
        y_high: upper end of the y axis; None: chosen from the values.

    Returns:
        One ``svg`` element; bars span the smallest to the largest value.
    """
    present = [dot for _, dots in rows for dot in dots if dot]
    values = [value for dot in present for value in (dot.mean, *dot.values)]
    right = _WIDTH - _margin_for([name for name, _ in rows])
    y = Scale(*padded_range(values, high=y_high), _HEIGHT - _BOTTOM, _TOP)
    x = Scale(-0.4, max(len(columns) - 0.6, 0.6), _left_of(y), right)
    marks, ends = [], []
    for number, (name, dots) in enumerate(rows):
        shift = (number - (len(rows) - 1) / 2) * 7  # so that the bars of two rows do not cover each other
        places = [(x(column) + shift, dot) for column, dot in enumerate(dots) if dot]
        if places:
            marks.append(_dots(name, places, y, number))
            ends.append((name, y(places[-1][1].mean), f"series-{number}"))
    return _figure(
        title,
        [
            *_y_axis(y, x, y_label),
            *(_x_tick(x(column), name) for column, name in enumerate(columns)),
            _x_axis_label(x, x_label),
            *marks,
            *_direct_labels(ends, right + 8),
        ],
    )


def _dots(name: str, places: list[tuple[float, Dot]], y: Scale, number: int) -> Markup:
    path = " ".join(f"{'L' if index else 'M'}{left:.1f} {y(dot.mean):.1f}" for index, (left, dot) in enumerate(places))
    marks = [element("path", d=path, class_="line thin")]
    for left, dot in places:
        text = f"{name}: {dot.mean:.4f}"
        if dot.values:
            low, high = min(dot.values), max(dot.values)
            text += f", {len(dot.values)} draws from {low:.4f} to {high:.4f}"
            marks.append(element("line", x1=left, x2=left, y1=y(low), y2=y(high), class_="spread"))
        marks.append(element("circle", element("title", text), cx=left, cy=y(dot.mean), r=4.5, class_="dot"))
    return element("g", *marks, class_=f"series-{number}")


def _line(line: Series, x: Scale, y: Scale) -> Markup:
    path = " ".join(f"{'L' if index else 'M'}{x(a):.1f} {y(b):.1f}" for index, (a, b) in enumerate(line.points))
    if line.is_reference:
        return element("path", d=path, class_="reference-line")
    radius = 3.0 if line.spans or len(line.points) == 1 else 1.6
    bars = [
        element("line", x1=x(a), x2=x(a), y1=y(low), y2=y(high), class_="spread")
        for (a, _), (low, high) in zip(line.points if line.spans else (), line.spans, strict=True)
    ]
    dots = [
        element("circle", element("title", f"{line.name} {b:.4g} at {a:g}"), cx=x(a), cy=y(b), r=radius, class_="dot")
        for a, b in line.points
    ]
    return element("g", element("path", d=path, class_="line"), *bars, *dots, class_=f"series-{line.color}")


def _reference(reference: Reference, x: Scale, y: Scale) -> Markup:
    height = y(reference.value)
    return element("line", x1=x.start, x2=x.end, y1=height, y2=height, class_="reference-line")


def _whole(ticks: list[float]) -> list[float]:
    """The whole numbers among the ticks, for axes that count epochs; all ticks if none is whole."""
    whole = [tick for tick in ticks if float(tick).is_integer()]
    return whole or ticks


def _y_axis(y: Scale, x: Scale, label: str) -> list[Markup]:
    ticks = y.ticks(5)
    marks = []
    for tick in ticks:
        height = y(tick)
        marks.append(element("line", x1=x.start, x2=x.end, y1=height, y2=height, class_="grid"))
        marks.append(element("text", tick_text(tick, ticks), x=x.start - 7, y=height + 4, class_="tick end"))
    middle = (y.start + y.end) / 2
    turned = f"rotate(-90 11 {middle:.1f})"
    return [*marks, element("text", label, x=11, y=middle + 4, transform=turned, class_="axis-label middle")]


def _x_tick(left: float, text: str) -> Markup:
    return element("text", text, x=left, y=_HEIGHT - _BOTTOM + 17, class_="tick middle")


def _x_axis_label(x: Scale, label: str) -> Markup:
    return element("text", label, x=(x.start + x.end) / 2, y=_HEIGHT - 5, class_="axis-label middle")


def _left_of(y: Scale) -> float:
    """Left edge of the plot: right of the axis title and of the widest number at a tick."""
    ticks = y.ticks(5)
    return 26 + _CHARACTER_PX * max(len(tick_text(tick, ticks)) for tick in ticks)


def _margin_for(labels: Sequence[str]) -> float:
    return min(16 + _CHARACTER_PX * max(map(len, labels), default=0), _WIDTH * 0.4)


def _direct_labels(ends: list[tuple[str, float, str]], left: float) -> list[Markup]:
    """Names beside the ends of their lines, moved apart if they would overlap."""
    ordered = sorted(ends, key=lambda end: end[1])
    heights = [height for _, height, _ in ordered]
    for index in range(1, len(heights)):  # downwards, away from the label above
        heights[index] = max(heights[index], heights[index - 1] + _LABEL_GAP)
    ceiling = float(_HEIGHT - _BOTTOM)
    for index in reversed(range(len(heights))):  # and back up, away from the edge
        heights[index] = min(heights[index], ceiling)
        ceiling = heights[index] - _LABEL_GAP
    return [
        element("text", name, x=left, y=height + 4, class_=f"direct-label {style}")
        for (name, _, style), height in zip(ordered, heights, strict=True)
    ]


def _figure(title: str, children: Sequence[Markup]) -> Markup:
    return element(
        "svg",
        element("title", title),
        join(children),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=title,
        class_="chart",
    )
