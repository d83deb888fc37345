"""A config and a target in, a compiled graph and a KFP v2 pipeline out. ``emitter_script`` writes the pipeline."""

import json
import pathlib
from typing import Any

from components.contracts import configuration
from components.contracts.configuration import ConfigError
from pipeline import ir_file, run_parameters
from pipeline.config import PipelineConfig
from pipeline.kfp import environment
from pipeline.kfp.target import Target
from pipeline.node import settings


class EmitterError(RuntimeError):
    """kfp refused the pipeline."""


def compile_graph(config: PipelineConfig) -> str:
    """Compile the graph to canonical JSON, which holds no paths and no settings of a run."""
    from pipeline import intermediate_representation as representation

    return representation.to_text(representation.compile_graph(config))


def check(config: PipelineConfig, target: Target, source: str, node_ids: list[str]) -> None:
    """Check that config, target and graph fit together.

    Args:
        config: the config of the runs.
        target: the cluster.
        source: the target's file, for the message.
        node_ids: the nodes of the graph.

    Raises:
        ConfigError: the target names a node that the graph does not have, or gives a node another number of GPUs than
            the config.
    """
    for node_id, key in target.named_nodes().items():
        if node_id not in (*node_ids, *settings.OPTIONAL_NODES):
            raise ConfigError(f"{source}: {key}: no node {node_id}; the graph has {', '.join(node_ids)}")
    check_gpus(config, target, source)


def check_gpus(config: PipelineConfig, target: Target, source: str) -> None:
    """Check that the target gives every training node as many GPUs as the config asks for.

    Raises:
        ConfigError: it gives a node more or fewer.
    """
    for node_id, room in settings.PLACED_NODES.items():
        if not settings.is_enabled(node_id, config):
            continue
        num_gpus = getattr(config, room).num_gpus
        given = target.gpu_pool.count if target.gpu_pool and node_id in target.gpu_nodes else 0
        if num_gpus != given:
            raise ConfigError(
                f"{source}: gives the {node_id} {given} GPUs, but {room}.num_gpus is {num_gpus}: "
                f"say --set {room}.num_gpus={given}, or change gpu_pool"
            )


def job(config: PipelineConfig, target: Target, graph: str) -> dict[str, Any]:
    """The input of ``emitter_script``."""
    rooms = run_parameters.bindings(config, target.data_root, target.registry)
    return {
        "pipeline_name": config.pipeline_name,
        "ir": json.loads(graph),
        "ir_digest": ir_file.digest(graph),
        "parameters": {
            run_parameters.DATA_ROOT: target.data_root,
            run_parameters.SPAN_RANGE: run_parameters.LATEST,
            **{room: rooms[room] for room in run_parameters.ROOMS},
        },
        "target": configuration.to_mapping(target),
        "training_nodes": list(settings.PRETRAINING_NODES),
    }


def emit(described: dict[str, Any], output: pathlib.Path) -> None:
    """Write the pipeline and platform documents of ``described``, a ``job``, to ``output``.

    Raises:
        EmitterError: kfp refused the pipeline.
        KfpMissingError: there is no environment with kfp.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    finished = environment.run("emitter_script.py", described, str(output))
    if finished.returncode:
        raise EmitterError(f"kfp could not compile the pipeline: {environment.complaint(finished)}")
