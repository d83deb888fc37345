"""A config and a target in, a compiled graph and a KFP v2 pipeline out.

kfp has an environment of its own, because the kfp that installs beside TFX's compatible set is too old; the job goes to
``kubeflow_runner`` there as JSON.
"""

import json
import os
import pathlib
import subprocess
from typing import Any

from components.contracts import configuration
from components.contracts.configuration import ConfigError
from pipeline import ir_file, run_parameters
from pipeline.config import PipelineConfig
from pipeline.target import Target

KFP_PYTHON_VARIABLE = "SIMCLR_KFP_PYTHON"
_KFP_PYTHON = pathlib.Path(__file__).parents[1] / ".venv-kfp" / "bin" / "python"
_RUNNER = pathlib.Path(__file__).with_name("kubeflow_runner.py")


class EmitterError(RuntimeError):
    """kfp is missing, or refused what it was asked for."""


def compile_graph(config: PipelineConfig) -> str:
    """The compiled graph as canonical JSON; it holds no place and no setting of a run."""
    from pipeline import intermediate_representation as representation

    return representation.to_text(representation.compile_graph(config))


def check(config: PipelineConfig, target: Target, source: str, node_ids: list[str]) -> None:
    """Check that config, target and graph go together.

    Args:
        config: of the runs.
        target: where they take place.
        source: the target's file, for the message.
        node_ids: of the graph.

    Raises:
        ConfigError: the target names a node that the graph does not have, or a run would find too few GPUs.
    """
    for node_id, key in target.named_nodes().items():
        if node_id not in node_ids:
            raise ConfigError(f"{source}: {key}: no node {node_id}; the graph has {', '.join(node_ids)}")
    given = target.gpu_pool.count if target.gpu_pool and "Trainer" in target.gpu_nodes else 0
    if config.pretraining.num_gpus != given:
        raise ConfigError(
            f"{source}: gives the Trainer {given} GPUs, but pretraining.num_gpus is {config.pretraining.num_gpus}: "
            f"compile with --set pretraining.num_gpus={given}, or change gpu_pool"
        )


def job(config: PipelineConfig, target: Target, graph: str) -> dict[str, Any]:
    """What ``kubeflow_runner`` is told."""
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
    }


def emit(described: dict[str, Any], output: pathlib.Path) -> None:
    """Write the pipeline and platform documents of a job to ``output``.

    Raises:
        EmitterError: there is no environment with kfp, or kfp refused the pipeline.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    # Isolated, so that neither this folder nor the environment puts other modules in kfp's way.
    command = [str(kfp_python()), "-I", str(_RUNNER), str(output)]
    finished = subprocess.run(command, input=json.dumps(described), text=True, capture_output=True)
    if finished.returncode:
        raise EmitterError(f"kfp could not compile the pipeline: {finished.stderr.strip().splitlines()[-1]}")


def kfp_python() -> pathlib.Path:
    """The interpreter of the environment that holds kfp.

    Raises:
        EmitterError: there is none.
    """
    python = pathlib.Path(os.environ.get(KFP_PYTHON_VARIABLE) or _KFP_PYTHON)
    if not python.is_file():
        raise EmitterError(f"no kfp at {python}: `make install-kfp` sets it up, or {KFP_PYTHON_VARIABLE} names it")
    return python
