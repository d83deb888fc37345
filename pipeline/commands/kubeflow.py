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
        ("schedule", _schedule, _add_schedule_arguments, "Start runs again and again, never two at once."),
        ("backfill", _backfill, _add_backfill_arguments, "Run past spans in order, one at a time."),
        ("status", _status, _add_status_arguments, "List the latest runs on Kubeflow Pipelines."),
    ):
        parser = command_line.add_command(commands, name, command, text)
        command_line.add_config_arguments(parser)
        add_arguments(parser)


def _add_compile_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``simclr compile`` beside the config's."""
    parser.add_argument("--target", type=pathlib.Path, help="YAML file of a cluster; without it only the graph")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("pipeline.yaml"), help="the KFP v2 pipeline to write"
    )
    parser.add_argument(
        "--graph",
        type=pathlib.Path,
        help="the TFX IR to write, in a folder as <pipeline name>.json; by default <output>.ir.json",
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
    """Arguments of ``simclr submit`` beside the config's."""
    _add_run_arguments(parser)
    _add_span_range(parser)
    parser.add_argument("--name", help="of the run; by default that of the pipeline and the span")


def _submit(arguments: argparse.Namespace) -> int:
    """Start one run."""
    from pipeline.kfp import runs

    request = _run_request(arguments, arguments.span_range)
    name = arguments.name or f"{request['pipeline_name']} {arguments.span_range}"
    answer = runs.ask("submit", {**request, "run_name": name, "description": arguments.notes})
    sys.stdout.write(f"Run        {answer['run_id']}\nPage       {answer['url']}\n")
    return 0


def _add_schedule_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``simclr schedule`` beside the config's."""
    actions = ("create", "list", "pause", "resume", "delete")
    parser.add_argument("action", nargs="?", choices=actions, default="create", help="by default create")
    parser.add_argument("--cron", help='create: five fields, such as "0 2 * * MON"')
    parser.add_argument("--catch-up", action="store_true", help="create: make up for times when the server was down")
    parser.add_argument("--name", help="of the schedule; by default that of the pipeline")
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
            sys.stdout.write(f"{found['name']}  {found['cron']}  {state}  version {found['version_id']}\n")
    else:
        runs.ask(arguments.action, which)
        sys.stdout.write(f"{which['name']}: {arguments.action}d.\n")
    return 0


def _add_backfill_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``simclr backfill`` beside the config's."""
    parser.add_argument(
        "--spans", required=True, metavar="FIRST..LAST", help="which spans, as numbers or dates, such as 12..19"
    )
    parser.add_argument("--push", action="store_true", help="let a model that is good enough replace the one in use")
    _add_run_arguments(parser)


def _backfill(arguments: argparse.Namespace) -> int:
    """Run past spans, one after the other; without ``--push`` their models are measured only."""
    from pipeline.kfp import backfill as row

    spans = row.read_spans(arguments.spans)
    may_bless = f"gate.may_bless={'true' if arguments.push else 'false'}"
    request = _run_request(arguments, str(spans[0]), may_bless)
    row.run(spans, request, arguments.notes, _tell)
    return 0


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # hours may pass until the next


def _add_status_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``simclr status`` beside the config's."""
    parser.add_argument("--count", type=int, default=10, help="how many runs")


def _status(arguments: argparse.Namespace) -> int:
    """Print the latest runs, newest first."""
    from pipeline import config as pipeline_config
    from pipeline.kfp import runs

    name = pipeline_config.load(arguments.config, tuple(arguments.overrides)).pipeline_name
    for run in runs.ask("status", {"pipeline_name": name, "count": arguments.count})["runs"]:
        sys.stdout.write(f"{run['run_id']}  {run['state']:<10} {run['created_at']}  {run['name']}\n")
    return 0


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", type=pathlib.Path, help="YAML of the cluster that is to run it")
    parser.add_argument(
        "--pipeline", type=pathlib.Path, default=pathlib.Path("pipeline.yaml"), help="compiled pipeline"
    )
    parser.add_argument("--data", help="path or URI of the images; by default the target's data_root")
    parser.add_argument("--notes", default="", help="the run's description")


def _add_span_range(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--span-range", default="latest", help="latest, a number, a date, or scheduled-date (of a schedule's run)"
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
