"""``simclr run``: runs the whole pipeline on this machine."""

import argparse
import pathlib
import sys

from pipeline.commands import command_line, next_steps

_EXIT_NOT_BLESSED = 3


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command_line.add_command(commands, "run", _run, "Run the whole pipeline on this machine.")
    command_line.add_config_arguments(parser)
    parser.add_argument(
        "--workdir",
        type=pathlib.Path,
        help="work directory of all runs of one pipeline (default: runs/<name of the config>)",
    )
    parser.add_argument("--data", help="folder or URI of the images (default: the bundled data of the config)")
    parser.add_argument("--runner", choices=("local", "beam"), default="local", help="LocalDagRunner or BeamDagRunner")
    parser.add_argument("--require-blessing", action="store_true", help="exit with 3 if the model is not blessed")


def _run(arguments: argparse.Namespace) -> int:
    from pipeline import config as pipeline_config
    from pipeline import local_runner
    from pipeline.workdir import Workdir, check_place

    config = pipeline_config.load(arguments.config, tuple(arguments.overrides))
    folder = (arguments.workdir or command_line.workdir_of(arguments.config)).resolve()
    check_place(str(folder), "--workdir")
    data_root = _data_root(arguments, has_bundled_data=config.bundled_data is not None)
    workdir = Workdir(folder, data_root or str(Workdir(folder, "").bundled_data))
    finished = local_runner.run(config, workdir, local_runner.RunnerKind(arguments.runner))
    sys.stdout.write(f"{finished.outcome.text()}\nLog        {workdir.log(finished.run_id)}\n")
    if not finished.outcome.is_blessed:
        for title, line in next_steps.lines(arguments, str(folder), finished.outcome.failed):
            sys.stdout.write(f"{title:<11}{line}\n")
    if arguments.require_blessing and not finished.outcome.is_blessed:
        return _EXIT_NOT_BLESSED
    return 0


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
