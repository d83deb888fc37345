"""Which spans are trained on together, with ML Metadata as runs leave it."""

import pytest
from tfx.types import standard_artifacts

from components.contracts import artifact_files
from components.window.span_resolver import SpansInWindow


@pytest.fixture
def resolve(make_series):
    """A series of Examples, and which of them a run with ``current`` is given, by content."""
    series = make_series(standard_artifacts.Examples)

    def resolved(current, spans):
        found = SpansInWindow(spans).resolve_artifacts(
            series.store,
            {"current": [current], "examples": list(series.given), "clearance": list(series.clearances)},
        )
        assert (found["current"], found["clearance"]) == ([current], [])
        return [examples.get_string_custom_property(artifact_files.CONTENT_DIGEST) for examples in found["examples"]]

    return series, resolved


def test_the_first_runs_have_fewer_spans(resolve):
    series, resolved = resolve
    assert resolved(series.add(1, "one"), 3) == ["one"]
    assert resolved(series.add(2, "two"), 3) == ["two", "one"]


def test_the_last_spans_are_taken_whatever_their_numbers(resolve):
    series, resolved = resolve
    for span in (1, 8, 20, 22):
        series.add(span, f"span {span}")
    current = series.add(30, "span 30")
    assert resolved(current, 3) == ["span 30", "span 22", "span 20"]
    assert resolved(current, 9) == ["span 30", "span 22", "span 20", "span 8", "span 1"]
    assert resolved(current, 3) == ["span 30", "span 22", "span 20"]


def test_an_old_span_ingested_again_sees_nothing_later_and_counts_from_then_on(resolve):
    series, resolved = resolve
    for span in (1, 2, 3):
        series.add(span, f"span {span}")
    assert resolved(series.add(2, "span 2, mended"), 2) == ["span 2, mended", "span 1"]
    assert resolved(series.add(4, "span 4"), 4) == ["span 4", "span 3", "span 2, mended", "span 1"]


def test_refused_spans_and_other_sources_are_left_out(resolve):
    series, resolved = resolve
    series.add(1, "one")
    series.add(2, "two, refused", cleared=False)
    series.add(3, "views or another source", series="")
    assert resolved(series.add(4, "four"), 3) == ["four", "one"]


def test_without_examples_there_is_no_window(resolve):
    series, _ = resolve
    assert SpansInWindow(2).resolve_artifacts(series.store, {"current": []}) is None
