"""``simclr compile``, ``submit``, ``schedule``, ``backfill`` and ``status``: the graph on Kubeflow. Imports lazily."""

import argparse
import pathlib
import sys
from typing import Any

from pipeline.commands import command_line


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands."""
    for name, command, add_arguments, text in (
        ("compile", _compile, _add_compile_arguments, "Write the graph and its Kubeflow pipeline."),
        ("submit", _submit, _add_submit_arguments, "Start a run on Kubeflow Pipelines."),
        ("schedule", _schedule, _add_schedule_arguments, "Start runs on a schedule, never two at once."),
        ("backfill", _backfill, _add_backfill_arguments, "Run past spans in order, one at a time."),
        ("status", _status, _add_status_arguments, "List the latest runs on Kubeflow Pipelines."),
    ):
        parser = command_line.add_command(commands, name, command, text)
        command_line.add_config_arguments(parser)
        add_arguments(parser)


def _add_compile_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``simclr compile``, without those of the config."""
    parser.add_argument(
        "--target", type=pathlib.Path, help="YAML file of a cluster; without it, only the graph is written"
    )
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("pipeline.yaml"), help="the KFP v2 pipeline to write"
    )
    parser.add_argument(
        "--graph",
        type=pathlib.Path,
        help="the TFX IR to write; in a folder, <pipeline name>.json (default: <output>.ir.json)",
    )


def _compile(arguments: argparse.Namespace) -> int:
    """Write the TFX IR and, with a target, the KFP pipeline."""
    from pipeline import config as pipeline_config
    from pipeline import ir_file
    from pipeline.kfp import compilation
    from pipeline.kfp import target as targets

    config = pipeline_config.load(arguments.config, tuple(arguments.overrides))
    target = targets.load(arguments.target) if arguments.target else None
    graph = compilation.compile_graph(config)
    if target:
        compilation.check(config, target, str(arguments.target), ir_file.node_ids(graph))
    graph_path = arguments.graph or arguments.output.with_suffix(".ir.json")
    if graph_path.is_dir():  # an image's graph_folder
        graph_path /= f"{config.pipeline_name}.json"
    graph_path.parent.mkdir(parents=True, exist_ok=True)
    graph_path.write_text(graph, encoding="utf-8")
    sys.stdout.write(f"Graph      {graph_path} (digest {ir_file.digest(graph)})\n")
    if target:
        if target.has_moving_image:
            sys.stderr.write(f"Warning: {arguments.target}: image: {target.image} has no digest, so it may change\n")
        compilation.emit(compilation.job(config, target, graph), arguments.output)
        sys.stdout.write(f"Pipeline   {arguments.output}\n")
    return 0


def _add_submit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``simclr submit``, without those of the config."""
    _add_run_arguments(parser)
    _add_span_range(parser)
    parser.add_argument("--name", help="name of the run (default: pipeline name and span)")


def _submit(arguments: argparse.Namespace) -> int:
    """Start one run."""
    from pipeline.kfp import runs

    request = _run_request(arguments, arguments.span_range)
    name = arguments.name or f"{request['pipeline_name']} {arguments.span_range}"
    answer = runs.ask("submit", {**request, "run_name": name, "description": arguments.notes})
    sys.stdout.write(f"Run        {answer['run_id']}\nPage       {answer['url']}\n")
    return 0


def _add_schedule_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``simclr schedule``, without those of the config."""
    actions = ("create", "list", "pause", "resume", "delete")
    parser.add_argument("action", nargs="?", choices=actions, default="create", help="default: create")
    parser.add_argument("--cron", help='create: five fields, such as "0 2 * * MON"')
    parser.add_argument(
        "--catch-up", action="store_true", help="create: run later what was due while the server was down"
    )
    parser.add_argument("--name", help="name of the schedule (default: name of the pipeline)")
    _add_run_arguments(parser)
    _add_span_range(parser)


def _schedule(arguments: argparse.Namespace) -> int:
    """Create, list, pause, resume or delete schedules."""
    from components.contracts.configuration import ConfigError
    from pipeline import config as pipeline_config
    from pipeline.kfp import cron, runs

    pipeline_name = pipeline_config.load(arguments.config, tuple(arguments.overrides)).pipeline_name
    which = {"pipeline_name": pipeline_name, "name": arguments.name or pipeline_name}
    if arguments.action == "create":
        if arguments.cron is None:
            raise ConfigError('--cron: required to create a schedule, such as --cron "0 2 * * MON"')
        when = {"cron": cron.with_seconds(arguments.cron), "catch_up": arguments.catch_up}
        request = _run_request(arguments, arguments.span_range)
        runs.ask("schedule", {**request, **which, **when, "description": arguments.notes})
        sys.stdout.write(f"{which['name']} runs at {arguments.cron}.\n")
    elif arguments.action == "list":
        for found in runs.ask("list_schedules", which)["schedules"]:
            state = "on" if found["is_on"] else "paused"
            _tell(f"{found['name']}  {found['cron']}  {state}  version {found['version_id']}")
    else:
        runs.ask(arguments.action, which)
        sys.stdout.write(f"{which['name']}: {arguments.action}d.\n")
    return 0


def _add_backfill_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``simclr backfill``, without those of the config."""
    parser.add_argument(
        "--spans", required=True, metavar="FIRST..LAST", help="spans to run, as numbers or dates, such as 12..19"
    )
    parser.add_argument(
        "--push", action="store_true", help="push a model that is good enough, so that it replaces the one in use"
    )
    _add_run_arguments(parser)


def _backfill(arguments: argparse.Namespace) -> int:
    """Run past spans, one after the other; without ``--push`` their models are measured but not pushed."""
    from pipeline.kfp import backfill as row

    spans = row.read_spans(arguments.spans)
    may_bless = f"gate.may_bless={'true' if arguments.push else 'false'}"
    request = _run_request(arguments, str(spans[0]), may_bless)
    row.run(spans, request, arguments.notes, _tell)
    return 0


def _tell(line: str) -> None:
    from components.contracts.plain_text import printable

    sys.stdout.write(f"{printable(line)}\n")
    sys.stdout.flush()  # the next line may come hours later


def _add_status_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``simclr status``, without those of the config."""
    parser.add_argument("--count", type=int, default=10, help="number of runs (default: 10)")


def _status(arguments: argparse.Namespace) -> int:
    """Print the latest runs, newest first."""
    from pipeline import config as pipeline_config
    from pipeline.kfp import runs

    name = pipeline_config.load(arguments.config, tuple(arguments.overrides)).pipeline_name
    for run in runs.ask("status", {"pipeline_name": name, "count": arguments.count})["runs"]:
        _tell(f"{run['run_id']}  {run['state']:<10} {run['created_at']}  {run['name']}")
    return 0


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", type=pathlib.Path, help="YAML file of the cluster to run on")
    parser.add_argument(
        "--pipeline", type=pathlib.Path, default=pathlib.Path("pipeline.yaml"), help="compiled pipeline"
    )
    parser.add_argument("--data", help="path or URI of the images (default: the target's data_root)")
    parser.add_argument("--notes", default="", help="description of the run")


def _add_span_range(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--span-range",
        default="latest",
        help="latest, a number, a date, or, for a schedule, scheduled-date (the date of each run)",
    )


def _run_request(arguments: argparse.Namespace, span_range: str, *overrides: str) -> dict[str, Any]:
    from components.contracts.configuration import ConfigError
    from pipeline import config as pipeline_config
    from pipeline.kfp import runs
    from pipeline.kfp import target as targets

    if arguments.target is None:
        raise ConfigError("--target: required, the YAML file of a cluster, such as those in kubeflow/targets/")
    config = pipeline_config.load(arguments.config, (*arguments.overrides, *overrides))
    target = targets.load(arguments.target)
    return runs.run_request(config, target, str(arguments.target), arguments.pipeline, arguments.data, span_range)
