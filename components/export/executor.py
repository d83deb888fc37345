"""From a verdict to a version in the registries: what was blessed is pushed, anything else is passed over and said so.

A push is idempotent, so a repeated or interrupted execution ends with one version and the same answer. A model whose
verdict is "unchanged" counts as blessed: where the run that blessed it was killed before its push, this one makes up.
The registry has the last word where another run pushed a model of newer data since the verdict.
"""

import dataclasses
import json
import logging
import pathlib
import shutil
import tempfile
import time
from typing import Any, TypeVar

from tfx import types
from tfx.components.pusher import executor as pusher_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, path_utils

from components.contracts import artifact_files, artifacts, configuration, push_record, signatures
from components.contracts.evidence import ProbeReport, Verdict, VerdictReport
from components.contracts.images import ImageConfig
from components.contracts.ingestion_record import IngestionSummary
from components.contracts.record_files import read_record
from components.export import image_files, kubeflow_registry, publishing, version_record
from components.export import registry as model_registry
from components.export.config import ExportConfig
from components.export.model_card import model_card
from components.ingestion.config import IngestionConfig

# Keys of inputs, beside those of TFX's Pusher.
EXAMPLES = "examples"
PRETRAINED_MODEL = "pretrained_model"
PROBE_REPORT = "probe_report"

# Keys of execution parameters.
REGISTRY = "registry"  # the registry's folder
INGESTION_CONFIG = "ingestion_config"  # canonical JSON of IngestionConfig

Contents = TypeVar("Contents")

_logger = logging.getLogger(__name__)


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
        config = configuration.from_json(ExportConfig, exec_properties[artifact_files.CONFIG], "Pusher config")
        registry = _registry(exec_properties[REGISTRY])
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        blessing = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_BLESSING_KEY])
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        _logger.info("export: model %s, blessing %s, registry %s", model.uri, blessing.uri, registry)
        if not self.CheckBlessing(input_dict):
            verdict = blessing.get_string_custom_property(artifact_files.VERDICT) or Verdict.NOT_BLESSED.value
            reason = blessing.get_string_custom_property(artifact_files.REASON) or None
            outcome = self._pass_over(pushed, verdict, reason)
        else:
            with tempfile.TemporaryDirectory() as staging:
                saved_model = _local_folder(self.GetModelPath(input_dict), staging)
                if config.tflite:
                    saved_model = _with_tflite(saved_model, staging)
                record = self._record(
                    input_dict, saved_model, json.loads(exec_properties[artifact_files.PIPELINE_CONFIG])
                )
                candidate = _Candidate(model, saved_model, blessing, record, _decoding(exec_properties))
                try:
                    outcome = _push(candidate, registry, config)
                    self._mark(pushed, outcome)
                except publishing.NewerSpanInUseError as error:
                    outcome = self._pass_over(pushed, Verdict.NOT_BLESSED.value, str(error))
        pushed.set_float_custom_property(artifact_files.SECONDS, time.monotonic() - started)
        outcome[push_record.SECONDS] = round(time.monotonic() - started, 3)
        fileio.makedirs(pushed.uri)
        io_utils.write_string_file(f"{pushed.uri}/{artifact_files.PUSH_FILE}", json.dumps(outcome, indent=2) + "\n")
        _logger.info("export: %s, %.1f s, %s", outcome[push_record.MESSAGE], outcome[push_record.SECONDS], pushed.uri)

    def _pass_over(self, pushed: types.Artifact, verdict: str, reason: str | None) -> dict[str, Any]:
        self._MarkNotPushed(pushed)
        return {
            push_record.PUSHED: False,
            push_record.MESSAGE: f"nothing pushed: {verdict}",
            push_record.VERDICT: verdict,
            push_record.REASON: reason,
        }

    def _mark(self, pushed: types.Artifact, outcome: dict[str, Any]) -> None:
        number = outcome[push_record.VERSION]
        self._MarkPushed(pushed, pushed_destination=outcome[push_record.DIRECTORY], pushed_version=str(number))
        pushed.set_int_custom_property(artifact_files.VERSION, number)
        pushed.set_string_custom_property(artifact_files.CONTENT_DIGEST, outcome[push_record.CONTENT_DIGEST])

    def _record(
        self, input_dict: dict[str, list[types.Artifact]], saved_model: pathlib.Path, settings: dict[str, Any]
    ) -> dict[str, Any]:
        uris = {name: artifact_utils.get_single_uri(found) for name, found in input_dict.items()}
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        return version_record.version_record(
            facts=_read_json(f"{saved_model}/{signatures.MODEL_FACTS_FILE}"),
            verdict=_read_record(
                VerdictReport, f"{uris[standard_component_specs.MODEL_BLESSING_KEY]}/{artifact_files.VERDICT_FILE}"
            ),
            ingestion=_read_record(IngestionSummary, f"{uris[EXAMPLES]}/{artifact_files.INGESTION_SUMMARY_FILE}"),
            pretraining=_read_json(
                f"{path_utils.serving_model_dir(uris[PRETRAINED_MODEL])}/{artifact_files.PRETRAINING_FILE}"
            ),
            probe=_read_record(ProbeReport, f"{uris[PROBE_REPORT]}/{artifact_files.PROBE_FILE}"),
            settings=settings,
            span=artifacts.data_span(model),
            run=(self._context and self._context.pipeline_run_id) or "unnamed",
        )


@dataclasses.dataclass(frozen=True)
class _Candidate:
    """What is to be pushed, and all that is known of it."""

    model: types.Artifact
    saved_model: pathlib.Path
    blessing: types.Artifact
    record: dict[str, Any]  # version_record
    decoding: dict[str, Any]  # how consumers turn image files into what the model reads

    @property
    def verdict(self) -> VerdictReport:
        """The Gate's verdict."""
        return version_record.verdict(self.record)

    @property
    def content_digest(self) -> str:
        """The identity of the model, on which its artifact and the SavedModel must agree."""
        digest = self.model.get_string_custom_property(artifact_files.CONTENT_DIGEST)
        if not digest:
            raise ValueError(
                f"the model {self.model.uri} has no property {artifact_files.CONTENT_DIGEST}, so it has no identity"
            )
        found = self.record[version_record.MODEL][signatures.CONTENT_DIGEST]
        if found != digest:
            raise ValueError(
                f"the model {self.model.uri} was evaluated as {digest}, but the SavedModel in it is {found}"
            )
        return digest


def _push(candidate: _Candidate, registry: pathlib.Path, config: ExportConfig) -> dict[str, Any]:
    """Push to the folder, to the server, or to one after the other; what the folder has, the server makes up for."""
    outcome = _push_to_folder(candidate, registry, config) if config.folder else _own_place(candidate, config)
    if config.kubeflow_registry.address is None:
        return outcome
    entry = kubeflow_registry.Entry(
        model_name=config.model_name,
        version=outcome.get(push_record.VERSION),
        uri=outcome[push_record.DIRECTORY],
        content_digest=candidate.content_digest,
        is_in_use=outcome[push_record.IS_IN_USE],
        description=candidate.verdict.reason,
        properties=version_record.properties(candidate.record),
    )
    number = kubeflow_registry.register(entry, config.kubeflow_registry)
    message = f"{outcome['message']}, version {number} at {config.kubeflow_registry.address}"
    return outcome | {
        push_record.VERSION: number,
        push_record.MESSAGE: message,
        push_record.SERVER: config.kubeflow_registry.address,
    }


def _push_to_folder(candidate: _Candidate, registry: pathlib.Path, config: ExportConfig) -> dict[str, Any]:
    def describe(number: int) -> dict[str, str]:
        return {
            model_registry.MODEL_CARD_FILE: model_card(
                config.model_name, number, candidate.record, candidate.decoding, config.tflite
            ),
            signatures.RECORD_FILE: json.dumps(candidate.record, indent=2, ensure_ascii=False) + "\n",
        }

    is_preferred = candidate.verdict.verdict is Verdict.BLESSED
    push = publishing.push(
        registry,
        config.model_name,
        candidate.saved_model,
        content_digest=candidate.content_digest,
        source=candidate.model.uri,
        decoding=candidate.decoding,
        span=artifacts.data_span(candidate.model),
        blessing=candidate.blessing.uri if is_preferred else None,
        describe=describe,
        lock_timeout_seconds=config.lock_timeout_seconds,
    )
    number = push.version.number
    return {
        push_record.PUSHED: True,
        push_record.MESSAGE: f"version {number} is {'new' if push.is_new else 'there already'} in {push.folder.parent}",
        push_record.IS_NEW: push.is_new,
        push_record.IS_IN_USE: push.is_in_use,
        push_record.MODEL_NAME: config.model_name,
        push_record.VERSION: number,
        push_record.CONTENT_DIGEST: candidate.content_digest,
        push_record.FILES_DIGEST: push.version.files_digest,
        push_record.DIRECTORY: str(push.folder),
        push_record.SOURCE: push.version.source,
    }


def _own_place(candidate: _Candidate, config: ExportConfig) -> dict[str, Any]:
    """Where the model lies in the pipeline root; the server gives it a version."""
    return {
        push_record.PUSHED: True,
        push_record.MESSAGE: f"{candidate.model.uri} stays where it is",
        push_record.IS_NEW: candidate.verdict.verdict is Verdict.BLESSED,
        push_record.IS_IN_USE: True,
        push_record.MODEL_NAME: config.model_name,
        push_record.CONTENT_DIGEST: candidate.content_digest,
        push_record.DIRECTORY: path_utils.serving_model_dir(candidate.model.uri),
        push_record.SOURCE: candidate.model.uri,
    }


def _registry(folder: str) -> pathlib.Path:
    if "://" in folder:
        raise ValueError(f"the registry must be a folder of a mounted file system, found {folder!r}")
    return pathlib.Path(folder)


def _decoding(exec_properties: dict[str, Any]) -> dict[str, Any]:
    """How consumers turn image files into what the model reads."""
    ingestion = configuration.from_json(IngestionConfig, exec_properties[INGESTION_CONFIG], "Pusher ingestion_config")
    image = configuration.from_json(ImageConfig, exec_properties[artifact_files.IMAGE_CONFIG], "Pusher image_config")
    return image_files.decoding_settings(ingestion, image)


def _local_folder(uri: str, staging: str) -> pathlib.Path:
    """``uri`` itself, or a copy in ``staging`` where it lies on another kind of file system."""
    if "://" not in uri:
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


def _read_json(path: str) -> dict[str, Any]:
    _require(path)
    return json.loads(io_utils.read_bytes_file(path))


def _read_record(cls: type[Contents], path: str) -> Contents:
    _require(path)
    return read_record(cls, path)


def _require(path: str) -> None:
    if not fileio.exists(path):
        raise ValueError(f"{path} is missing: a model is not pushed without the evidence behind it")
