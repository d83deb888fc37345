"""The graph's run-time parameters, and the values that a config gives them.

The compiled graph leaves them open, so one graph serves every config of a pipeline. Each run binds all of them.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from components.contracts import configuration
from components.contracts.configuration import ConfigError
from pipeline.config import PipelineConfig

# Settings that are built into the compiled graph, or that matter only before a run.
_NOT_OF_A_RUN = ("pipeline_name", "bundled_data", "training_spans", "beam")
ROOMS = tuple(field.name for field in dataclasses.fields(PipelineConfig) if field.name not in _NOT_OF_A_RUN)

DATA_ROOT = "data_root"
REGISTRY = "registry"
SETTINGS = "settings"  # all settings, for the report and the registry

SPAN_RANGE = "span_range"
LATEST = "latest"

_EPOCH = date(1970, 1, 1)
_MACRO = re.compile(r"\[\[|\]\]|\{\{|\}\}")


def bindings(config: PipelineConfig, data_root: str, registry: str) -> dict[str, str]:
    """The value of every run-time parameter of the graph."""
    rooms = {room: configuration.to_json(getattr(config, room)) for room in ROOMS}
    settings = {"pipeline_name": config.pipeline_name, **{room: getattr(config, room) for room in ROOMS}}
    return {DATA_ROOT: data_root, REGISTRY: registry, SETTINGS: configuration.to_json(settings), **rooms}


def read(pipeline_name: str, rooms: Mapping[str, str], span_range: str) -> PipelineConfig:
    """Build the config from the parameters of a run.

    Args:
        pipeline_name: as in the compiled graph.
        rooms: JSON of each step's config, by its name in PipelineConfig. Every setting must be there: the defaults of
            this code may differ from those that the pipeline was compiled with.
        span_range: ``latest``, a span number, or a date as ``YYYY-MM-DD``.

    Raises:
        ConfigError: a parameter is missing, does not parse, or contradicts another.
    """
    given = {room: _mapping(room, rooms) for room in ROOMS}
    span = read_span(span_range)
    if span is not None:
        if given["ingestion"].get("span") is not None:
            raise ConfigError(f"parameter {SPAN_RANGE}: {span_range}, but ingestion.span is set too: give one of them")
        given["ingestion"]["span"] = span
    config = configuration.from_mapping(PipelineConfig, {"pipeline_name": pipeline_name, **given}, "run parameters")
    missing = [key for room in ROOMS for key in _left_out(given[room], getattr(config, room), room)]
    if missing:
        raise ConfigError(
            f"run parameters: {', '.join(missing)}: missing; a parameter must hold all settings of its step"
        )
    return config


def read_span(text: str) -> int | None:
    """Parse the span of a run; None means the latest.

    Args:
        text: ``latest``, a number, or a date, whose span is its number of days since 1970-01-01.

    Raises:
        ConfigError: something else, such as a macro that the server did not fill in.
    """
    if text == LATEST:
        return None
    if _MACRO.search(text):
        raise ConfigError(
            f"parameter {SPAN_RANGE}: the server did not fill in the macro {text!r}: it does so only in runs of a "
            "schedule and only if Kubeflow Pipelines is newer than 2.16 (its issue 12494); or use latest"
        )
    if text.isdecimal():
        return int(text)
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise ConfigError(
            f"parameter {SPAN_RANGE}: expected {LATEST}, a number or a date such as 2026-01-31, found {text!r}"
        ) from None


def _mapping(room: str, rooms: Mapping[str, str]) -> dict[str, Any]:
    if room not in rooms:
        raise ConfigError(f"parameter {room}: required, but missing")
    try:
        mapping = json.loads(rooms[room])
    except json.JSONDecodeError as error:
        raise ConfigError(f"parameter {room}: not JSON: {error}") from None
    if not isinstance(mapping, dict):
        raise ConfigError(f"parameter {room}: expected a JSON object of settings, found {type(mapping).__name__}")
    return mapping


def _left_out(given: Any, config: Any, key: str) -> list[str]:
    """Dotted keys of the settings in ``config`` that ``given`` lacks."""
    if not (isinstance(given, dict) and dataclasses.is_dataclass(config)):
        return []
    missing = []
    for field in dataclasses.fields(config):
        inner = f"{key}.{field.name}"
        if field.name in given:
            missing += _left_out(given[field.name], getattr(config, field.name), inner)
        else:
            missing.append(inner)
    return missing
