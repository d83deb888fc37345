"""A model registry in a folder: no server, safe under concurrent pushes, readers and kills.

``<registry>/<model name>/<version>/`` is the layout of TensorFlow Serving: one SavedModel per integer, of which the
highest is loaded. A version appears by one rename; ``registry.json``, written last, names the versions and aliases.
"""

import dataclasses
import datetime
import json
import logging
import pathlib
import shutil
from collections.abc import Callable, Mapping
from typing import Any

from components.contracts import signatures
from components.export import durable_files
from components.export.locking import folder_lock

INDEX_FILE = "registry.json"
VERSION_FILE = "assets.extra/version.json"  # inside a version, where TensorFlow Serving looks for nothing
MODEL_CARD_FILE = "assets.extra/MODEL_CARD.md"
_ADDED_FILES = frozenset({VERSION_FILE, MODEL_CARD_FILE, signatures.RECORD_FILE})
_INCOMING_PREFIX = ".incoming-"
_REMOVED_PREFIX = ".removed-"

BLESSED = "blessed"  # the version in use
PREVIOUS = "previous"  # the version that was in use before it

_logger = logging.getLogger(__name__)


class RegistryError(ValueError):
    """A registry, model or version that is not there or cannot be read."""


class NewerSpanInUseError(RegistryError):
    """The version in use was made from newer data than the one that was to replace it."""


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Push:
    """What a push came to."""

    version: Version
    folder: pathlib.Path
    is_new: bool  # False: the same content was there already
    is_in_use: bool  # False: the content is there, but another version is blessed, such as after a rollback


@dataclasses.dataclass(frozen=True)
class _Draft:
    """What is known of a version before it has a number."""

    content_digest: str
    source: str
    decoding: dict[str, Any] | None
    span: int | None
    blessing: str | None = None
    republished_from: int | None = None


def push(
    registry: pathlib.Path,
    model_name: str,
    saved_model: pathlib.Path,
    *,
    content_digest: str,
    source: str,
    decoding: dict[str, Any],
    span: int | None,
    blessing: str | None,
    describe: Callable[[int], Mapping[str, str]],
    lock_timeout_seconds: float,
) -> Push:
    """Bring a SavedModel into the registry as the version in use, unless its content is there already.

    Content that is there keeps its version, and the aliases stay, so that a repeated push does not undo a rollback.
    Only a new blessing, of a model that won against the one that had replaced it, puts old content to use again, under
    a new number; so does a TFLite file that the version in use lacks.

    Args:
        registry: root folder, made when missing.
        model_name: folder of the model in the registry.
        saved_model: folder of the SavedModel, copied as it is.
        content_digest: identity of the model.
        source: URI the model came from, for the record.
        decoding: plain values that consumers decode image files by; see ``decoding_settings``.
        span: of the data that the model was made from; None where that has no spans.
        blessing: name of the verdict that preferred this model to others; None where it only found it in use.
        describe: version number -> texts that are put beside the model, by path inside the version.
        lock_timeout_seconds: how long to wait for another push.

    Raises:
        RegistryError: ``saved_model`` holds no SavedModel, or the index cannot be read.
        NewerSpanInUseError: the version in use is of a newer span; nothing was changed.
        FolderBusyError: another push held the lock for too long.
        CopyError: the copy differs from ``saved_model``.
    """
    if not (saved_model / "saved_model.pb").is_file():
        raise RegistryError(f"{saved_model} holds no SavedModel: saved_model.pb is missing")
    folder = registry / model_name
    with folder_lock(folder, lock_timeout_seconds):
        index = _recovered(folder)
        present = _find_content(folder, index, content_digest)
        is_in_use = present is not None and _is_in_use(index, present)
        is_complete = not is_in_use or _holds_what_was_added(folder / str(present.number), saved_model)
        if (
            present
            and is_complete
            and (is_in_use or blessing is None or _was_pushed_for(index, content_digest, blessing))
        ):
            return Push(version=present, folder=folder / str(present.number), is_new=False, is_in_use=is_in_use)
        _require_no_newer_span(index, span)
        republished_from = present.number if present else None
        draft = _Draft(content_digest, source, decoding, span, blessing, republished_from)
        version = _publish(folder, index, saved_model, draft, describe)
        _write_index(folder, _with_version(index, version))
    return Push(version=version, folder=folder / str(version.number), is_new=True, is_in_use=True)


def promote(registry: pathlib.Path, model_name: str, name: str, *, lock_timeout_seconds: float) -> Version:
    """Put an older version to use again, under a new number, because servers load the highest.

    Args:
        registry: root folder.
        model_name: folder of the model in the registry.
        name: number or alias of the version.
        lock_timeout_seconds: how long to wait for a push.

    Returns:
        The version now in use: a new one, or the named one where it is in use already.

    Raises:
        RegistryError: there is no such model or version, or its files are damaged.
    """
    read_index(registry, model_name)  # no folder is made for a model that is not there
    folder = registry / model_name
    with folder_lock(folder, lock_timeout_seconds):
        index = _recovered(folder)
        old = _select(index, name, folder)
        if _is_in_use(index, old):
            return old
        if not is_intact(registry, model_name, old):
            raise RegistryError(f"{folder / str(old.number)} is missing or no longer holds the files that were pushed")
        texts = {
            name: (folder / str(old.number) / name).read_text()
            for name in sorted(_ADDED_FILES - {VERSION_FILE})
            if (folder / str(old.number) / name).is_file()
        }
        version = _publish(
            folder,
            index,
            folder / str(old.number),
            _Draft(old.content_digest, old.source, old.decoding, old.span, republished_from=old.number),
            lambda number: {**texts, MODEL_CARD_FILE: _again(number, old.number) + texts[MODEL_CARD_FILE]},
        )
        _write_index(folder, _with_version(index, version))
    return version


def rollback(registry: pathlib.Path, model_name: str, *, lock_timeout_seconds: float) -> Version:
    """Put the version that was in use before to use again; see ``promote``."""
    return promote(registry, model_name, PREVIOUS, lock_timeout_seconds=lock_timeout_seconds)


def prune(registry: pathlib.Path, model_name: str, *, keep: int, lock_timeout_seconds: float) -> list[Version]:
    """Remove all versions but the newest ones and those that have an alias.

    Args:
        registry: root folder.
        model_name: folder of the model in the registry.
        keep: how many of the newest versions stay, at least 1: servers load the highest.
        lock_timeout_seconds: how long to wait for a push.

    Returns:
        What was removed, by rising number.

    Raises:
        RegistryError: there is no such model.
        ValueError: ``keep`` is less than 1.
    """
    if keep < 1:
        raise ValueError(f"keep must be at least 1, found {keep}")
    read_index(registry, model_name)  # no folder is made for a model that is not there
    folder = registry / model_name
    with folder_lock(folder, lock_timeout_seconds):
        index = _recovered(folder)
        kept_numbers = {version.number for version in index.versions[-keep:]} | set(index.aliases.values())
        removed = [version for version in index.versions if version.number not in kept_numbers]
        # Out of sight first: a numbered folder that the index does not name would pass for a push that was killed.
        hidden = [_hide(folder, version.number) for version in removed]
        kept = tuple(version for version in index.versions if version.number in kept_numbers)
        _write_index(folder, dataclasses.replace(index, versions=kept))
        for path in hidden:
            shutil.rmtree(path, ignore_errors=True)
    return removed


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
    return _read_index(registry / model_name)


def find_version(registry: pathlib.Path, model_name: str, name: str) -> Version:
    """The version of a model with a number or an alias, such as ``"3"`` or ``"blessed"``.

    Raises:
        RegistryError: there is no such model or version.
    """
    return _select(read_index(registry, model_name), name, registry / model_name)


def is_intact(registry: pathlib.Path, model_name: str, version: Version) -> bool:
    """Whether the files of ``version`` are still those that were pushed."""
    folder = registry / model_name / str(version.number)
    return folder.is_dir() and durable_files.files_digest(folder, _ADDED_FILES) == version.files_digest


def _select(index: Index, name: str, folder: pathlib.Path) -> Version:
    number = index.aliases.get(name, int(name) if name.isdecimal() else None)
    for version in index.versions:
        if version.number == number:
            return version
    known = [*index.aliases, *(str(version.number) for version in index.versions)]
    raise RegistryError(f"{folder} has no version {name!r}; known: {', '.join(known) or 'none'}")


def _find_content(folder: pathlib.Path, index: Index, content_digest: str) -> Version | None:
    """The latest version with this content whose folder is still there."""
    for version in reversed(index.versions):
        if version.content_digest == content_digest and (folder / str(version.number) / "saved_model.pb").is_file():
            return version
    return None


def _holds_what_was_added(version: pathlib.Path, saved_model: pathlib.Path) -> bool:
    """False where an export was asked for since that the version does not have."""
    return (version / signatures.TFLITE_FILE).is_file() or not (saved_model / signatures.TFLITE_FILE).is_file()


def _is_in_use(index: Index, version: Version) -> bool:
    return index.aliases.get(BLESSED) == version.number


def _was_pushed_for(index: Index, content_digest: str, blessing: str) -> bool:
    return any((v.content_digest, v.blessing) == (content_digest, blessing) for v in index.versions)


def _require_no_newer_span(index: Index, span: int | None) -> None:
    for version in index.versions:
        if _is_in_use(index, version) and None not in (span, version.span) and span < version.span:
            raise NewerSpanInUseError(
                f"version {version.number}, which is in use, was made from span {version.span}: a model of span {span} "
                "does not replace it"
            )


def _publish(
    folder: pathlib.Path,
    index: Index,
    saved_model: pathlib.Path,
    draft: _Draft,
    describe: Callable[[int], Mapping[str, str]],
) -> Version:
    """Copy ``saved_model`` under a hidden name, describe it, and rename it to the next integer."""
    number = max([*_numbers(folder), *(version.number for version in index.versions)], default=0) + 1
    incoming = folder / f"{_INCOMING_PREFIX}{number}"
    try:
        digest = durable_files.copy_folder(saved_model, incoming, ignoring=_ADDED_FILES)
        version = Version(
            number=number,
            files_digest=digest,
            pushed_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            **dataclasses.asdict(draft),
        )
        (incoming / VERSION_FILE).parent.mkdir(exist_ok=True)
        for name, text in describe(number).items():
            durable_files.write_whole(incoming / name, text)
        durable_files.write_whole(incoming / VERSION_FILE, json.dumps(dataclasses.asdict(version), indent=2) + "\n")
        durable_files.publish_folder(incoming, folder / str(number))
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    return version


def _again(number: int, old: int) -> str:
    return f"> Version {number} carries the content of version {old} again.\n\n"


def _hide(folder: pathlib.Path, number: int) -> pathlib.Path:
    hidden = folder / f"{_REMOVED_PREFIX}{number}"
    if (folder / str(number)).is_dir():
        (folder / str(number)).rename(hidden)
        durable_files.flush_folder(folder)
    return hidden


def _numbers(folder: pathlib.Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]


def _recovered(folder: pathlib.Path) -> Index:
    """The index after clearing up what a killed push or prune left; only under the lock.

    A hidden folder is a copy that was never finished, or a version that was to go. A version the index does not name
    was finished and renamed, so its push is completed here.
    """
    for prefix in (_INCOMING_PREFIX, _REMOVED_PREFIX):
        for leftover in folder.glob(f"{prefix}*"):
            _logger.info("removing %s, which a killed push or prune left", leftover)
            shutil.rmtree(leftover)
    index = _read_index(folder)
    known = {version.number for version in index.versions}
    for number in sorted(set(_numbers(folder)) - known):
        path = folder / str(number) / VERSION_FILE
        if not path.is_file():
            _logger.warning("%s was not made by this registry and is left alone", path.parent.parent)
            continue
        _logger.info("completing the push of version %d to %s, which was killed before its last step", number, folder)
        index = _with_version(index, Version(**json.loads(path.read_text())))
        _write_index(folder, index)
    return index


def _with_version(index: Index, version: Version) -> Index:
    aliases = {BLESSED: version.number}
    if BLESSED in index.aliases:
        aliases[PREVIOUS] = index.aliases[BLESSED]
    versions = sorted([*index.versions, version], key=lambda entry: entry.number)
    return Index(versions=tuple(versions), aliases=aliases)


def _read_index(folder: pathlib.Path) -> Index:
    path = folder / INDEX_FILE
    if not path.is_file():
        return Index()
    try:
        content = json.loads(path.read_text())
        return Index(versions=tuple(Version(**entry) for entry in content["versions"]), aliases=content["aliases"])
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"{path} is not the index of a registry: {error}") from error


def _write_index(folder: pathlib.Path, index: Index) -> None:
    durable_files.write_whole(folder / INDEX_FILE, json.dumps(dataclasses.asdict(index), indent=2) + "\n")
