"""The commands people type.

Commands import lazily: TFX takes ten seconds and more, while ``--help`` or a config error should take about one.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from pipeline.commands import config, embedding, kubeflow, registry, report, run, schema, transfer

_GROUPS = (run, kubeflow, config, schema, report, registry, embedding, transfer)
_EXIT_FAILED = 1
_EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words of the command line; by default those of this process.

    Returns:
        0 for success, 1 for a failed run or a refused request, 2 for wrong usage or a config that can't be used, 3 if
        ``--require-blessing`` was given and the model is not blessed.
    """
    parsed = _parser().parse_args(arguments)
    from components.contracts.configuration import ConfigError

    # TensorFlow's C++ code reads this variable when it is loaded, before any Python setting could take effect.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return parsed.command(parsed)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_USAGE
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. Run the same command to continue from here.\n")
        return 130
    except Exception as error:
        sys.stderr.write(f"Error: {_cause(error)}\n")
        return _EXIT_FAILED


def _cause(error: BaseException) -> str:
    """The innermost message; Beam wraps the exception of a step and appends the name of the transform."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).partition(" [while running ")[0] or type(error).__name__


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="simclr", description="Turn images with few labels into a registered image encoder."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for group in _GROUPS:
        group.add(commands)
    return parser
