"""A work directory is for one run at a time."""

import pytest

from pipeline import local_runner


def test_a_second_run_in_a_work_directory_is_refused_until_the_first_ends(tmp_path):
    with (
        local_runner._sole_use(tmp_path / "work"),
        pytest.raises(local_runner.WorkdirInUseError, match=r"another run is using .*work; wait until it ends"),
        local_runner._sole_use(tmp_path / "work"),
    ):
        pass
    with local_runner._sole_use(tmp_path / "work"):
        pass
