"""A work directory is for one run at a time, and its report is that of the latest run or not there."""

import pytest

from components.ingestion.decoding.refusals import SourceError
from pipeline import local_runner
from pipeline.config import PipelineConfig
from pipeline.local import journal
from pipeline.workdir import Workdir


def test_a_second_run_in_a_work_directory_is_refused_until_the_first_ends(tmp_path):
    with (
        local_runner.sole_use(tmp_path / "work"),
        pytest.raises(local_runner.WorkdirInUseError, match=r"another run is using .*work; wait until it ends"),
        local_runner.sole_use(tmp_path / "work"),
    ):
        pass
    with local_runner.sole_use(tmp_path / "work"):
        pass


def test_a_failed_run_leaves_no_report_that_looks_like_its_own(tmp_path):
    (tmp_path / "data").mkdir()
    workdir = Workdir(tmp_path / "work", str(tmp_path / "data"))
    workdir.path.mkdir()
    workdir.report.write_text("of the first run")
    with pytest.raises(SourceError):
        local_runner.run(PipelineConfig(), workdir, local_runner.RunnerKind.LOCAL)
    assert not workdir.report.exists() and workdir.earlier_report.read_text() == "of the first run"
    [row] = journal.rows(workdir)
    assert (row.verdict, row.accuracy) == ("failed", "")
