"""A model registry in a folder, without a server: what is in it. ``publishing`` changes it.

``<registry>/<model name>/<version>/`` is the layout of TensorFlow Serving: one SavedModel per integer, of which the
highest is loaded; ``registry.json`` names the versions and aliases.
"""

import dataclasses
import json
import pathlib
from typing import Any

from components.contracts import signatures
from components.export import durable_files

INDEX_FILE = "registry.json"
VERSION_FILE = "assets.extra/version.json"  # inside a version, where TensorFlow Serving looks for nothing
MODEL_CARD_FILE = "assets.extra/MODEL_CARD.md"
# What describes a version, and is no part of what was pushed.
ADDED_FILES = frozenset({VERSION_FILE, MODEL_CARD_FILE, signatures.RECORD_FILE})

BLESSED = "blessed"  # the version in use
PREVIOUS = "previous"  # the version that was in use before it


class RegistryError(ValueError):
    """A registry, model or version that is not there or cannot be read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a model."""

    number: int
    content_digest: str  # of the model: equal for equal models, whatever run made them
    files_digest: str  # of the model's files, without what describes the version
    source: str  # URI of the evaluated model
    pushed_at: str  # ISO 8601, UTC
    republished_from: int | None = None  # the version whose content this one carries again
    decoding: dict[str, Any] | None = None  # how image files become what the model reads; see ``decoding_settings``
    span: int | None = None  # of the data it was made from; None where that has no spans
    blessing: str | None = None  # the verdict that put it to use; None where a person did


@dataclasses.dataclass(frozen=True, kw_only=True)
class Index:
    """What ``registry.json`` says about one model."""

    versions: tuple[Version, ...] = ()  # by rising number
    aliases: dict[str, int] = dataclasses.field(default_factory=dict)

    def is_in_use(self, version: Version) -> bool:
        """Whether this version is the blessed one."""
        return self.aliases.get(BLESSED) == version.number


def list_models(registry: pathlib.Path) -> list[str]:
    """Names of the models in ``registry``, sorted; empty where there is no registry."""
    return sorted(path.parent.name for path in registry.glob(f"*/{INDEX_FILE}"))


def read_index(registry: pathlib.Path, model_name: str) -> Index:
    """Versions and aliases of a model, without a lock: the index is always whole.

    Raises:
        RegistryError: there is no such model, or its index cannot be read.
    """
    if not (registry / model_name / INDEX_FILE).is_file():
        models = ", ".join(list_models(registry)) or "none"
        raise RegistryError(f"no model {model_name!r} in the registry {registry}; models there: {models}")
    return load_index(registry / model_name)


def find_version(registry: pathlib.Path, model_name: str, name: str) -> Version:
    """The version of a model with a number or an alias, such as ``"3"`` or ``"blessed"``.

    Raises:
        RegistryError: there is no such model or version.
    """
    return select(read_index(registry, model_name), name, registry / model_name)


def is_intact(registry: pathlib.Path, model_name: str, version: Version) -> bool:
    """Whether the files of ``version`` are still those that were pushed."""
    folder = registry / model_name / str(version.number)
    return folder.is_dir() and durable_files.files_digest(folder, ADDED_FILES) == version.files_digest


def select(index: Index, name: str, folder: pathlib.Path) -> Version:
    """The version with a number or an alias; ``folder``, of the model, is for the message.

    Raises:
        RegistryError: there is none.
    """
    number = index.aliases.get(name, int(name) if name.isdecimal() else None)
    for version in index.versions:
        if version.number == number:
            return version
    known = [*index.aliases, *(str(version.number) for version in index.versions)]
    raise RegistryError(f"{folder} has no version {name!r}; known: {', '.join(known) or 'none'}")


def load_index(folder: pathlib.Path) -> Index:
    """The index in a model's folder; an empty one where nothing was pushed yet.

    Raises:
        RegistryError: it cannot be read.
    """
    path = folder / INDEX_FILE
    if not path.is_file():
        return Index()
    try:
        content = json.loads(path.read_text())
        return Index(versions=tuple(Version(**entry) for entry in content["versions"]), aliases=content["aliases"])
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"{path} is not the index of a registry: {error}") from error
