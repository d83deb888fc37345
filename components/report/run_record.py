"""Everything a run left behind that the page tells of: where it lies (``run.json``), and read into memory.

``run.json`` lies beside the page, so that a later run, or a person, can put two runs side by side.
"""

import dataclasses
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from components.contracts import artifact_files

ReadBytes = Callable[[str], bytes | None]  # path -> content, or None where there is no such file

# Names of the steps' outputs.
EXAMPLES = "examples"
STATISTICS = "statistics"
DRIFT = "drift"
WINDOW = "window"
TRANSFORM_GRAPH = "transform_graph"
VIEWS = "views"
TUNER_RESULTS = "tuner_results"
PRETRAINED_MODEL = "pretrained_model"
FEATURES = "features"
PROBE_REPORT = "probe_report"
BASELINES = "baselines"
EVALUATION = "evaluation"
BLESSING = "blessing"
PUSHED_MODEL = "pushed_model"


class MissingPartError(ValueError):
    """A file that a run should have left is not there; the message names it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trace:
    """Content of ``run.json``: what is known of a run without opening its artifacts."""

    run: str  # its name in ML Metadata
    folders: Mapping[str, str]  # output -> URI; of a model, the folder in it that holds the files
    seconds: Mapping[str, float]  # output -> seconds of the step that wrote it
    settings: Mapping[str, Any]  # the whole configuration
    versions: Mapping[str, str]  # library -> version
    code_digests: Mapping[str, str]  # room -> digest


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The parts of one run."""

    trace: Trace
    verdict: Mapping[str, Any]  # contracts.evidence: verdict.json
    probe: Mapping[str, Any]  # contracts.evidence: probe.json
    predictions: Mapping[str, np.ndarray]  # contracts.evidence: test_predictions.npz
    push: Mapping[str, Any]  # contracts.push_record: push.json
    pretraining: Mapping[str, Any]  # contracts.pretraining_record: pretraining.json
    view_grid: bytes  # PNG: views as the encoder saw them
    ingestion: Mapping[str, Any]  # contracts.ingestion_record: ingestion_summary.json
    quarantine: tuple[Mapping[str, Any], ...]  # contracts.ingestion_record: files that were refused
    drift: Mapping[str, Any]  # contracts.drift_record: drift.json
    views: Mapping[str, Any]  # contracts.views_record: views_summary.json
    tuning: Mapping[str, Any] | None = None  # contracts.tuning_record: tuning.json; None where it is off
    baselines: Mapping[str, Any] | None = None  # contracts.baseline_record: baselines.json; None where they are off
    window: Mapping[str, Any] | None = None  # contracts.window_record: window.json; None where there was one span


def read_trace(read: ReadBytes, folder: str) -> Trace:
    """The trace of the run whose page lies in ``folder``.

    Raises:
        MissingPartError: there is none, or another version of the code wrote it.
    """
    path = f"{folder}/{artifact_files.RUN_FILE}"
    content = _json(read, path)
    try:
        return Trace(**content)
    except TypeError:
        raise MissingPartError(f"{path} has other keys than this version of the code reads") from None


def read_record(read: ReadBytes, trace: Trace) -> RunRecord:
    """Open what ``trace`` names.

    Raises:
        MissingPartError: a file is not there.
        ValueError: a file holds no JSON object.
    """

    def json_of(name: str, file: str) -> Mapping[str, Any]:
        return _json(read, f"{trace.folders[name]}/{file}")

    def bytes_of(name: str, file: str) -> bytes:
        return _bytes(read, f"{trace.folders[name]}/{file}")

    return RunRecord(
        trace=trace,
        verdict=json_of(BLESSING, artifact_files.VERDICT_FILE),
        probe=json_of(PROBE_REPORT, artifact_files.PROBE_FILE),
        predictions=_arrays(bytes_of(PROBE_REPORT, artifact_files.TEST_PREDICTIONS_FILE)),
        push=json_of(PUSHED_MODEL, artifact_files.PUSH_FILE),
        pretraining=json_of(PRETRAINED_MODEL, artifact_files.PRETRAINING_FILE),
        view_grid=bytes_of(PRETRAINED_MODEL, artifact_files.VIEW_GRID_FILE),
        ingestion=json_of(EXAMPLES, artifact_files.INGESTION_SUMMARY_FILE),
        quarantine=_lines(bytes_of(EXAMPLES, artifact_files.QUARANTINE_FILE)),
        drift=json_of(DRIFT, artifact_files.DRIFT_FILE),
        views=json_of(VIEWS, artifact_files.VIEWS_SUMMARY_FILE),
        tuning=json_of(TUNER_RESULTS, artifact_files.TUNING_FILE) if TUNER_RESULTS in trace.folders else None,
        baselines=json_of(BASELINES, artifact_files.BASELINES_FILE) if BASELINES in trace.folders else None,
        window=json_of(WINDOW, artifact_files.WINDOW_FILE) if WINDOW in trace.folders else None,
    )


def _bytes(read: ReadBytes, path: str) -> bytes:
    content = read(path)
    if content is None:
        raise MissingPartError(f"{path} is missing")
    return content


def _json(read: ReadBytes, path: str) -> Mapping[str, Any]:
    try:
        value = json.loads(_bytes(read, path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} should hold a JSON object, found {type(value).__name__}")
    return value


def _arrays(content: bytes) -> Mapping[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _lines(content: bytes) -> tuple[Mapping[str, Any], ...]:
    """The objects in a file with one per line, in order."""
    return tuple(json.loads(line) for line in content.decode("utf-8").split("\n") if line.strip())
