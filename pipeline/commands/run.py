"""``simclr run``: runs the whole pipeline on this machine."""

import argparse
import sys

from pipeline.commands import command_line, next_steps

_EXIT_NOT_BLESSED = 3


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command_line.add_command(commands, "run", _run, "Run the whole pipeline on this machine.")
    command_line.add_run_arguments(parser)
    parser.add_argument("--runner", choices=("local", "beam"), default="local", help="LocalDagRunner or BeamDagRunner")
    parser.add_argument("--require-blessing", action="store_true", help="exit with 3 if the model is not blessed")


def _run(arguments: argparse.Namespace) -> int:
    from pipeline import config as pipeline_config
    from pipeline import local_runner

    config = pipeline_config.load(arguments.config, tuple(arguments.overrides))
    workdir = command_line.workdir_of_run(arguments, has_bundled_data=config.bundled_data is not None)
    finished = local_runner.run(config, workdir, local_runner.RunnerKind(arguments.runner))
    sys.stdout.write(f"{finished.outcome.text()}\nLog        {workdir.log(finished.run_id)}\n")
    if not finished.outcome.is_blessed:
        for title, line in next_steps.lines(arguments, str(workdir.path), finished.outcome):
            sys.stdout.write(f"{title:<11}{line}\n")
    if arguments.require_blessing and not finished.outcome.is_blessed:
        return _EXIT_NOT_BLESSED
    return 0
