"""``simclr report``: compares two runs on one page. Imports lazily, as ``cli`` does."""

import argparse
import pathlib
import sys

from components.contracts.paths import is_uri
from pipeline.commands import command_line


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``report``."""
    parser = command_line.add_command(commands, "report", _report, "Compare two runs on one HTML page.")
    parser.add_argument(
        "--compare",
        nargs=2,
        required=True,
        metavar=("RUN_A", "RUN_B"),
        help="each is the id of a run (`simclr run` prints it) or `latest`, a version in the registry (number, blessed "
        "or previous; MODEL:VERSION if there are several models), or the path of a work directory or report",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workdir",
        type=pathlib.Path,
        default=command_line.workdir_of("digits"),
        help="work directory that has these ids and versions (default: %(default)s)",
    )
    where.add_argument(
        "--cluster",
        action="store_true",
        help="look up ids in the ML Metadata that SIMCLR_METADATA_CONNECTION names; artifacts must be reachable",
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=pathlib.Path("comparison.html"),
        help="page to write (default: %(default)s)",
    )


def _report(arguments: argparse.Namespace) -> int:
    from components.report.config import ReportConfig
    from components.report.page import render_comparison
    from components.report.run_record import read_run, read_trace
    from pipeline.metadata import run_lookup

    workdir = None if arguments.cluster else arguments.workdir.resolve()
    folders = [run_lookup.report_folder(name, workdir) for name in arguments.compare]
    first, second = (read_run(_read, read_trace(_read, folder)) for folder in folders)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(render_comparison(first, second, ReportConfig()), encoding="utf-8")
    sys.stdout.write(f"{arguments.output}\n")
    return 0


def _read(path: str) -> bytes | None:
    """Content of a file, None if it does not exist. TFX is loaded only for files on another machine."""
    if is_uri(path):
        command_line.silence_libraries()
        from components.report.executor import read

        return read(path)
    file = pathlib.Path(path)
    return file.read_bytes() if file.exists() else None
