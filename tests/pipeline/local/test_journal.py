"""The list of runs: what differs, how each ended, and that it needs no framework."""

import dataclasses
import pathlib
import subprocess
import sys

import pytest

from components.contracts.evidence import Verdict
from components.contracts.record_files import RecordError
from pipeline import cli
from pipeline.config import PipelineConfig
from pipeline.local import journal
from pipeline.workdir import Workdir
from tests.components.evidence_records import make_features, make_probe
from tests.pipeline.local.test_outcome import make_outcome


@pytest.fixture
def workdir(tmp_path) -> Workdir:
    return Workdir(tmp_path, "/photos")


CONFIG = PipelineConfig()
LONGER = dataclasses.replace(CONFIG, pretraining=dataclasses.replace(CONFIG.pretraining, epochs=7))


def write_three(workdir: Workdir) -> None:
    from components.contracts.evidence import FeatureKind

    outcome = dataclasses.replace(
        make_outcome(Verdict.BLESSED), probe=make_probe(features={FeatureKind.ENCODER: make_features(0.9871)})
    )
    journal.finish(workdir, journal.start(workdir, "20260101-000000.1", CONFIG), outcome)
    journal.fail(workdir, journal.start(workdir, "20260102-000000.1", LONGER), "the disk is full")
    journal.start(dataclasses.replace(workdir, data_root="/others"), "20260103-000000.1", LONGER)


def test_each_run_has_its_end_and_what_differs_from_the_run_before(workdir):
    write_three(workdir)
    assert list(journal.rows(workdir)) == [
        journal.Row("20260101-000000.1", "blessed", "0.987", "the first run"),
        journal.Row("20260102-000000.1", "failed", "", "pretraining.epochs 100 → 7"),
        journal.Row("20260103-000000.1", "not ended", "", "data /photos → /others"),
    ]
    journal.start(dataclasses.replace(workdir, data_root="/others"), "20260104-000000.1", LONGER)
    assert list(journal.rows(workdir))[-1].changes == "same settings"


def test_the_command_prints_a_line_for_each(workdir, capsys):
    write_three(workdir)
    assert cli.main(["runs", "--workdir", str(workdir.path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "20260101-000000.1       blessed     0.987  the first run",
        "20260102-000000.1       failed             pretraining.epochs 100 → 7",
        "20260103-000000.1       not ended          data /photos → /others",
    ]
    assert cli.main(["runs", "--workdir", str(workdir.path / "nowhere")]) == 1
    assert "expected a work directory with runs, found none" in capsys.readouterr().err


def test_a_damaged_entry_is_named(workdir):
    write_three(workdir)
    path = workdir.log("20260102-000000.1").with_suffix("").with_name("20260102-000000.1.json")
    path.write_text(path.read_text().replace('"run"', '"rnu"'))
    with pytest.raises(RecordError, match=str(path)):
        list(journal.rows(workdir))


def test_the_list_needs_no_framework(workdir):
    write_three(workdir)
    code = (
        "import sys; from pipeline import cli; assert cli.main(sys.argv[1:]) == 0; "
        "assert not {'tensorflow', 'tfx', 'apache_beam', 'ml_metadata'} & set(sys.modules)"
    )
    words = [sys.executable, "-c", code, "runs", "--workdir", str(workdir.path)]
    subprocess.run(words, check=True, cwd=pathlib.Path(__file__).parents[3])
