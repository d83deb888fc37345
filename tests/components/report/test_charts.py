"""Charts: points at their values, labels beside them, nothing outside the picture, texts escaped."""

import itertools
import re
import xml.etree.ElementTree as ElementTree

import pytest

from components.report.charts import Dot, Reference, Series, dot_chart, line_chart


def parsed(svg) -> ElementTree.Element:
    return ElementTree.fromstring(str(svg))


def texts(root: ElementTree.Element, style: str) -> list[ElementTree.Element]:
    return [element for element in root.iter("text") if style in element.get("class", "").split()]


def test_a_line_falls_where_its_values_fall():
    line = Series("loss", ((1.0, 4.0), (2.0, 3.0), (3.0, 1.0)))
    root = parsed(line_chart("Loss", [line], x_label="epoch", y_label="nats"))
    circles = [(float(circle.get("cx")), float(circle.get("cy"))) for circle in root.iter("circle")]
    (x1, y1), (x2, y2), (x3, y3) = circles
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.02)
    assert (y3 - y2) == pytest.approx(2 * (y2 - y1), abs=0.05)
    path = next(root.iter("path")).get("d")
    assert [float(number) for number in re.findall(r"[\d.]+", path)] == pytest.approx(sum(circles, ()), abs=0.06)


def test_axes_and_title_are_labelled():
    line = Series("loss", ((1.0, 4.0), (2.0, 3.0)))
    root = parsed(line_chart("Loss over time", [line], x_label="epoch", y_label="nats"))
    assert root.get("role") == "img" and root.get("aria-label") == "Loss over time"
    assert [label.text for label in texts(root, "axis-label")] == ["nats", "epoch"]
    assert {tick.text for tick in texts(root, "tick")} >= {"1", "2", "3.00", "4.00"}


@pytest.mark.parametrize("top", [0.0018, 0.02, 4.0, 160.0, 25000.0])
def test_long_numbers_do_not_run_into_the_title_of_their_axis(top):
    root = parsed(line_chart("Rate", [Series("rate", ((1.0, 0.0), (2.0, top)))], x_label="epoch", y_label="rate"))
    title = texts(root, "axis-label")[0]
    numbers = texts(root, "end")
    assert len(numbers) > 2
    for number in numbers:
        assert float(number.get("x")) - 7 * len(number.text) > float(title.get("x")) + 6


def test_a_reference_is_drawn_at_its_value_and_named():
    line = Series("loss", ((1.0, 4.0), (2.0, 3.0)))
    root = parsed(line_chart("Loss", [line], x_label="x", y_label="y", references=[Reference("chance", 4.0)]))
    dashed = next(mark for mark in root.iter("line") if mark.get("class") == "reference-line")
    assert float(dashed.get("y1")) == pytest.approx(float(next(root.iter("circle")).get("cy")), abs=0.01)
    assert [label.text for label in texts(root, "direct-label")] == ["chance", "loss"]


def test_bars_span_their_bounds_and_a_dashed_line_has_no_dots():
    diagonal = Series("as sure as right", ((50.0, 50.0), (100.0, 100.0)), is_reference=True)
    line = Series("test", ((50.0, 40.0), (100.0, 90.0)), 0, ((20.0, 60.0), (80.0, 95.0)))
    root = parsed(line_chart("Accuracy", [diagonal, line], x_label="confidence", y_label="accuracy"))
    dashed = next(mark for mark in root.iter("path") if mark.get("class") == "reference-line")
    numbers = [float(number) for number in re.findall(r"[\d.]+", dashed.get("d"))]
    bars = [mark for mark in root.iter("line") if mark.get("class") == "spread"]
    circles = list(root.iter("circle"))
    assert len(bars) == len(circles) == 2
    heights = [float(bars[0].get(end)) for end in ("y1", "y2")]
    assert heights[0] - float(circles[0].get("cy")) == pytest.approx(float(circles[0].get("cy")) - heights[1], abs=0.02)
    # The diagonal at 50 lies a quarter of the bar's length from its upper end, 60.
    assert (numbers[1] - heights[1]) / (heights[0] - heights[1]) == pytest.approx(0.25, abs=0.01)
    assert {label.text for label in texts(root, "reference")} == {"as sure as right"}


def test_names_of_lines_that_end_together_do_not_overlap():
    lines = [Series(f"line {index}", ((1.0, 0.0), (2.0, 1.0 + index / 1000)), index) for index in range(4)]
    root = parsed(line_chart("Lines", lines, x_label="x", y_label="y"))
    heights = sorted(float(label.get("y")) for label in texts(root, "direct-label"))
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 14
    assert heights[0] > 0 and heights[-1] < 250


def test_one_point_and_equal_values_make_a_chart():
    for points in (((1.0, 2.0),), ((1.0, 2.0), (2.0, 2.0))):
        svg = str(line_chart("Flat", [Series("a", points)], x_label="x", y_label="y"))
        assert "nan" not in svg and "inf" not in svg


def test_dots_show_mean_and_spread():
    rows = [("encoder", [Dot(60.0, (50.0, 55.0, 75.0)), Dot(90.0)]), ("raw pixels", [Dot(40.0, (40.0, 40.0)), None])]
    root = parsed(dot_chart("Accuracy", ["10 %", "100 %"], rows, x_label="labels", y_label="%"))
    spread = next(mark for mark in root.iter("line") if mark.get("class") == "spread")
    circles = list(root.iter("circle"))
    assert len(circles) == 3
    top, bottom, mean = float(spread.get("y2")), float(spread.get("y1")), float(circles[0].get("cy"))
    assert (bottom - mean) / (mean - top) == pytest.approx(10 / 15, abs=0.01)
    assert circles[0].find("title").text == "encoder: 60.0000, 3 draws from 50.0000 to 75.0000"
    assert {label.text for label in texts(root, "direct-label")} == {"encoder", "raw pixels"}


def test_names_are_escaped():
    svg = str(line_chart("<b>", [Series("<script>", ((1.0, 2.0), (2.0, 1.0)))], x_label='"x"', y_label="&"))
    assert "<script>" not in svg and "<b>" not in svg
    assert parsed(svg).get("aria-label") == "<b>"
