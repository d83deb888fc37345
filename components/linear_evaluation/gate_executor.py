"""The Gate's executor: gathers the evidence, lets it be judged, writes the blessing that Pusher and Resolver read."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.contracts import artifact_files, artifacts, configuration, evidence, files, signatures
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
        verdict = gate.judge(given, config)
        _write_properties(blessing, verdict, candidate, baseline, in_force)
        blessing.set_string_custom_property(artifact_files.TEST_SPLIT_DIGEST, given.candidate.test_split_digest)
        blessing.set_float_custom_property(artifact_files.SECONDS, time.monotonic() - started)
        _write_files(blessing.uri, verdict, given)
        for warning in verdict.warnings:
            _logger.warning("Gate: %s", warning)
        _logger.info(
            "Gate: %s: %s, %.1f s, %s", verdict.verdict, verdict.reason, time.monotonic() - started, blessing.uri
        )


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
        except Exception as error:  # whatever keeps evidence from being read, it is missing
            _logger.exception("Gate: %s cannot be read from %s", what, path)
            problems.append(f"{what} cannot be read from {path}: {type(error).__name__} {error}".rstrip())
            return None

    return gate_evidence.Evidence(
        candidate=_judged(candidate),
        baseline=_judged(baseline) if baseline else None,
        in_use=_blessed_model(in_force) if in_force else None,
        probe=read_from(PROBE_REPORT, "the probe report", files.read_json, artifact_files.PROBE_FILE),
        predictions=read_from(
            PROBE_REPORT, "the test predictions", files.read_arrays, artifact_files.TEST_PREDICTIONS_FILE
        ),
        evaluation=read_from(EVALUATION, "the Evaluator's result", read_evaluation),
        baseline_predictions=read("what the model in use predicted", _predictions, baseline.uri) if baseline else None,
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
    return tuple(files.read_json(facts)[evidence.CLASS_NAMES]) if tf.io.gfile.exists(facts) else None


def _predictions(model_uri: str) -> dict[str, np.ndarray] | None:
    """What a model said of its test images; None for a model that does not tell."""
    path = f"{path_utils.serving_model_dir(model_uri)}/{signatures.PREDICTIONS_FILE}"
    return files.read_arrays(path) if tf.io.gfile.exists(path) else None


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
    verdict: gate.Verdict,
    candidate: types.Artifact,
    baseline: types.Artifact | None,
    in_force: types.Artifact | None,
) -> None:
    """The properties of TFX's own blessing, and those that this project's resolver and report read."""
    blessed = constants.BLESSED_VALUE if verdict.may_push else constants.NOT_BLESSED_VALUE
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
    blessing.set_string_custom_property(artifact_files.VERDICT, verdict.verdict)
    blessing.set_string_custom_property(artifact_files.REASON, verdict.reason)


def _write_files(directory: str, verdict: gate.Verdict, given: gate_evidence.Evidence) -> None:
    """The evidence first, TFX's marker file last."""
    markers = {True: constants.BLESSED_FILE_NAME, False: constants.NOT_BLESSED_FILE_NAME}
    for marker in markers.values():  # of an attempt that was killed
        if tf.io.gfile.exists(f"{directory}/{marker}"):
            tf.io.gfile.remove(f"{directory}/{marker}")
    files.write_json(f"{directory}/{artifact_files.VERDICT_FILE}", _verdict_file(verdict, given))
    files.write_bytes(f"{directory}/{markers[verdict.may_push]}", b"")


def _verdict_file(verdict: gate.Verdict, given: gate_evidence.Evidence) -> dict[str, Any]:
    evaluation = given.evaluation
    return {
        evidence.VERDICT: verdict.verdict,
        evidence.REASON: verdict.reason,
        evidence.REASONS: list(verdict.reasons),
        evidence.WARNINGS: list(verdict.warnings),
        evidence.CHECKS: [
            {
                evidence.NAME: check.name,
                evidence.VALUE: check.value,
                evidence.THRESHOLD: check.threshold,
                evidence.PASSED: check.passed,
                evidence.TEXT: check.text,
            }
            for check in verdict.checks
        ],
        evidence.TEST_SPLIT: {
            evidence.TEST_SPLIT_DIGEST: given.candidate.test_split_digest,
            evidence.EARLIER_BLESSINGS: given.earlier_blessings,
        },
        evidence.CANDIDATE: _model_entry(given.candidate, evaluation.accuracy if evaluation else None),
        evidence.BASELINE: _model_entry(given.baseline, evaluation.baseline_accuracy if evaluation else None),
        evidence.IN_USE: _model_entry(given.in_use, None),
    }


def _model_entry(model: gate_evidence.JudgedModel | None, accuracy: float | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {
        evidence.CONTENT_DIGEST: model.content_digest,
        evidence.ID: model.id,
        evidence.URI: model.uri,
        evidence.ACCURACY: accuracy,
        evidence.SPAN: model.span,
    }
