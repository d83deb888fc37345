"""Entry point of a container: runs one node of the compiled graph in this process.

Its arguments name the run and all parameters; its result is the node's state in ML Metadata. The exit code is 0 only if
the node is complete or came from the cache. A retry with the same run id joins the same execution. ``--check`` only
prepares the node: see ``NodeLaunch``.
"""

import argparse
import contextlib
import logging
import os
import pathlib
import sys
from collections.abc import Sequence

from components.contracts.configuration import ConfigError
from components.contracts.paths import is_uri
from components.contracts.plain_text import printable_lines
from pipeline import error_messages, ir_file, run_parameters
from pipeline.config import PipelineConfig
from pipeline.node import initial_weights, process, settings

_logger = logging.getLogger(__name__)

_EXIT_FAILED = 1
_EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or check one node.

    Returns:
        0 if the node is complete or came from the cache (with ``--check``: if the answer is written), 1 if it failed,
        could not get its inputs or was skipped, or gave too few images for the steps after it, 2 for parameters that
        can't be used.
    """
    parsed = _parser().parse_args(arguments)
    if parsed.check or not parsed.gpus:
        process.hide_gpus()
    try:
        text = ir_file.read(parsed.ir, parsed.ir_digest)
        rooms = {room: getattr(parsed, room) for room in run_parameters.ROOMS}
        config = run_parameters.read(ir_file.pipeline_name(text), rooms, parsed.span_range)
        _check_graph(text, config)
        _check_gpus_of_config(parsed.node, parsed.gpus, config)
        return _run(parsed, text, config)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_USAGE
    except Exception as error:
        _logger.exception("%s failed", parsed.node)
        sys.stderr.write(f"Error: {printable_lines(error_messages.sentence(error))}\n")
        return _EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.run_node", description=__doc__.partition("\n")[0])
    process.add_run_arguments(parser)
    parser.add_argument("--node", required=True, help="id of the node")
    parser.add_argument("--gpus", type=int, required=True, help="number of GPUs of the node; 0 hides all GPUs")
    parser.add_argument(
        "--training-lease", help="JSON of TrainingLease, for a node that trains: no other run trains then"
    )
    parser.add_argument(
        "--check",
        type=pathlib.Path,
        metavar="FILE",
        help="only prepare the node and write to this file whether there is work",
    )
    parser.add_argument("--pipeline-root", required=True, help="path or URI of artifacts and checkpoints")
    parser.add_argument("--registry", required=True, help="folder of the model registry")
    parser.add_argument("--data-root", required=True, help="path or URI of the images")
    parser.add_argument("--span-range", required=True, help="latest, a span number, or a date")
    for room in run_parameters.ROOMS:
        parser.add_argument(f"--{room.replace('_', '-')}", required=True, help="JSON of this config")
    return parser


def _check_graph(text: str, config: PipelineConfig) -> None:
    for node_id, room in settings.OPTIONAL_NODES.items():
        is_enabled, is_there = settings.is_enabled(node_id, config), node_id in ir_file.node_ids(text)
        if is_enabled != is_there:
            raise ConfigError(
                f"{room}.enabled is {str(is_enabled).lower()}, but the compiled graph has {'a' if is_there else 'no'} "
                f"node {node_id}: compile it again, or give the run the other value"
            )


def _check_gpus_of_config(node_id: str, gpus: int, config: PipelineConfig) -> None:
    room = settings.PLACED_NODES.get(node_id)
    if room and getattr(config, room).num_gpus != gpus:
        asked = getattr(config, room).num_gpus
        raise ConfigError(f"{room}.num_gpus is {asked}, but {node_id} runs with {gpus} GPUs: make them equal")


def _run(parsed: argparse.Namespace, text: str, config: PipelineConfig) -> int:
    process.configure_logging()
    if parsed.gpus and not parsed.check:
        process.require_gpus(parsed.node, parsed.gpus)
    # Imported here because that takes ten seconds and more, and a wrong parameter should fail before.
    from components.validation import anomalies
    from pipeline import intermediate_representation as representation
    from pipeline.check import early
    from pipeline.metadata import connection as metadata_connection
    from pipeline.node import finished_checkpoints, full_disk, leased_launch
    from pipeline.node import launch as node_launch

    process.open_filesystems(config.beam.pipeline_args)
    connection = metadata_connection.from_environment()
    _logger.info("%s of run %s, ML Metadata in %s", parsed.node, parsed.run_id, metadata_connection.place(connection))
    metadata_connection.connect(connection, metadata_connection.PATIENCE_SECONDS)
    ir = representation.from_text(text)
    if parsed.node in settings.PRETRAINING_NODES:  # only their pods need the file and may have it mounted
        config = initial_weights.resolved(config)
    values = run_parameters.bindings(config, parsed.data_root, parsed.registry)
    representation.bind(ir, parsed.run_id, parsed.pipeline_root, values)
    plain_launch = node_launch.NodeLaunch(ir, parsed.node, connection)
    launch: node_launch.NodeLaunch | leased_launch.LeasedLaunch = plain_launch
    if parsed.training_lease:
        launch = leased_launch.LeasedLaunch(
            plain_launch, connection, config.pipeline_name, parsed.run_id, parsed.training_lease
        )
    if parsed.check:
        answer = launch.prepare()
        parsed.check.parent.mkdir(parents=True, exist_ok=True)
        parsed.check.write_text(answer.value, encoding="utf-8")
        _logger.info("%s: %s", parsed.node, answer.value)
        return 0
    os.environ[anomalies.ACCEPT_VARIABLE] = f"simclr schema accept --pipeline {config.pipeline_name}"
    with contextlib.ExitStack() as held:
        if not is_uri(parsed.pipeline_root):
            disk = full_disk.DiskWatch(pathlib.Path(parsed.pipeline_root))
            disk.step_started(parsed.node)
            held.enter_context(disk.explained())
        result = launch.run()
    finished_checkpoints.remove(result, parsed.pipeline_root)
    if parsed.node in early.IMAGES:
        early.after_ingestion(config, parsed.node, result.output(early.IMAGES[parsed.node]).uri, _logger.warning)
    _logger.info("%s is %s after %.1f s", parsed.node, result.state, result.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
