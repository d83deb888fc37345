"""Registers versions on a server of Kubeflow Model Registry, through its own client.

The server stores facts about a model and the address of its files, not the files. Each step first checks whether it was
done before, so that a repeated or interrupted registration ends with one model, one version and one artifact.
"""

import asyncio
import dataclasses
import logging
import os
import pathlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pydantic

from components.contracts.artifact_files import CONTENT_DIGEST
from components.export.config import KubeflowRegistryConfig

if TYPE_CHECKING:
    from model_registry.core import ModelRegistryAPIClient

Property = bool | int | float | str

VERSION_IN_USE = "version_in_use"  # property of the registered model: name of one of its versions

_TOKEN_VARIABLE = "SIMCLR_MODEL_REGISTRY_TOKEN"
_SERVICE_ACCOUNT_TOKEN = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_FORMAT, _FORMAT_VERSION = "tensorflow", "2"  # what serving platforms call a SavedModel
_PAGE_SIZE = 100
_LARGEST_INT = 10**9
_CONFLICT = 409

_logger = logging.getLogger(__name__)


class ModelRegistryError(RuntimeError):
    """The server cannot be reached or refuses; the message is one sentence for people."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """What the server stores about one version."""

    model_name: str
    version: int | None  # None: the server chooses; content that is new to it gets the next integer
    uri: str  # of the SavedModel
    content_digest: str  # of the model
    is_in_use: bool
    description: str
    properties: Mapping[str, Property]  # metrics and lineage


def register(entry: Entry, config: KubeflowRegistryConfig) -> int:
    """Register ``entry``, or update what the server has of it.

    A bearer token comes from the environment variable ``SIMCLR_MODEL_REGISTRY_TOKEN`` or the pod's service account.

    Args:
        entry: of one version.
        config: ``address`` must be set.

    Returns:
        The version.

    Raises:
        ModelRegistryError: nothing answers in all attempts, the server refuses, or it has another model under this
            version.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return asyncio.run(asyncio.wait_for(_register(_client(config), entry), config.timeout_seconds))
        except Exception as error:
            reason = _reason(error)
            if reason is None:
                raise
            if attempt == config.attempts or not reason.may_pass:
                raise ModelRegistryError(
                    f"model registry {config.address}: {reason.sentence} (attempt {attempt} of {config.attempts}); "
                    f"the model at {entry.uri} is not registered there, the next run makes up for it"
                ) from error
            seconds = config.first_wait_seconds * 2 ** (attempt - 1)
            _logger.warning("model registry %s: %s; again in %.3g s", config.address, reason.sentence, seconds)
            time.sleep(seconds)


async def _register(api: "ModelRegistryAPIClient", entry: Entry) -> int:
    from model_registry.types import RegisteredModel

    model = await api.get_registered_model_by_params(entry.model_name)
    model = model or await api.upsert_registered_model(RegisteredModel(name=entry.model_name))
    name = str(entry.version or await _number_of_content(api, model.id, entry.content_digest))
    await _put_artifact(api, entry, await _put_version(api, entry, model.id, name))
    if entry.is_in_use:  # last: it tells consumers that the rest is complete
        model.custom_properties = {**(model.custom_properties or {}), VERSION_IN_USE: name}
        await api.upsert_registered_model(model)
    return int(name)


async def _number_of_content(api: "ModelRegistryAPIClient", model_id: str, content_digest: str) -> int:
    from model_registry.types import ListOptions

    options, numbers = ListOptions(limit=_PAGE_SIZE), [0]
    while True:
        for version in await api.get_model_versions(model_id, options):
            if (version.custom_properties or {}).get(CONTENT_DIGEST) == content_digest:
                return int(version.name)
            numbers.append(int(version.name) if version.name.isdecimal() else 0)
        if not options.next_page_token:
            return max(numbers) + 1


async def _put_version(api: "ModelRegistryAPIClient", entry: Entry, model_id: str, name: str) -> str:
    """The server's id of the version."""
    from model_registry.types import ModelVersion
    from mr_openapi import exceptions

    facts = {name: _sendable(value) for name, value in entry.properties.items()}
    facts[CONTENT_DIGEST] = entry.content_digest
    version = await api.get_model_version_by_params(model_id, name)
    version = version or ModelVersion(name=name, custom_properties=facts)
    known = (version.custom_properties or {}).get(CONTENT_DIGEST)
    if known != entry.content_digest and entry.version is None:
        raise exceptions.ConflictException(status=_CONFLICT, reason=f"version {name} went to another push")
    if known != entry.content_digest:
        raise ModelRegistryError(
            f"{entry.model_name} version {name} is another model there (content digest {known}, expected "
            f"{entry.content_digest}): it comes from another registry folder; choose another export.model_name"
        )
    version.description, version.custom_properties = entry.description, facts
    return (await api.upsert_model_version(version, model_id)).id


def _sendable(value: bool | int | float | str) -> bool | int | float | str:
    """The client refuses whole numbers of more than nine digits, on writing and on reading: they are sent as text."""
    is_long = isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LARGEST_INT
    return str(value) if is_long else value


async def _put_artifact(api: "ModelRegistryAPIClient", entry: Entry, version_id: str) -> None:
    from model_registry.types import ModelArtifact

    artifact = await api.get_model_artifact_by_params(entry.model_name, version_id)
    if artifact is None:
        artifact = ModelArtifact(
            name=entry.model_name, uri=entry.uri, model_format_name=_FORMAT, model_format_version=_FORMAT_VERSION
        )
        await api.upsert_model_version_artifact(artifact, version_id)
    elif artifact.uri != entry.uri:
        artifact.uri = entry.uri
        await api.upsert_model_artifact(artifact)


def _client(config: KubeflowRegistryConfig) -> "ModelRegistryAPIClient":
    handlers = logging.getLogger().handlers[:]
    from model_registry.core import ModelRegistryAPIClient
    from mr_openapi import Configuration

    logging.getLogger().handlers[:] = handlers  # importing the client sets up logging for the whole process
    return ModelRegistryAPIClient(
        Configuration(host=config.address, access_token=_token(), ssl_ca_cert=config.ca_file or None)
    )


def _token() -> str | None:
    if _TOKEN_VARIABLE in os.environ:
        return os.environ[_TOKEN_VARIABLE]
    return _SERVICE_ACCOUNT_TOKEN.read_text().strip() if _SERVICE_ACCOUNT_TOKEN.is_file() else None


@dataclasses.dataclass(frozen=True)
class _Reason:
    sentence: str
    may_pass: bool


def _reason(error: Exception) -> _Reason | None:
    """Why a registration failed; None if neither server nor network caused it."""
    import aiohttp
    from mr_openapi import exceptions

    if isinstance(error, ModelRegistryError):
        return _Reason(str(error), may_pass=False)
    if isinstance(error, pydantic.ValidationError):  # of the client: what is sent, or what the server answers
        details = error.errors(include_url=False)[0]
        return _Reason(f"its client refuses {details['input']!r}: {details['msg']}", may_pass=False)
    if isinstance(error, asyncio.TimeoutError):
        return _Reason("no answer in time", may_pass=True)
    if isinstance(error, aiohttp.ClientError):
        return _Reason(f"not reachable: {error}", may_pass=True)
    if isinstance(error, exceptions.ApiException):
        # A conflict: another push made the same entry at the same time, so that the next attempt finds it.
        may_pass = error.status == _CONFLICT or error.status >= 500
        return _Reason(f"answered {error.status} {error.reason}", may_pass)
    return None
