"""Anomalies in; a clearance out, or an error that stops the run."""

import logging
import os
import time
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.contracts import artifact_files, span_artifacts
from components.contracts.drift_record import DriftRecord
from components.contracts.record_files import read_record
from components.validation import anomalies as anomaly_text
from components.validation import drift

_logger = logging.getLogger(__name__)

STATISTICS = "statistics"
ANOMALIES = "anomalies"
DRIFT = "drift"
CLEARANCE = "clearance"
# TFX's ExampleValidator names its file so (tfx.components.example_validator.executor.DEFAULT_FILE_NAME).
_ANOMALIES_FILE = "SchemaDiff.pb"


class AnomaliesFoundError(RuntimeError):
    """The new data differs from the schema or the span before; the message lists how, and says what to do."""


class Executor(base_executor.BaseExecutor):
    """Stops the run if there is any anomaly, after writing a page about them for people."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Read the anomalies and the drift of every split.

        Raises:
            AnomaliesFoundError: there is at least one.
        """
        started = time.monotonic()
        validated = artifact_utils.get_single_instance(input_dict[ANOMALIES])
        _logger.info("AnomalyGate reads %s", validated.uri)
        drifted = artifact_utils.get_single_instance(input_dict[DRIFT])
        found = anomaly_text.sentences(_read(validated)) + drift.sentences(_read_drift(drifted))
        if found:
            page_uri = os.path.join(validated.uri, artifact_files.ANOMALIES_PAGE)
            with fileio.open(page_uri, "w") as file:
                file.write(anomaly_text.page(found))
            raise AnomaliesFoundError(anomaly_text.error_message(found, page_uri))
        clearance = artifact_utils.get_single_instance(output_dict[CLEARANCE])
        span_artifacts.copy_identity(artifact_utils.get_single_instance(input_dict[STATISTICS]), clearance)
        clearance.set_float_custom_property(artifact_files.SECONDS, time.monotonic() - started)
        _logger.info("AnomalyGate found no anomaly")


def _read(validated: types.Artifact) -> dict[str, anomalies_pb2.Anomalies]:
    by_split = {}
    for split in artifact_utils.decode_split_names(validated.split_names):
        uri = os.path.join(artifact_utils.get_split_uri([validated], split), _ANOMALIES_FILE)
        with fileio.open(uri, "rb") as file:
            by_split[split] = anomalies_pb2.Anomalies.FromString(file.read())
    return by_split


def _read_drift(drifted: types.Artifact) -> DriftRecord:
    return read_record(DriftRecord, os.path.join(drifted.uri, artifact_files.DRIFT_FILE))
