"""Everything a run left behind that the page tells of, read from its artifacts into memory.

Only what is there is read: a part that is missing stays None, and the page says so.
"""

import dataclasses
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

ReadBytes = Callable[[str], bytes | None]  # path -> content, or None where there is no such file


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The parts of one run; None where a part is missing."""

    verdict: Mapping[str, Any] | None = None  # contracts.evidence: verdict.json
    probe: Mapping[str, Any] | None = None  # contracts.evidence: probe.json
    predictions: Mapping[str, np.ndarray] | None = None  # contracts.evidence: test_predictions.npz
    baselines: Mapping[str, Any] | None = None  # contracts.baseline_record: baselines.json
    push: Mapping[str, Any] | None = None  # what the Pusher wrote
    pretraining: Mapping[str, Any] | None = None  # what the Trainer wrote
    view_grid: bytes | None = None  # PNG: views as the encoder saw them
    ingestion: Mapping[str, Any] | None = None  # what ImageExampleGen counted
    quarantine: tuple[Mapping[str, Any], ...] = ()  # files it refused
    drift: Mapping[str, Any] | None = None  # contracts.drift_record: drift.json
    window: Mapping[str, Any] | None = None  # contracts.window_record: window.json
    views: Mapping[str, Any] | None = None  # what ViewGen counted
    tuning: Mapping[str, Any] | None = None  # contracts.tuning_record: tuning.json
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)  # step -> seconds
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # the whole configuration
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)  # library -> version


def read_json(read: ReadBytes, path: str) -> Mapping[str, Any] | None:
    """The object in a JSON file, or None where there is no file.

    Raises:
        ValueError: the file holds no JSON object; the message names it.
    """
    content = read(path)
    if content is None:
        return None
    try:
        value = json.loads(content)
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} should hold a JSON object, found {type(value).__name__}")
    return value


def read_arrays(read: ReadBytes, path: str) -> Mapping[str, np.ndarray] | None:
    """The arrays in an ``.npz`` file, or None where there is no file."""
    content = read(path)
    if content is None:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def read_json_lines(read: ReadBytes, path: str) -> tuple[Mapping[str, Any], ...]:
    """The objects in a file with one per line, in order; empty where there is no file."""
    content = read(path) or b""
    return tuple(json.loads(line) for line in content.decode("utf-8").split("\n") if line.strip())
