"""Everything that a run left behind and the page shows: its places (``run.json``), and its contents in memory.

``run.json`` is beside the page, so that a later run, or a person, can put two runs side by side.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import pydantic

from components.contracts import artifact_files, stored_predictions
from components.contracts.baseline_record import BaselinesReport
from components.contracts.drift_record import DriftRecord
from components.contracts.evidence import ProbeReport, VerdictReport
from components.contracts.ingestion_record import IngestionSummary, QuarantineEntry, parse_quarantine
from components.contracts.pretraining_record import PretrainingRecord
from components.contracts.push_record import PushRecord
from components.contracts.record_files import record, record_from_bytes
from components.contracts.stored_predictions import StoredPredictions
from components.contracts.tuning_record import TuningRecord
from components.contracts.views_record import ViewsRecord
from components.contracts.window_record import WindowRecord

Contents = TypeVar("Contents")
ReadBytes = Callable[[str], bytes | None]  # path -> content, or None if there is no such file

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


@record(version=1)
class Trace:
    """``run.json``: what is known of a run without opening its artifacts."""

    run: str  # its name in ML Metadata
    folders: dict[str, str]  # output -> URI; of a model, the folder in it that holds the files
    seconds: dict[str, float]  # output -> seconds of the step that wrote it
    settings: dict[str, pydantic.JsonValue]  # the whole configuration
    versions: dict[str, str]  # library -> version
    code_digests: dict[str, str]  # folder of components -> digest


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The parts of one run."""

    trace: Trace
    verdict: VerdictReport
    probe: ProbeReport
    predictions: StoredPredictions
    push: PushRecord
    pretraining: PretrainingRecord
    view_grid: bytes  # PNG: views as the encoder saw them
    ingestion: IngestionSummary
    quarantine: tuple[QuarantineEntry, ...]
    drift: DriftRecord
    views: ViewsRecord
    tuning: TuningRecord | None = None  # None: the Tuner is off
    baselines: BaselinesReport | None = None  # None: they are off
    window: WindowRecord | None = None  # None: there was one span


def read_trace(read: ReadBytes, folder: str) -> Trace:
    """The trace of the run whose page is in ``folder``.

    Raises:
        MissingPartError: there is no trace.
        RecordError: the file is damaged, or another version of the project wrote it.
    """
    return _record(read, Trace, f"{folder}/{artifact_files.RUN_FILE}")


def read_run(read: ReadBytes, trace: Trace) -> RunRecord:
    """Read the files in the folders of ``trace``.

    Raises:
        MissingPartError: a file is not there.
        RecordError: a file is damaged, or another version of the project wrote it.
    """

    def record_of(cls: type[Contents], name: str, file: str) -> Contents:
        return _record(read, cls, _path(trace, name, file))

    def optional(cls: type[Contents], name: str, file: str) -> Contents | None:
        return record_of(cls, name, file) if name in trace.folders else None

    def bytes_of(name: str, file: str) -> bytes:
        return _bytes(read, _path(trace, name, file))

    return RunRecord(
        trace=trace,
        verdict=record_of(VerdictReport, BLESSING, artifact_files.VERDICT_FILE),
        probe=record_of(ProbeReport, PROBE_REPORT, artifact_files.PROBE_FILE),
        predictions=_predictions(read, _path(trace, PROBE_REPORT, artifact_files.TEST_PREDICTIONS_FILE)),
        push=record_of(PushRecord, PUSHED_MODEL, artifact_files.PUSH_FILE),
        pretraining=record_of(PretrainingRecord, PRETRAINED_MODEL, artifact_files.PRETRAINING_FILE),
        view_grid=bytes_of(PRETRAINED_MODEL, artifact_files.VIEW_GRID_FILE),
        ingestion=record_of(IngestionSummary, EXAMPLES, artifact_files.INGESTION_SUMMARY_FILE),
        quarantine=_quarantine(read, _path(trace, EXAMPLES, artifact_files.QUARANTINE_FILE)),
        drift=record_of(DriftRecord, DRIFT, artifact_files.DRIFT_FILE),
        views=record_of(ViewsRecord, VIEWS, artifact_files.VIEWS_SUMMARY_FILE),
        tuning=optional(TuningRecord, TUNER_RESULTS, artifact_files.TUNING_FILE),
        baselines=optional(BaselinesReport, BASELINES, artifact_files.BASELINES_FILE),
        window=optional(WindowRecord, WINDOW, artifact_files.WINDOW_FILE),
    )


def _path(trace: Trace, name: str, file: str) -> str:
    if name not in trace.folders:
        raise MissingPartError(f"{artifact_files.RUN_FILE} of run {trace.run} names no folder of {name}")
    return f"{trace.folders[name]}/{file}"


def _bytes(read: ReadBytes, path: str) -> bytes:
    content = read(path)
    if content is None:
        raise MissingPartError(f"{path} is missing")
    return content


def _record(read: ReadBytes, cls: type[Contents], path: str) -> Contents:
    return record_from_bytes(cls, _bytes(read, path), path)


def _predictions(read: ReadBytes, path: str) -> StoredPredictions:
    return stored_predictions.from_bytes(_bytes(read, path), path)


def _quarantine(read: ReadBytes, path: str) -> tuple[QuarantineEntry, ...]:
    return parse_quarantine(_bytes(read, path).decode("utf-8").split("\n"), path)
