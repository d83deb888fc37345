"""Runs and schedules on a server of Kubeflow Pipelines: turns settings into requests for ``client_script``."""

import hashlib
import json
import pathlib
from typing import Any

import yaml

from components.contracts.configuration import ConfigError
from pipeline import ir_file, run_parameters
from pipeline.config import PipelineConfig
from pipeline.kfp import compilation, environment
from pipeline.kfp.target import Target

SCHEDULED_DATE = "scheduled-date"  # as --span-range: the server writes the date into each run of a schedule
_SCHEDULED_DATE_MACRO = "[[ScheduledTime.2006-01-02]]"  # Go's notation for YYYY-MM-DD
_ANY_DATE = "2026-01-31"


class ServerError(RuntimeError):
    """The server refused or did not answer; the message is one sentence."""


def run_request(
    config: PipelineConfig, target: Target, source: str, package: pathlib.Path, data_root: str | None, span_range: str
) -> dict[str, Any]:
    """The request for one run, or for every run of a schedule.

    Args:
        config: its settings become the run's parameters.
        target: the cluster.
        source: the target's file, for messages.
        package: the compiled pipeline.
        data_root: folder of the images; None for the target's.
        span_range: as ``run_parameters.read_span`` reads it, or ``SCHEDULED_DATE``.

    Raises:
        ConfigError: there is no such package, or it was compiled from another graph than the config's; the span can't
            be read, or the config has no spans; or the target gives another number of GPUs.
    """
    compilation.check_gpus(config, target, source)
    is_scheduled = span_range == SCHEDULED_DATE
    rooms = run_parameters.bindings(config, target.data_root, target.registry)
    run_parameters.read(config.pipeline_name, rooms, _ANY_DATE if is_scheduled else span_range)  # as every node does
    _check_graph(config, package)
    return {
        "pipeline": str(package.resolve()),
        "pipeline_name": config.pipeline_name,
        # A digest of the file names the version, so that a run or a schedule always says which file it runs.
        "version": hashlib.sha256(package.read_bytes()).hexdigest()[:16],
        "parameters": {
            run_parameters.DATA_ROOT: data_root or target.data_root,
            run_parameters.SPAN_RANGE: _SCHEDULED_DATE_MACRO if is_scheduled else span_range,
            **{room: rooms[room] for room in run_parameters.ROOMS},
        },
        "service_account": target.service_account,
    }


def _check_graph(config: PipelineConfig, package: pathlib.Path) -> None:
    """Refuse a package of another graph: a run can't change what is built in, such as ``training_spans``."""
    if not package.is_file():
        raise ConfigError(f"--pipeline {package}: no such file; `simclr compile` writes it")
    compiled_from, wanted = _graph_digest(package), ir_file.digest(compilation.compile_graph(config))
    if compiled_from != wanted:
        raise ConfigError(
            f"--pipeline {package}: compiled from graph {compiled_from[:12]}, but config and code now give graph "
            f"{wanted[:12]}: say the same --config and --set as to `simclr compile`, or compile again"
        )


def _graph_digest(package: pathlib.Path) -> str:
    """The graph digest in the arguments of every container of a compiled pipeline."""
    try:
        pipeline = next(yaml.safe_load_all(package.read_text(encoding="utf-8")))
        executors = pipeline["deploymentSpec"]["executors"].values()
        arguments = next(iter(executors))["container"]["args"]
        return arguments[arguments.index("--ir-digest") + 1]
    except (yaml.YAMLError, UnicodeDecodeError, StopIteration, AttributeError, KeyError, TypeError, ValueError):
        raise ConfigError(f"--pipeline {package}: expected a pipeline that `simclr compile` wrote") from None


def ask(action: str, request: dict[str, Any]) -> dict[str, Any]:
    """Let ``client_script`` do ``action``; returns its answer.

    Raises:
        ServerError: the server refused or did not answer.
        KfpMissingError: there is no environment with kfp.
    """
    finished = environment.run("client_script.py", {"action": action, **request})
    try:
        answer = json.loads(finished.stdout)
    except json.JSONDecodeError:
        raise ServerError(f"kfp failed: {environment.complaint(finished)}") from None
    if "error" in answer:
        raise ServerError(answer["error"])
    return answer
