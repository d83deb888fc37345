"""The table of the baselines: for each fraction of the labels, the probe of the pretrained encoder comes first."""

import dataclasses

from components.report.baselines_section import baselines_section
from components.report.config import ReportConfig
from components.report.page import render_page

from .conftest import make_baselines


def test_methods_stand_beside_each_other_at_each_fraction():
    section = baselines_section(make_baselines())
    names = ["pretrained encoder, linear probe", "trained from scratch", "fine-tuned, all layers"]
    assert [row[0] for row in section.rows] == names * 2
    shown = [[value.replace("\N{NO-BREAK SPACE}", " ") for value in row[1:]] for row in section.rows]
    assert shown[0] == ["10 %", "6", "60.00 %", "55.0 to 65.0", "10.00", "", "", ""]
    assert shown[1] == ["10 %", "6", "50.00 %", "45.0 to 55.0", "10.00", "-10.0", "-14.0 to -6.0", "worse"]
    assert shown[2][5:] == ["+15.0", "+11.0 to +19.0", "better"]
    assert shown[5] == ["100 %", "60", "85.00 %", "80.0 to 90.0", "", "+1.7", "-2.3 to +5.7", "not told apart"]
    assert all(len(row) == len(section.heads) for row in section.rows)
    assert "the same 12 test images" in section.note and "192,000 images" in section.note


def test_the_page_has_the_table_where_there_are_baselines(record):
    page = render_page(record, ReportConfig(), None)
    assert "What pretraining was worth against training" in page
    assert "trained from scratch" in page
    without = render_page(dataclasses.replace(record, baselines=None), ReportConfig(), None)
    assert "against training" not in without
