"""Arguments and functions that several commands share."""

import argparse
import importlib
import os
import pathlib
import sys
import warnings
from collections.abc import Callable


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    """Add a command, or an action of one, that calls ``command`` with the parsed arguments; ``text`` is its help."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=command)
    return parser


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` and ``--set``."""
    parser.add_argument("--config", default="digits", help="name of a bundled config, or path of a YAML file")
    add_overrides(parser, "override one setting, such as pretraining.epochs=20; may be repeated")


def add_overrides(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ``--set`` for ``overrides.override``; ``text`` is its help."""
    parser.add_argument("--set", dest="overrides", metavar="KEY=VALUE", action="append", default=[], help=text)


def add_workdir(parser: argparse.ArgumentParser) -> None:
    """Add ``--workdir``, for commands about earlier runs."""
    parser.add_argument(
        "--workdir", type=pathlib.Path, required=True, help="work directory of the runs, such as runs/digits"
    )


def workdir_of(config: str) -> pathlib.Path:
    """Default work directory of a config, the same as in `make run`."""
    return pathlib.Path("runs", pathlib.Path(config).stem)


def silence_libraries() -> None:
    """Load TensorFlow without its messages about GPUs and Python, for short commands that have no log file.

    No variable silences TensorFlow 2.21 while it is loaded, so standard error goes to /dev/null meanwhile.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    warnings.simplefilter("ignore", FutureWarning)
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        importlib.import_module("tensorflow")
    finally:
        os.dup2(saved, 2)
        os.close(saved)
