"""Reads the artifacts of a run and writes the page about it."""

import json
import logging
import time
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.contracts import artifact_files, configuration
from components.contracts.code_digest import model_code_digests
from components.contracts.installed_versions import installed_versions
from components.contracts.record_files import RecordError, write_record
from components.report import run_record
from components.report.config import ReportConfig
from components.report.page import render_page
from components.report.run_record import RunRecord, Trace

BASELINE_REPORT = "baseline_report"
REPORT = "report"

_logger = logging.getLogger(__name__)


class Executor(base_executor.BaseExecutor):
    """Opens the artifacts, renders the page, and writes it together with ``run.json``."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the page of the run that ``input_dict`` belongs to."""
        started = time.monotonic()
        config = configuration.from_json(ReportConfig, exec_properties[artifact_files.CONFIG], "Report config")
        inputs = {name: artifact_utils.get_single_instance(found) for name, found in input_dict.items() if found}
        before = inputs.pop(BASELINE_REPORT, None)
        report = artifact_utils.get_single_instance(output_dict[REPORT])
        _logger.info("report: from %s", ", ".join(f"{name} {artifact.uri}" for name, artifact in inputs.items()))
        run = (self._context and self._context.pipeline_run_id) or "unnamed"
        trace = _trace(run, inputs, json.loads(exec_properties[artifact_files.PIPELINE_CONFIG]))
        record = run_record.read_run(read, trace)
        page = render_page(record, config, _baseline(before.uri) if before else None).encode("utf-8")
        write_record(f"{report.uri}/{artifact_files.RUN_FILE}", trace)
        path = f"{report.uri}/{artifact_files.REPORT_FILE}"
        io_utils.write_bytes_file(path, page)
        _describe(report, inputs[run_record.BLESSING], len(page), time.monotonic() - started)
        _logger.info("report: %d bytes, %.1f s, %s", len(page), time.monotonic() - started, path)


def read(path: str) -> bytes | None:
    """Content of a file on any of TFX's file systems; None if there is no such file."""
    if not fileio.exists(path):
        return None
    with fileio.open(path, "rb") as stream:
        return stream.read()


def _trace(run: str, inputs: dict[str, types.Artifact], settings: dict[str, Any]) -> Trace:
    folders = {name: artifact.uri for name, artifact in inputs.items()}
    folders[run_record.PRETRAINED_MODEL] = path_utils.serving_model_dir(folders[run_record.PRETRAINED_MODEL])
    return Trace(
        run=run,
        folders=folders,
        seconds={
            name: artifact.get_float_custom_property(artifact_files.SECONDS)
            for name, artifact in inputs.items()
            if artifact.has_custom_property(artifact_files.SECONDS)
        },
        settings=settings,
        versions=installed_versions(),
        code_digests=model_code_digests(),
    )


def _baseline(uri: str) -> RunRecord | None:
    """The run whose model was in use; None if its files are gone, or another version of the project wrote them."""
    try:
        return run_record.read_run(read, run_record.read_trace(read, uri))
    except (run_record.MissingPartError, RecordError) as error:
        _logger.warning("report: no comparison with the model in use: %s", error)
        return None


def _describe(report: types.Artifact, blessing: types.Artifact, size: int, seconds: float) -> None:
    """Set the properties by which a later run finds the report of the model in use."""
    for key in (artifact_files.CONTENT_DIGEST, artifact_files.VERDICT):
        report.set_string_custom_property(key, blessing.get_string_custom_property(key))
    report.set_float_custom_property(artifact_files.SECONDS, seconds)
    report.set_int_custom_property("bytes", size)
