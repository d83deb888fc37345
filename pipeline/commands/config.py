"""``simclr config``: lists the bundled configs, and prints a config or what a config may hold."""

import argparse
import json
import sys

from pipeline.commands import command_line


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the group."""
    parser = commands.add_parser("config", help="Show settings.", description="Show settings.")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    command_line.add_command(actions, "list", _list, "List the bundled configs.")
    for name, command, text in (
        ("show", _show, "Print the config with every default written out."),
        ("describe", _describe, "Print every setting with its value and its meaning."),
    ):
        command_line.add_config_arguments(command_line.add_command(actions, name, command, text))
    command_line.add_command(
        actions, "schema", _schema, "Print a JSON Schema, from which editors complete and check config files."
    )


def _list(arguments: argparse.Namespace) -> int:
    from pipeline import config_files

    del arguments
    names = config_files.names()
    width = max(map(len, names))
    for name in names:
        sys.stdout.write(f"{name:<{width}}  {config_files.summary(name)}\n")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from pipeline import config as pipeline_config

    sys.stdout.write(pipeline_config.to_yaml(pipeline_config.load(arguments.config, tuple(arguments.overrides))))
    return 0


def _describe(arguments: argparse.Namespace) -> int:
    from pipeline import config as pipeline_config

    config = pipeline_config.load(arguments.config, tuple(arguments.overrides))
    for key, value, description in pipeline_config.describe(config):
        sys.stdout.write(f"{key} = {value}\n    {description}\n")
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from pipeline import config as pipeline_config

    del arguments
    sys.stdout.write(json.dumps(pipeline_config.json_schema(), indent=2, ensure_ascii=False) + "\n")
    return 0
