"""From a verdict to a version in the registry: what was blessed is pushed, anything else is passed over and said so.

A push is idempotent, so a repeated or interrupted execution ends with one version and the same answer. A model whose
verdict is "unchanged" counts as blessed: where the run that blessed it was killed before its push, this one makes up.
The registry has the last word where another run pushed a model of newer data since the verdict.
"""

import json
import logging
import pathlib
import tempfile
import time
from typing import Any

from tfx import types
from tfx.components.pusher import executor as pusher_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils

from components.contracts import artifacts, configuration, evidence, signatures
from components.contracts.images import ImageConfig
from components.export import image_files
from components.export import registry as model_registry
from components.export.config import ExportConfig
from components.export.model_card import model_card
from components.ingestion.config import IngestionConfig

# Keys of execution parameters.
REGISTRY = "registry"  # the registry's folder
INGESTION_CONFIG = "ingestion_config"  # canonical JSON of IngestionConfig

_logger = logging.getLogger(__name__)


class Executor(pusher_executor.Executor):
    """Pushes the evaluated SavedModel, byte for byte, into the registry."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Push ``model`` if ``model_blessing`` allows it, and record the outcome in ``pushed_model``."""
        started = time.monotonic()
        config = configuration.from_json(ExportConfig, exec_properties[artifacts.CONFIG], "Pusher config")
        registry = _registry(exec_properties[REGISTRY])
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        blessing = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_BLESSING_KEY])
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        _logger.info("export: model %s, blessing %s, registry %s", model.uri, blessing.uri, registry)
        if not self.CheckBlessing(input_dict):
            verdict = blessing.get_string_custom_property(artifacts.VERDICT) or evidence.NOT_BLESSED
            reason = blessing.get_string_custom_property(artifacts.REASON) or None
            outcome = self._pass_over(pushed, verdict, reason)
        else:
            with tempfile.TemporaryDirectory() as staging:
                saved_model = _local_folder(self.GetModelPath(input_dict), staging)
                decoding = _decoding(exec_properties)
                try:
                    outcome = self._push(model, saved_model, blessing, pushed, registry, config, decoding)
                except model_registry.NewerSpanInUseError as error:
                    outcome = self._pass_over(pushed, evidence.NOT_BLESSED, str(error))
        pushed.set_float_custom_property(artifacts.SECONDS, time.monotonic() - started)
        outcome[artifacts.SECONDS] = round(time.monotonic() - started, 3)
        fileio.makedirs(pushed.uri)
        io_utils.write_string_file(f"{pushed.uri}/{artifacts.PUSH_FILE}", json.dumps(outcome, indent=2) + "\n")
        _logger.info("export: %s, %.1f s, %s", outcome["message"], outcome[artifacts.SECONDS], pushed.uri)

    def _pass_over(self, pushed: types.Artifact, verdict: str, reason: str | None) -> dict[str, Any]:
        self._MarkNotPushed(pushed)
        return {"pushed": False, "message": f"nothing pushed: {verdict}", "verdict": verdict, "reason": reason}

    def _push(
        self,
        model: types.Artifact,
        saved_model: pathlib.Path,
        blessing: types.Artifact,
        pushed: types.Artifact,
        registry: pathlib.Path,
        config: ExportConfig,
        decoding: dict[str, Any],
    ) -> dict[str, Any]:
        facts = _model_facts(saved_model)
        digest = _content_digest(model, facts)
        verdict = _verdict(blessing)
        push = model_registry.push(
            registry,
            config.model_name,
            saved_model,
            content_digest=digest,
            source=model.uri,
            decoding=decoding,
            span=artifacts.data_span(model),
            model_card=lambda number: model_card(config.model_name, number, verdict, facts, decoding),
            lock_timeout_seconds=config.lock_timeout_seconds,
        )
        number = push.version.number
        self._MarkPushed(pushed, pushed_destination=str(push.folder), pushed_version=str(number))
        pushed.set_int_custom_property(artifacts.VERSION, number)
        pushed.set_string_custom_property(artifacts.CONTENT_DIGEST, digest)
        return {
            "pushed": True,
            "message": f"version {number} is {'new' if push.is_new else 'there already'} in {push.folder.parent}",
            "is_new": push.is_new,
            "is_in_use": push.is_in_use,
            "model_name": config.model_name,
            artifacts.VERSION: number,
            artifacts.CONTENT_DIGEST: digest,
            "files_digest": push.version.files_digest,
            "directory": str(push.folder),
            "source": push.version.source,
        }


def _registry(folder: str) -> pathlib.Path:
    if "://" in folder:
        raise ValueError(f"the registry must be a folder of a mounted file system, found {folder!r}")
    return pathlib.Path(folder)


def _decoding(exec_properties: dict[str, Any]) -> dict[str, Any]:
    """How consumers turn image files into what the model reads."""
    ingestion = configuration.from_json(IngestionConfig, exec_properties[INGESTION_CONFIG], "Pusher ingestion_config")
    image = configuration.from_json(ImageConfig, exec_properties[artifacts.IMAGE_CONFIG], "Pusher image_config")
    return image_files.decoding_settings(ingestion, image)


def _content_digest(model: types.Artifact, facts: dict[str, Any]) -> str:
    """The identity of the model, on which its artifact and the SavedModel must agree."""
    digest = model.get_string_custom_property(artifacts.CONTENT_DIGEST)
    if not digest:
        raise ValueError(f"the model {model.uri} has no property {artifacts.CONTENT_DIGEST}, so it has no identity")
    if facts[evidence.CONTENT_DIGEST] != digest:
        raise ValueError(
            f"the model {model.uri} was evaluated as {digest}, but the SavedModel in it is "
            f"{facts[evidence.CONTENT_DIGEST]}"
        )
    return digest


def _local_folder(uri: str, staging: str) -> pathlib.Path:
    """``uri`` itself, or a copy in ``staging`` where it lies on another kind of file system."""
    if "://" not in uri:
        return pathlib.Path(uri)
    io_utils.copy_dir(uri, f"{staging}/model")
    return pathlib.Path(staging, "model")


def _verdict(blessing: types.Artifact) -> dict[str, Any]:
    path = f"{blessing.uri}/{artifacts.VERDICT_FILE}"
    if not fileio.exists(path):
        raise ValueError(f"{path} is missing: a model is not pushed without the evidence for its verdict")
    return json.loads(io_utils.read_bytes_file(path))


def _model_facts(saved_model: pathlib.Path) -> dict[str, Any]:
    path = saved_model / signatures.MODEL_FACTS_FILE
    if not path.is_file():
        raise ValueError(f"{path} is missing: the SavedModel does not say what it is")
    return json.loads(path.read_text(encoding="utf-8"))
