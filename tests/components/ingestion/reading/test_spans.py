"""Spans are found by the names of folders; the data root is never part of a pattern."""

import logging

import pytest

from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading import listing
from components.ingestion.reading.spans import Span, find_span


def _find(root, pattern, wanted=None):
    return find_span(listing.open_tree(str(root)), str(root), pattern, wanted)


def _make(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "1.jpg").write_bytes(b"x")


@pytest.mark.parametrize("name", ["day[12]", "day*", "day?", "a|b", "{SPAN}", "^day$"])
def test_no_sibling_of_the_root_is_looked_into(tmp_path, name):
    _make(tmp_path, f"{name}/span-3", "day1/span-9", "dayx/span-8")
    assert _find(tmp_path / name, "span-{SPAN}") == Span(3, 0)


@pytest.mark.parametrize(
    ("pattern", "names", "expected"),
    [
        ("span-{SPAN}", ["span-2", "span-10"], Span(10, 0)),
        ("{YYYY}/{MM}/{DD}/v{VERSION:2}", ["2026/01/31/v02", "2026/01/31/v10", "2025/12/31/v99"], Span(20484, 10)),
        ("{YYYY}{MM}{DD}", ["20260131", "20260201"], Span(20485, 0)),
        ("s.{SPAN:3}", ["s.007", "sx008"], Span(7, 0)),  # the dot is a dot
    ],
)
def test_the_latest_span_and_version(tmp_path, pattern, names, expected):
    _make(tmp_path, *names)
    assert _find(tmp_path, pattern) == expected


def test_folders_that_nearly_fit_are_told(tmp_path, caplog):
    _make(tmp_path, "span-1", "span-1O", "span-007", "notes")
    with caplog.at_level(logging.WARNING):
        assert _find(tmp_path, "span-{SPAN}") == Span(1, 0)
    assert "folders that are no span of span-{SPAN}: span-007, span-1O" in caplog.text
    with pytest.raises(SourceError, match=r"like ingestion.span_pattern = span-\{SPAN\} expected for span 5; folders"):
        _find(tmp_path, "span-{SPAN}", 5)


def test_a_date_that_does_not_exist_is_told(tmp_path):
    _make(tmp_path, "2026-02-30")
    with pytest.raises(SourceError, match="found a folder for 2026-02-30: day is out of range for month"):
        _find(tmp_path, "{YYYY}-{MM}-{DD}")


def test_no_sibling_of_a_remote_root_is_looked_into(tmp_path, in_memory):
    _make(tmp_path, "day[12]/span-3/deep", "day1/span-9")
    root = f"{in_memory(tmp_path)}/day[12]"
    assert _find(root, "span-{SPAN}") == Span(3, 0)
    assert [entry.path for entry in listing.open_tree(root).walk()] == ["span-3/deep/1.jpg"]
    assert listing.open_tree(root).subfolders("span-3") == ["deep"]
