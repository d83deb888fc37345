"""The Gate's executor: gathers the evidence, judges it, writes the blessing that Pusher and Resolver read."""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.contracts import artifact_files, artifacts, configuration, files, signatures, stored_predictions
from components.contracts.evidence import ModelEntry, ProbeReport, SplitUse, VerdictReport
from components.contracts.model_facts import ModelFacts
from components.contracts.record_files import RecordError, read_record, write_record
from components.linear_evaluation import blessing_resolver, gate, gate_evidence
from components.linear_evaluation.config import GateConfig
from components.linear_evaluation.evaluation_result import read_evaluation

_logger = logging.getLogger(__name__)

EVALUATION = "evaluation"
PROBE_REPORT = "probe_report"
MODEL = "model"
BASELINE_MODEL = "baseline_model"
MODEL_BLESSING = "model_blessing"
EARLIER_BLESSINGS = "earlier_blessings"
BLESSING = "blessing"

Found = TypeVar("Found")


class Executor(base_executor.BaseExecutor):
    """Gives the verdict; a refusal is an answer, not an error."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write ``blessing``."""
        started = time.monotonic()
        config = configuration.from_json(GateConfig, exec_properties[artifact_files.CONFIG], "Gate config")
        candidate = artifact_utils.get_single_instance(input_dict[MODEL])
        baseline = _optional(input_dict, BASELINE_MODEL)
        in_force = _optional(input_dict, MODEL_BLESSING)
        blessing = artifact_utils.get_single_instance(output_dict[BLESSING])
        _logger.info("Gate: config %s, candidate %s", configuration.digest(config), candidate.uri)
        given = _gather(input_dict, candidate, baseline, in_force)
        judgement = gate.judge(given, config)
        _write_properties(blessing, judgement, candidate, baseline, in_force)
        blessing.set_string_custom_property(artifact_files.TEST_SPLIT_DIGEST, given.candidate.test_split_digest)
        blessing.set_float_custom_property(artifact_files.SECONDS, time.monotonic() - started)
        _write_files(blessing.uri, judgement, given)
        for warning in judgement.warnings:
            _logger.warning("Gate: %s", warning)
        seconds = time.monotonic() - started
        _logger.info("Gate: %s: %s, %.1f s, %s", judgement.verdict.value, judgement.reason, seconds, blessing.uri)


def _optional(input_dict: dict[str, list[types.Artifact]], key: str) -> types.Artifact | None:
    found = input_dict.get(key)
    return artifact_utils.get_single_instance(found) if found else None


def _gather(
    input_dict: dict[str, list[types.Artifact]],
    candidate: types.Artifact,
    baseline: types.Artifact | None,
    in_force: types.Artifact | None,
) -> gate_evidence.Evidence:
    problems: list[str] = []

    def read_from(key: str, what: str, reader: Callable[[str], Found], name: str = "") -> Found | None:
        artifact = _optional(input_dict, key)
        if artifact is None:
            problems.append(f"{what} is missing")
            return None
        return read(what, reader, f"{artifact.uri}/{name}" if name else artifact.uri)

    def read(what: str, reader: Callable[[str], Found], path: str) -> Found | None:
        try:
            return reader(path)
        except RecordError as error:  # names the path itself
            _logger.exception("Gate: %s cannot be used", what)
            problems.append(f"{what} cannot be used: {error}")
        except Exception as error:  # evidence that cannot be read, for whatever reason, counts as missing
            _logger.exception("Gate: %s cannot be read from %s", what, path)
            problems.append(f"{what} cannot be read from {path}: {type(error).__name__} {error}".rstrip())
        return None

    return gate_evidence.Evidence(
        candidate=_judged(candidate),
        baseline=_judged(baseline) if baseline else None,
        in_use=_blessed_model(in_force) if in_force else None,
        probe=read_from(
            PROBE_REPORT, "the probe report", functools.partial(read_record, ProbeReport), artifact_files.PROBE_FILE
        ),
        predictions=read_from(PROBE_REPORT, "the test predictions", _predictions, artifact_files.TEST_PREDICTIONS_FILE),
        evaluation=read_from(EVALUATION, "the Evaluator's result", read_evaluation),
        baseline_predictions=(
            read("the predictions of the model in use", _baseline_predictions, baseline.uri) if baseline else None
        ),
        earlier_blessings=len(input_dict.get(EARLIER_BLESSINGS, [])),
        problems=tuple(problems),
    )


def _judged(model: types.Artifact) -> gate_evidence.JudgedModel:
    digest = model.get_string_custom_property(artifact_files.CONTENT_DIGEST)
    split = model.get_string_custom_property(artifact_files.TEST_SPLIT_DIGEST)
    return gate_evidence.JudgedModel(
        digest, model.id, model.uri, _class_names(model.uri), artifacts.data_span(model), split
    )


def _class_names(model_uri: str) -> tuple[str, ...] | None:
    facts = f"{path_utils.serving_model_dir(model_uri)}/{signatures.MODEL_FACTS_FILE}"
    return read_record(ModelFacts, facts).class_names if tf.io.gfile.exists(facts) else None


def _predictions(path: str) -> stored_predictions.StoredPredictions:
    return stored_predictions.from_bytes(files.read_bytes(path), path)


def _baseline_predictions(model_uri: str) -> gate_evidence.BaselinePredictions | None:
    """The predictions that a model carries; None for a model without."""
    path = f"{path_utils.serving_model_dir(model_uri)}/{signatures.PREDICTIONS_FILE}"
    if not tf.io.gfile.exists(path):
        return None
    arrays = files.read_arrays(path)
    return gate_evidence.BaselinePredictions(arrays[signatures.PREDICTED_DIGESTS], arrays[signatures.PREDICTED_CLASSES])


def _blessed_model(blessing: types.Artifact) -> gate_evidence.JudgedModel:
    uri = blessing.get_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY)
    return gate_evidence.JudgedModel(
        blessing.get_string_custom_property(artifact_files.CONTENT_DIGEST),
        blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY),
        uri,
        _class_names(uri),
        artifacts.data_span(blessing),
    )


def _write_properties(
    blessing: types.Artifact,
    judgement: gate.Judgement,
    candidate: types.Artifact,
    baseline: types.Artifact | None,
    in_force: types.Artifact | None,
) -> None:
    """The properties of TFX's own blessing, and those that this project's resolver and report read."""
    blessed = constants.BLESSED_VALUE if judgement.verdict.may_push else constants.NOT_BLESSED_VALUE
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, blessed)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, candidate.id)
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, candidate.uri)
    if baseline is not None:
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id)
        blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri)
    if in_force is not None:
        blessing.set_int_custom_property(blessing_resolver.IN_FORCE_ID, in_force.id)
    digest = candidate.get_string_custom_property(artifact_files.CONTENT_DIGEST)
    blessing.set_string_custom_property(artifact_files.CONTENT_DIGEST, digest)
    artifacts.set_data_span(blessing, artifacts.data_span(candidate))
    blessing.set_string_custom_property(artifact_files.VERDICT, judgement.verdict.value)
    blessing.set_string_custom_property(artifact_files.REASON, judgement.reason)


def _write_files(directory: str, judgement: gate.Judgement, given: gate_evidence.Evidence) -> None:
    """The evidence first, TFX's marker file last."""
    markers = {True: constants.BLESSED_FILE_NAME, False: constants.NOT_BLESSED_FILE_NAME}
    for marker in markers.values():  # of an attempt that was killed
        if tf.io.gfile.exists(f"{directory}/{marker}"):
            tf.io.gfile.remove(f"{directory}/{marker}")
    write_record(f"{directory}/{artifact_files.VERDICT_FILE}", _report(judgement, given))
    files.write_bytes(f"{directory}/{markers[judgement.verdict.may_push]}", b"")


def _report(judgement: gate.Judgement, given: gate_evidence.Evidence) -> VerdictReport:
    accuracy = given.evaluation.accuracy if given.evaluation else None
    baseline_accuracy = given.evaluation.baseline_accuracy if given.evaluation else None
    return VerdictReport(
        verdict=judgement.verdict,
        reason=judgement.reason,
        reasons=judgement.reasons,
        warnings=judgement.warnings,
        checks=judgement.checks,
        test_split=SplitUse(
            test_split_digest=given.candidate.test_split_digest, earlier_blessings=given.earlier_blessings
        ),
        candidate=_entry(given.candidate, accuracy),
        baseline=_entry(given.baseline, baseline_accuracy) if given.baseline else None,
        in_use=_entry(given.in_use, None) if given.in_use else None,
    )


def _entry(model: gate_evidence.JudgedModel, accuracy: float | None) -> ModelEntry:
    return ModelEntry(
        content_digest=model.content_digest, id=model.id, uri=model.uri, accuracy=accuracy, span=model.span
    )
