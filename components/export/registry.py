"""A model registry in a folder, without a server: what is in it. ``publishing`` changes it.

``<registry>/<model name>/<version>/`` is the layout of TensorFlow Serving: one SavedModel per integer, of which the
highest is loaded; ``registry.json`` names the versions and aliases. ``<model name>/candidate/`` holds the latest model
that the Gate did not bless. It has the form of a version, but servers and aliases pass it over.
"""

import json
import pathlib

from components.contracts import signatures
from components.contracts.configuration import configuration
from components.contracts.record_files import Record, RecordError, record, record_from_mapping
from components.export import durable_files
from components.export.image_files import Decoding

INDEX_FILE = "registry.json"
VERSION_FILE = "assets.extra/version.json"  # inside a version, where TensorFlow Serving looks for nothing
MODEL_CARD_FILE = "assets.extra/MODEL_CARD.md"
# Files that describe a version and are not part of the pushed model.
ADDED_FILES = frozenset({VERSION_FILE, MODEL_CARD_FILE, signatures.RECORD_FILE})

BLESSED = "blessed"  # the version in use
PREVIOUS = "previous"  # the version that was in use before it
CANDIDATE = "candidate"  # the latest model that was not blessed; it has no number
CANDIDATE_NUMBER = 0


class RegistryError(ValueError):
    """A registry, model or version that is not there or cannot be read."""


@configuration
class Addition:
    """A person's word that put a model to use that the Gate did not bless."""

    who: str
    why: str
    failed_checks: tuple[str, ...]  # clauses of the Gate


@record(version=1, is_published=True)
class Version:
    """One version of a model; also the content of its ``VERSION_FILE``."""

    number: int  # 0: a candidate
    content_digest: str  # of the model: equal for equal models, whatever run made them
    files_digest: str  # of the model's files, without what describes the version
    source: str  # URI of the evaluated model
    pushed_at: str  # ISO 8601, UTC
    republished_from: int | None = None  # the version whose content this one carries again
    decoding: Decoding | None = None
    span: int | None = None  # of the data it was made from; None if the data has no spans
    blessing: str | None = None  # the verdict that put it to use; None if a person did
    added: Addition | None = None  # why a person put it to use without a blessing

    @property
    def name(self) -> str:
        """The name of its folder, by which it is found."""
        return CANDIDATE if self.number == CANDIDATE_NUMBER else str(self.number)


@record(version=1, is_published=True)
class Index:
    """Content of a model's ``INDEX_FILE``."""

    versions: tuple[Version, ...]  # in ascending order
    aliases: dict[str, int]  # alias -> number

    def is_in_use(self, version: Version) -> bool:
        """Whether this version is the blessed one."""
        return self.aliases.get(BLESSED) == version.number


def list_models(registry: pathlib.Path) -> list[str]:
    """Names of the models in ``registry``, sorted; empty if there is no registry."""
    return sorted(path.parent.name for path in registry.glob(f"*/{INDEX_FILE}"))


def only_model(registry: pathlib.Path) -> str:
    """Name of the model in a registry that holds one.

    Raises:
        RegistryError: it holds none or several.
    """
    models = list_models(registry)
    if len(models) != 1:
        raise RegistryError(f"{registry}: expected one model, found {', '.join(models) or 'none'}")
    return models[0]


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
    """The version of a model with a number or an alias, such as ``"3"``, ``"blessed"`` or ``"candidate"``.

    Raises:
        RegistryError: there is no such model or version.
    """
    index = read_index(registry, model_name)
    if name != CANDIDATE:
        return select(index, name, registry / model_name)
    found = candidate(registry / model_name)
    if found is None:
        raise RegistryError(f"{registry / model_name} has no candidate: no model was refused since the last push")
    return found


def candidate(folder: pathlib.Path) -> Version | None:
    """The candidate in a model's folder; None if there is none.

    Raises:
        RegistryError: it cannot be read.
    """
    path = folder / CANDIDATE / VERSION_FILE
    return load(Version, path) if path.is_file() else None


def version_folder(registry: pathlib.Path, model_name: str, version: Version) -> pathlib.Path:
    """Where the files of ``version`` are."""
    return registry / model_name / version.name


def is_intact(registry: pathlib.Path, model_name: str, version: Version) -> bool:
    """Whether the files of ``version`` are still those that were pushed."""
    folder = version_folder(registry, model_name, version)
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
    """Read the index in a model's folder; it is empty if nothing was pushed yet.

    Raises:
        RegistryError: it cannot be read.
    """
    path = folder / INDEX_FILE
    return load(Index, path) if path.is_file() else Index(versions=(), aliases={})


def load(cls: type[Record], path: pathlib.Path) -> Record:
    """Read a record of the registry without TensorFlow, which ``read_record`` loads and a list need not wait for.

    Raises:
        RegistryError: the file is missing, of another version, or lacks a field.
    """
    try:
        return record_from_mapping(cls, json.loads(path.read_text(encoding="utf-8")), str(path))
    except RecordError as error:
        raise RegistryError(str(error)) from None
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path} cannot be read: {error}") from None
