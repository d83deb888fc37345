import dataclasses

from components.report.data_section import data_section
from tests.components.example_records import INGESTION


def test_the_white_of_16_bits_is_told_where_there_are_such_images():
    deep = dataclasses.replace(INGESTION, white_level=4095, bits_of_deep_images={"10": 2, "12": 1058})
    facts = dict(data_section(deep).facts)
    assert facts["white in images of 16 bits"] == "4,095 (they use 10 bits: 2, 12 bits: 1,058)"
    assert "white in images of 16 bits" not in dict(data_section(INGESTION).facts)
