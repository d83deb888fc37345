"""Ticks, ranges, and numbers as text."""

import math

import pytest

from components.report.scales import (
    Scale,
    byte_size,
    duration,
    padded_range,
    percent,
    round_step,
    share,
    significant,
    tick_text,
    told_apart,
)


def test_a_scale_maps_its_ends():
    scale = Scale(10.0, 20.0, 100.0, 0.0)
    assert (scale(10), scale(15), scale(20)) == (100.0, 50.0, 0.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3.3, 6.4, [4, 5, 6]),
        (-3.4, 0.8, [-3, -2, -1, 0]),
        (0, 40, [0, 10, 20, 30, 40]),
    ],
)
def test_ticks_are_round_and_within_the_range(low, high, expected):
    assert Scale(low, high, 0, 1).ticks(5) == pytest.approx(expected)


@pytest.mark.parametrize(("step", "expected"), [(1, 1), (1.1, 2), (2.1, 2.5), (0.03, 0.05), (700, 1000)])
def test_round_steps(step, expected):
    assert math.isclose(round_step(step), expected)


def test_ranges_leave_air_unless_an_end_is_fixed():
    low, high = padded_range([1.0, 2.0])
    assert low < 1 and high > 2
    assert padded_range([0.2, 0.9], low=0.0, high=1.0) == (0.0, 1.0)
    low, high = padded_range([5.0, 5.0])
    assert low < 5 < high


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([0.0, 0.5, 1.0], ["0.0", "0.5", "1.0"]),
        ([0.0, 0.25, 0.5], ["0.00", "0.25", "0.50"]),
        ([0, 2.5, 5], ["0.0", "2.5", "5.0"]),
        ([0, 1000, 2000], ["0", "1,000", "2,000"]),
        ([0, 0.0001, 0.0002], ["0.0000", "1.0e-4", "2.0e-4"]),
    ],
)
def test_tick_texts_tell_neighbours_apart(ticks, texts):
    assert [tick_text(tick, ticks) for tick in ticks] == texts


def test_numbers_for_people():
    assert percent(0.98512) == "98.5\N{NO-BREAK SPACE}%"
    assert [significant(value) for value in (1437, 12.0, 0.98765, 3.468123)] == ["1,437", "12", "0.9877", "3.468"]
    assert [duration(value) for value in (4.21, 200, 7500)] == ["4.2 s", "3 min 20 s", "2 h 5 min"]
    assert [byte_size(value) for value in (12, 1234, 12_345_678)] == ["12 B", "1.23 kB", "12.3 MB"]


@pytest.mark.parametrize(("fraction", "text"), [(1.0, "100"), (0.01, "1"), (0.005, "0.5")])
def test_parts_keep_their_decimals(fraction, text):
    assert share(fraction) == f"{text}\N{NO-BREAK SPACE}%"


def test_an_interval_that_holds_zero_tells_nothing_apart():
    assert [told_apart(*ends) for ends in ((0.1, 0.3), (-0.3, -0.1), (-0.1, 0.1), (0.0, 0.2))] == [
        "better",
        "worse",
        "not told apart",
        "not told apart",
    ]
