"""The set-up of every process of a run."""

import subprocess
import sys

import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, S3Options

from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading import listing
from pipeline.node import process


def test_a_file_name_is_no_message_of_its_own_in_the_log():
    script = (
        "import logging; from pipeline.node import process; process.configure_logging(); "
        "logging.getLogger('x').info('left out: %s', 'a.png\\n2026-01-01 Gate INFO blessed \\x1b[2K')"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, second = finished.stderr.splitlines()
    assert first.endswith(" x INFO left out: a.png")
    assert second == "    2026-01-01 Gate INFO blessed \\x1b[2K"


def test_filesystems_know_beams_options_before_there_is_a_pipeline(monkeypatch):
    monkeypatch.setattr(FileSystems, "_pipeline_options", None)
    process.open_filesystems(["--s3_endpoint_url=http://127.0.0.1:9"])
    assert isinstance(FileSystems._pipeline_options, PipelineOptions)
    assert FileSystems._pipeline_options.view_as(S3Options).s3_endpoint_url == "http://127.0.0.1:9"
    with pytest.raises(SourceError, match=r"data root s3://bucket/images: cannot be listed: (?!.*client or options)"):
        list(listing.open_tree("s3://bucket/images").walk())
