"""Pushes blessed models into the registries; any other model becomes the candidate, which a person can use and push.

A push is idempotent: a repeated or interrupted execution ends with one version and the same record. A model whose
verdict is "unchanged" counts as blessed, because the run that blessed it may have been killed before its push. If
another run has pushed a model of newer data since the verdict, the registry refuses this one.
"""

import dataclasses
import functools
import json
import logging
import pathlib
import shutil
import tempfile
import time
from typing import Any

from tfx import types
from tfx.components.pusher import executor as pusher_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, path_utils

from components.contracts import artifact_files, artifacts, configuration, signatures
from components.contracts.evidence import ProbeReport, Verdict, VerdictReport
from components.contracts.images import ImageConfig
from components.contracts.ingestion_record import IngestionSummary
from components.contracts.model_facts import ModelFacts
from components.contracts.paths import is_uri
from components.contracts.pretraining_record import PretrainingRecord
from components.contracts.push_record import PushRecord, RegisteredVersion
from components.contracts.record_files import read_record, record_to_mapping, write_record
from components.export import candidates, image_files, kubeflow_registry, publishing
from components.export import registry as model_registry
from components.export.config import ExportConfig
from components.export.folder_changes import Draft
from components.export.model_card import model_card
from components.export.version_record import VersionRecord, properties, version_record
from components.ingestion.config import IngestionConfig

# Keys of inputs, beside those of TFX's Pusher.
EXAMPLES = "examples"
PRETRAINED_MODEL = "pretrained_model"
PROBE_REPORT = "probe_report"

# Keys of execution parameters.
REGISTRY = "registry"  # the registry's folder
INGESTION_CONFIG = "ingestion_config"  # canonical JSON of IngestionConfig

_logger = logging.getLogger(__name__)


class MissingEvidenceError(ValueError):
    """A file that belongs to the evidence behind a model is not there."""


class Executor(pusher_executor.Executor):
    """Pushes the evaluated SavedModel, byte for byte, into the registry; a TFLite file may go with it."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Push ``model`` if ``model_blessing`` allows it, and record the outcome in ``pushed_model``."""
        started = time.monotonic()
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        blessing = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_BLESSING_KEY])
        registry = _registry(exec_properties[REGISTRY])
        _logger.info("export: blessing %s, registry %s", blessing.uri, registry)
        try:
            outcome = self._push(input_dict, registry, exec_properties)
        except MissingEvidenceError as error:
            if self.CheckBlessing(input_dict):
                raise
            reason = blessing.get_string_custom_property(artifact_files.REASON)
            outcome = _not_pushed(reason, f"nothing pushed: not blessed; no candidate is kept: {error}", None)
        self._mark(pushed, outcome.registered)
        seconds = time.monotonic() - started
        pushed.set_float_custom_property(artifact_files.SECONDS, seconds)
        outcome = dataclasses.replace(outcome, seconds=round(seconds, 3))
        write_record(f"{pushed.uri}/{artifact_files.PUSH_FILE}", outcome)
        _logger.info("export: %s, %.1f s, %s", outcome.message, seconds, pushed.uri)

    def _push(
        self, input_dict: dict[str, list[types.Artifact]], registry: pathlib.Path, exec_properties: dict[str, Any]
    ) -> PushRecord:
        config = configuration.from_json(ExportConfig, exec_properties[artifact_files.CONFIG], "Pusher config")
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        blessing = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_BLESSING_KEY])
        with tempfile.TemporaryDirectory() as staging:
            saved_model = _local_folder(self.GetModelPath(input_dict), staging)
            if config.tflite:
                saved_model = _with_tflite(saved_model, staging)
            record = self._record(input_dict, saved_model, json.loads(exec_properties[artifact_files.PIPELINE_CONFIG]))
            candidate = _Candidate(model, saved_model, blessing, record, _decoding(exec_properties, record.data))
            verdict = candidate.verdict
            if not self.CheckBlessing(input_dict):
                return _keep(candidate, registry, config, verdict.reason)
            try:
                message, registered = _push(candidate, registry, config)
            except publishing.NewerSpanInUseError as error:
                return _keep(candidate, registry, config, str(error))
        return PushRecord(
            verdict=verdict.verdict,
            reason=verdict.reason,
            message=message,
            seconds=0,
            registered=registered,
            candidate=None,
        )

    def _mark(self, pushed: types.Artifact, registered: RegisteredVersion | None) -> None:
        if registered is None:
            self._MarkNotPushed(pushed)
            return
        destination, number = registered.directory, registered.version
        self._MarkPushed(pushed, pushed_destination=destination, pushed_version=str(number))
        pushed.set_int_custom_property(artifact_files.VERSION, number)
        pushed.set_string_custom_property(artifact_files.CONTENT_DIGEST, registered.content_digest)

    def _record(
        self, input_dict: dict[str, list[types.Artifact]], saved_model: pathlib.Path, settings: dict[str, Any]
    ) -> VersionRecord:
        uris = {name: artifact_utils.get_single_uri(found) for name, found in input_dict.items()}
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        blessed, trained = uris[standard_component_specs.MODEL_BLESSING_KEY], uris[PRETRAINED_MODEL]
        pretraining = f"{path_utils.serving_model_dir(trained)}/{artifact_files.PRETRAINING_FILE}"
        ingestion = f"{uris[EXAMPLES]}/{artifact_files.INGESTION_SUMMARY_FILE}"
        return version_record(
            facts=read_record(ModelFacts, _present(f"{saved_model}/{signatures.MODEL_FACTS_FILE}")),
            verdict=read_record(VerdictReport, _present(f"{blessed}/{artifact_files.VERDICT_FILE}")),
            ingestion=read_record(IngestionSummary, _present(ingestion)),
            pretraining=read_record(PretrainingRecord, _present(pretraining)),
            probe=read_record(ProbeReport, _present(f"{uris[PROBE_REPORT]}/{artifact_files.PROBE_FILE}")),
            settings=settings,
            span=artifacts.data_span(model),
            run=(self._context and self._context.pipeline_run_id) or "unnamed",
        )


@dataclasses.dataclass(frozen=True)
class _Candidate:
    """The model to push, and all that is known of it."""

    model: types.Artifact
    saved_model: pathlib.Path
    blessing: types.Artifact
    record: VersionRecord
    decoding: image_files.Decoding

    @property
    def verdict(self) -> VerdictReport:
        """The Gate's verdict."""
        return self.record.verdict

    @property
    def is_blessed(self) -> bool:
        """False: the model in use has the same content."""
        return self.verdict.verdict is Verdict.BLESSED

    @property
    def content_digest(self) -> str:
        """The identity of the model, on which its artifact and the SavedModel must agree."""
        digest = self.model.get_string_custom_property(artifact_files.CONTENT_DIGEST)
        if not digest:
            raise ValueError(
                f"the model {self.model.uri} has no property {artifact_files.CONTENT_DIGEST}, so it has no identity"
            )
        found = self.record.model.content_digest
        if found != digest:
            raise ValueError(
                f"the model {self.model.uri} was evaluated as {digest}, but the SavedModel in it is {found}"
            )
        return digest


def _push(candidate: _Candidate, registry: pathlib.Path, config: ExportConfig) -> tuple[str, RegisteredVersion]:
    """Push to the folder, to the server, or to both; what the server missed of the folder it gets now.

    Returns:
        A clause for people, and the version.
    """
    if not config.folder:
        return _push_to_server(candidate, config)
    message, registered = _push_to_folder(candidate, registry, config)
    if config.kubeflow_registry.address is None:
        return message, registered
    _register(candidate, config, registered.version, registered.directory, registered.is_in_use)
    message = f"{message}, version {registered.version} at {config.kubeflow_registry.address}"
    return message, dataclasses.replace(registered, server=config.kubeflow_registry.address)


def _keep(candidate: _Candidate, registry: pathlib.Path, config: ExportConfig, reason: str) -> PushRecord:
    """Put a model that is not pushed into the registry's folder as the candidate, if there is such a folder."""
    folder: str | None = None
    if config.folder:
        draft = Draft(
            candidate.content_digest, candidate.model.uri, candidate.decoding, artifacts.data_span(candidate.model)
        )
        kept = candidates.keep_candidate(
            registry,
            config.model_name,
            candidate.saved_model,
            draft,
            functools.partial(_texts, candidate, config),
            lock_timeout_seconds=config.lock_timeout_seconds,
        )
        folder = str(kept)
    message = f"nothing pushed: not blessed; the candidate is in {folder or candidate.model.uri}"
    return _not_pushed(reason, message, folder)


def _not_pushed(reason: str, message: str, candidate: str | None) -> PushRecord:
    return PushRecord(
        verdict=Verdict.NOT_BLESSED, reason=reason, message=message, seconds=0, registered=None, candidate=candidate
    )


def _texts(candidate: _Candidate, config: ExportConfig, number: int) -> dict[str, str]:
    """What is put beside version ``number``, by path."""
    record = json.dumps(record_to_mapping(candidate.record), indent=2, ensure_ascii=False)
    return {
        model_registry.MODEL_CARD_FILE: model_card(
            config.model_name, number, candidate.record, candidate.decoding, config.tflite
        ),
        signatures.RECORD_FILE: record + "\n",
    }


def _register(candidate: _Candidate, config: ExportConfig, version: int | None, directory: str, is_in_use: bool) -> int:
    """Make the server know the version; returns its number, which the server chooses if ``version`` is None."""
    entry = kubeflow_registry.Entry(
        model_name=config.model_name,
        version=version,
        uri=directory,
        content_digest=candidate.content_digest,
        is_in_use=is_in_use,
        description=candidate.verdict.reason,
        properties=properties(candidate.record),
    )
    return kubeflow_registry.register(entry, config.kubeflow_registry)


def _push_to_folder(
    candidate: _Candidate, registry: pathlib.Path, config: ExportConfig
) -> tuple[str, RegisteredVersion]:
    push = publishing.push(
        registry,
        config.model_name,
        candidate.saved_model,
        content_digest=candidate.content_digest,
        source=candidate.model.uri,
        decoding=candidate.decoding,
        span=artifacts.data_span(candidate.model),
        blessing=candidate.blessing.uri if candidate.is_blessed else None,
        describe=functools.partial(_texts, candidate, config),
        lock_timeout_seconds=config.lock_timeout_seconds,
    )
    number = push.version.number
    message = f"version {number} is {'new' if push.is_new else 'there already'} in {push.folder.parent}"
    return message, RegisteredVersion(
        model_name=config.model_name,
        version=number,
        is_new=push.is_new,
        is_in_use=push.is_in_use,
        content_digest=candidate.content_digest,
        files_digest=push.version.files_digest,
        directory=str(push.folder),
        source=push.version.source,
        server=None,
    )


def _push_to_server(candidate: _Candidate, config: ExportConfig) -> tuple[str, RegisteredVersion]:
    """Leave the model in the pipeline root; the server gives it a version."""
    directory = path_utils.serving_model_dir(candidate.model.uri)
    number = _register(candidate, config, None, directory, is_in_use=True)
    message = f"{candidate.model.uri} stays where it is, version {number} at {config.kubeflow_registry.address}"
    return message, RegisteredVersion(
        model_name=config.model_name,
        version=number,
        is_new=candidate.is_blessed,
        is_in_use=True,
        content_digest=candidate.content_digest,
        files_digest=None,
        directory=directory,
        source=candidate.model.uri,
        server=config.kubeflow_registry.address,
    )


def _registry(folder: str) -> pathlib.Path:
    if is_uri(folder):
        raise ValueError(f"the registry must be a folder of a mounted file system, found {folder!r}")
    return pathlib.Path(folder)


def _decoding(exec_properties: dict[str, Any], data: IngestionSummary) -> image_files.Decoding:
    ingestion = configuration.from_json(IngestionConfig, exec_properties[INGESTION_CONFIG], "Pusher ingestion_config")
    image = configuration.from_json(ImageConfig, exec_properties[artifact_files.IMAGE_CONFIG], "Pusher image_config")
    return image_files.decoding_settings(ingestion, image, data.white_level)


def _local_folder(uri: str, staging: str) -> pathlib.Path:
    """``uri`` itself, or a copy in ``staging`` where it lies on another kind of file system."""
    if not is_uri(uri):
        return pathlib.Path(uri)
    io_utils.copy_dir(uri, f"{staging}/model")
    return pathlib.Path(staging, "model")


def _with_tflite(saved_model: pathlib.Path, staging: str) -> pathlib.Path:
    """A copy of ``saved_model`` in ``staging`` that holds the encoder as a TFLite file too."""
    from components.export import tflite  # loads Keras, which most pushes have no use for

    folder = pathlib.Path(staging, "with_tflite")
    shutil.copytree(saved_model, folder)
    tflite.add_to(folder)
    return folder


def _present(path: str) -> str:
    if not fileio.exists(path):
        raise MissingEvidenceError(f"{path} is missing: a model is not pushed without the evidence behind it")
    return path
