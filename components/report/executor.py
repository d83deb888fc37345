"""Reads what the steps of a run left in their artifacts and writes the page about it."""

import json
import logging
import time
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.contracts import artifacts, configuration, pretraining_record
from components.contracts.installed_versions import installed_versions
from components.report.config import ReportConfig
from components.report.page import render_page
from components.report.run_record import RunRecord, read_arrays, read_json, read_json_lines

EXAMPLES = "examples"
DRIFT = "drift"
WINDOW = "window"
VIEWS = "views"
TUNER_RESULTS = "tuner_results"
PRETRAINED_MODEL = "pretrained_model"
PROBE_REPORT = "probe_report"
BASELINES = "baselines"
BLESSING = "blessing"
PUSHED_MODEL = "pushed_model"
REPORT = "report"
PIPELINE_CONFIG = "pipeline_config"

# The step that writes each input, by the name people know.
_STEPS = {
    EXAMPLES: "ImageExampleGen",
    DRIFT: "DistributionValidator",
    WINDOW: "TrainingWindow",
    VIEWS: "ViewGen",
    TUNER_RESULTS: "Tuner",
    PRETRAINED_MODEL: "Trainer",
    PROBE_REPORT: "LinearProbe",
    BASELINES: "Baselines",
    BLESSING: "Gate",
    PUSHED_MODEL: "Pusher",
}

_logger = logging.getLogger(__name__)


class Executor(base_executor.BaseExecutor):
    """Opens the artifacts, has the page rendered, and writes it."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the page of the run that ``input_dict`` belongs to."""
        started = time.monotonic()
        config = configuration.from_json(ReportConfig, exec_properties[artifacts.CONFIG], "Report config")
        inputs = {name: artifact_utils.get_single_instance(found) for name, found in input_dict.items() if found}
        report = artifact_utils.get_single_instance(output_dict[REPORT])
        _logger.info("report: from %s", ", ".join(f"{name} {artifact.uri}" for name, artifact in inputs.items()))
        settings = json.loads(exec_properties[PIPELINE_CONFIG])
        encoded = render_page(collect(inputs, settings), config).encode("utf-8")
        path = f"{report.uri}/{artifacts.REPORT_FILE}"
        io_utils.write_bytes_file(path, encoded)
        seconds = time.monotonic() - started
        report.set_float_custom_property(artifacts.SECONDS, seconds)
        report.set_int_custom_property("bytes", len(encoded))
        _logger.info("report: %d bytes, %.1f s, %s", len(encoded), seconds, path)


def collect(inputs: dict[str, types.Artifact], settings: dict[str, Any]) -> RunRecord:
    """What ``inputs`` hold for the page; artifacts and files that are missing leave their part out."""
    uris = {name: artifact.uri for name, artifact in inputs.items()}

    def json_of(name: str, file: str) -> Any:
        return read_json(_read, f"{uris[name]}/{file}") if name in uris else None

    predictions = f"{uris.get(PROBE_REPORT)}/{artifacts.TEST_PREDICTIONS_FILE}"
    model_folder = path_utils.serving_model_dir(uris.get(PRETRAINED_MODEL, ""))
    has_model = PRETRAINED_MODEL in uris
    pretraining = read_json(_read, f"{model_folder}/{artifacts.PRETRAINING_FILE}") if has_model else None
    return RunRecord(
        verdict=json_of(BLESSING, artifacts.VERDICT_FILE),
        probe=json_of(PROBE_REPORT, artifacts.PROBE_FILE),
        predictions=read_arrays(_read, predictions) if PROBE_REPORT in uris else None,
        baselines=json_of(BASELINES, artifacts.BASELINES_FILE),
        push=json_of(PUSHED_MODEL, artifacts.PUSH_FILE),
        pretraining=pretraining,
        view_grid=_read(f"{model_folder}/{artifacts.VIEW_GRID_FILE}") if has_model else None,
        ingestion=json_of(EXAMPLES, artifacts.INGESTION_SUMMARY_FILE),
        quarantine=read_json_lines(_read, f"{uris.get(EXAMPLES)}/{artifacts.QUARANTINE_FILE}"),
        drift=json_of(DRIFT, artifacts.DRIFT_FILE),
        window=json_of(WINDOW, artifacts.WINDOW_FILE),
        views=json_of(VIEWS, artifacts.VIEWS_SUMMARY_FILE),
        tuning=json_of(TUNER_RESULTS, artifacts.TUNING_FILE),
        seconds=_seconds(inputs, pretraining or {}),
        settings=settings,
        versions=installed_versions(),
    )


def _read(path: str) -> bytes | None:
    if not fileio.exists(path):
        return None
    with fileio.open(path, "rb") as stream:
        return stream.read()


def _seconds(inputs: dict[str, types.Artifact], pretraining: dict[str, Any]) -> dict[str, float]:
    """Seconds of each step, in the order of the steps; TFX's Trainer writes none, but training keeps its own record."""
    found = {
        name: float(artifact.get_custom_property(artifacts.SECONDS))
        for name, artifact in inputs.items()
        if artifact.has_custom_property(artifacts.SECONDS)
    }
    if pretraining_record.SECONDS in pretraining:
        found[PRETRAINED_MODEL] = float(pretraining[pretraining_record.SECONDS])
    return {step: found[name] for name, step in _STEPS.items() if name in found}
