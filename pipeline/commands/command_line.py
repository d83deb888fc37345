"""Arguments and functions that several commands share."""

import argparse
import difflib
import importlib
import os
import pathlib
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.workdir import Workdir


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    """Add a command, or an action of one, that calls ``command`` with the parsed arguments; ``text`` is its help."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=command, command_parser=parser)
    return parser


def parse(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line; an unknown argument ends the process with the usage of the command that it was given to."""
    parsed, unknown = parser.parse_known_args(words)
    if unknown:
        parsed.command_parser.error(f"unrecognized arguments: {' '.join(unknown)}{_hint(parsed, unknown)}")
    return parsed


def _hint(parsed: argparse.Namespace, unknown: Sequence[str]) -> str:
    """What the first unknown option may have been meant for: another option, or a setting."""
    option, _, value = unknown[0].partition("=")
    if not option.startswith("--"):
        return ""
    known = parsed.command_parser.format_usage().replace("[", " ").replace("]", " ").split()
    options = sorted({word for word in known if word.startswith("--")})
    if close := difflib.get_close_matches(option, options, n=1):
        return f"; did you mean {close[0]}?"
    if "config" not in parsed or "overrides" not in parsed:
        return ""
    from pipeline import config as pipeline_config

    value = value or next(iter(unknown[1:]), "VALUE")
    keys = pipeline_config.keys_like(option.removeprefix("--").replace("-", "_"))
    return f"; settings are changed with --set, such as --set {keys[0]}={value}" if keys else ""


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


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, ``--version`` and ``--workdir``, which ``find_model`` reads."""
    parser.add_argument(
        "--model",
        required=True,
        help="<registry>/<model name>, the folder of one version, or `candidate` with --workdir: the latest model of a "
        "work directory that was not blessed",
    )
    parser.add_argument(
        "--version", default="blessed", help="alias (blessed, previous, candidate) or number; default: blessed"
    )
    parser.add_argument("--workdir", type=pathlib.Path, help="work directory of the runs, for `--model candidate`")


def find_model(arguments: argparse.Namespace) -> tuple[str, str]:
    """Arguments of ``load_encoder`` for what ``add_model`` was given: a path, and the version's name.

    Raises:
        RegistryError: the work directory holds no candidate, or several models.
    """
    from components.export import registry
    from pipeline.workdir import Workdir

    if arguments.model != registry.CANDIDATE:
        return arguments.model, arguments.version
    if arguments.workdir is None:
        raise registry.RegistryError(
            "--model candidate: expected --workdir, the work directory of the runs, found none"
        )
    folder = pathlib.Path(Workdir(arguments.workdir.resolve(), "").registry)
    return str(folder / registry.only_model(folder)), registry.CANDIDATE


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what names a run: config, work directory and data."""
    add_config_arguments(parser)
    parser.add_argument(
        "--workdir",
        type=pathlib.Path,
        help="work directory of all runs of one pipeline (default: runs/<name of the config>)",
    )
    parser.add_argument("--data", help="folder or URI of the images (default: the bundled data of the config)")


def workdir_of_run(arguments: argparse.Namespace, has_bundled_data: bool) -> "Workdir":
    """The places that the arguments of ``add_run_arguments`` name.

    Raises:
        ConfigError: the folder of images does not exist, or there is none, or the work directory has a path that TFX
            would take for a file pattern.
    """
    from pipeline.workdir import Workdir, check_place

    folder = (arguments.workdir or workdir_of(arguments.config)).resolve()
    check_place(str(folder), "--workdir")
    return Workdir(folder, _data_root(arguments, has_bundled_data) or str(Workdir(folder, "").bundled_data))


def _data_root(arguments: argparse.Namespace, has_bundled_data: bool) -> str | None:
    """The folder or URI of the images; None for the bundled data of the config."""
    from components.contracts.configuration import ConfigError
    from components.contracts.paths import is_uri

    if arguments.data is None:
        if not has_bundled_data:
            raise ConfigError(f"--config {arguments.config} has no bundled data: name a folder of images with --data")
        return None
    if is_uri(arguments.data):
        return arguments.data
    folder = pathlib.Path(arguments.data).resolve()
    if not folder.is_dir():
        raise ConfigError(f"--data {arguments.data}: expected a folder of images, found none at {folder}")
    return str(folder)


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
