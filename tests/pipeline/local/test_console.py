"""Progress goes to the terminal, everything else to the log file."""

import logging
import os
import subprocess
import sys

from components.contracts import progress
from pipeline.local import console as console_module

_SCRIPT = """
import logging, os, pathlib, sys
from components.contracts import progress
from pipeline.local import console as module
with module.quiet_streams(pathlib.Path(sys.argv[1])) as console:
    os.write(1, b"noise from C++ on 1\\n")
    os.write(2, b"noise from C++ on 2\\n")
    sys.stdout.write("noise from Python\\n")
    console.line("for the person")
sys.stdout.write("after\\n")
"""


def test_noise_goes_to_the_log_and_lines_to_the_person(tmp_path):
    log = tmp_path / "logs" / "run.log"
    finished = subprocess.run([sys.executable, "-c", _SCRIPT, str(log)], capture_output=True, text=True, check=True)
    assert finished.stderr == "for the person\n"
    assert finished.stdout == "after\n"
    assert log.read_text() == "noise from C++ on 1\nnoise from C++ on 2\nnoise from Python\n"


def _console(tmp_path):
    path = tmp_path / "console"
    return path, console_module.Console(os.open(path, os.O_WRONLY | os.O_CREAT))


def test_nodes_are_recognised_under_both_runners(tmp_path):
    _, console = _console(tmp_path)
    seen = []
    started, finished = lambda node: seen.append(("start", node)), lambda node: seen.append(("finish", node))
    logger = logging.getLogger("absl")
    logger.setLevel(logging.INFO)
    with console_module.show_progress(console, started, finished):
        logger.info("Component %s is running.", "A")
        logger.info("node %s is finished.", "B")
        logger.info("Component %s is tired.", "C")
    logger.info("Component %s is running.", "after")
    assert seen == [("start", "A"), ("finish", "B")]


def test_a_line_stays_one_line(tmp_path):
    path, console = _console(tmp_path)
    console.line("Not embedded: a.png\n\x1b[1AVerdict    blessed")
    assert path.read_text() == "Not embedded: a.png\\n\\x1b[1AVerdict    blessed\n"


def test_progress_is_drawn_without_a_terminal_as_a_line(tmp_path):
    path, console = _console(tmp_path)
    logging.getLogger(progress.LOGGER_NAME).setLevel(logging.INFO)
    with console_module.show_progress(console, print, print):
        progress.report_progress(5, 10, "epoch 1/2")
        progress.report_progress(6, 10, "too soon for another line")
    assert path.read_text().splitlines() == [f"    {'█' * 12}{'░' * 12}  50 % 5/10 epoch 1/2"]


def test_the_line_of_the_end_is_written_once_and_at_once(tmp_path):
    path, console = _console(tmp_path)
    for done in (1, 9, 10, 10):
        console.bar(done, 10, "features")
    assert [line.split()[3] for line in path.read_text().splitlines()] == ["1/10", "10/10"]


def test_time_left_follows_the_speed_of_this_work():
    estimate = console_module._TimeLeft()
    reports = [(0, 100, 0.0), (10, 100, 10.0), (50, 100, 50.0), (100, 100, 100.0), (0, 600, 200.0), (10, 600, 220.0)]
    found = [estimate.after(*report) for report in reports]
    assert found == ["", ", 2 min left", ", 50 s left", "", "", ", 20 min left"]
