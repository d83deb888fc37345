"""Changes a registry: pushes a version, puts an old one to use again, or removes old ones.

A version appears by one rename; the index, written last, names it. Safe under concurrent pushes, readers and kills.
"""

import dataclasses
import pathlib
import shutil

from components.contracts import signatures
from components.contracts.folder_lock import folder_lock
from components.export import folder_changes, registry
from components.export.folder_changes import Describe
from components.export.image_files import Decoding


class NewerSpanInUseError(registry.RegistryError):
    """The version in use was made from newer data than the model that should replace it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Push:
    """The result of a push."""

    version: registry.Version
    folder: pathlib.Path
    is_new: bool  # False: the same content was there already
    is_in_use: bool  # False: the content is there, but another version is blessed, such as after a rollback


def push(
    root: pathlib.Path,
    model_name: str,
    saved_model: pathlib.Path,
    *,
    content_digest: str,
    source: str,
    decoding: Decoding,
    span: int | None,
    blessing: str | None,
    describe: Describe,
    lock_timeout_seconds: float,
) -> Push:
    """Bring a SavedModel into the registry as the version in use, unless its content is there already.

    Content that is there already keeps its version and aliases, so that a repeated push does not undo a rollback. It is
    put to use again, under a new number, only after a new blessing, for which the model beat the one that had replaced
    it, or to add a TFLite file that the version in use lacks.

    Args:
        root: the registry's folder, made when missing.
        model_name: folder of the model in the registry.
        saved_model: folder of the SavedModel, copied as it is.
        content_digest: identity of the model.
        source: URI the model came from, for the record.
        decoding: how consumers decode image files.
        span: of the data that the model was made from; None if the data has no spans.
        blessing: URI of the verdict that preferred this model to others; None if it only found the model in use.
        describe: version number -> texts that are put beside the model, by path inside the version.
        lock_timeout_seconds: how long to wait for another push.

    Raises:
        RegistryError: ``saved_model`` holds no SavedModel, or the index cannot be read.
        NewerSpanInUseError: the version in use is of a newer span; nothing was changed.
        FolderBusyError: another push held the lock for too long.
        CopyError: the copy differs from ``saved_model``.
    """
    if not (saved_model / "saved_model.pb").is_file():
        raise registry.RegistryError(f"{saved_model} holds no SavedModel: saved_model.pb is missing")
    folder = root / model_name
    with folder_lock(folder, lock_timeout_seconds):
        index = folder_changes.recovered(folder)
        present = _find_content(folder, index, content_digest)
        in_use = present if present is not None and index.is_in_use(present) else None
        is_in_use = in_use is not None
        is_complete = in_use is None or _holds_what_was_added(folder / str(in_use.number), saved_model)
        if (
            present
            and is_complete
            and (is_in_use or blessing is None or _was_pushed_for(index, content_digest, blessing))
        ):
            return Push(version=present, folder=folder / str(present.number), is_new=False, is_in_use=is_in_use)
        _require_no_newer_span(index, span)
        republished_from = present.number if present else None
        draft = folder_changes.Draft(content_digest, source, decoding, span, blessing, republished_from)
        version = folder_changes.publish(folder, index, saved_model, draft, describe)
        folder_changes.write_index(folder, folder_changes.with_version(index, version))
        folder_changes.remove_candidate(folder, content_digest)
    return Push(version=version, folder=folder / str(version.number), is_new=True, is_in_use=True)


def promote(root: pathlib.Path, model_name: str, name: str, *, lock_timeout_seconds: float) -> registry.Version:
    """Put an older version to use again, under a new number, because servers load the highest.

    Args:
        root: the registry's folder.
        model_name: folder of the model in the registry.
        name: number or alias of the version.
        lock_timeout_seconds: how long to wait for a push.

    Returns:
        The version now in use: a new one, or the named one where it is in use already.

    Raises:
        RegistryError: there is no such model or version, or its files are damaged.
    """
    registry.read_index(root, model_name)  # no folder is made for a model that is not there
    folder = root / model_name
    with folder_lock(folder, lock_timeout_seconds):
        index = folder_changes.recovered(folder)
        old = registry.select(index, name, folder)
        if index.is_in_use(old):
            return old
        folder_changes.require_intact(root, model_name, old)
        texts = folder_changes.added_texts(folder / old.name)
        card = texts[registry.MODEL_CARD_FILE]
        version = folder_changes.publish(
            folder,
            index,
            folder / old.name,
            folder_changes.Draft(old.content_digest, old.source, old.decoding, old.span, republished_from=old.number),
            lambda number: {**texts, registry.MODEL_CARD_FILE: _again(number, old.number) + card},
        )
        folder_changes.write_index(folder, folder_changes.with_version(index, version))
    return version


def prune(root: pathlib.Path, model_name: str, *, keep: int, lock_timeout_seconds: float) -> list[registry.Version]:
    """Remove all versions but the newest ones and those that have an alias.

    Args:
        root: the registry's folder.
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
    registry.read_index(root, model_name)  # no folder is made for a model that is not there
    folder = root / model_name
    with folder_lock(folder, lock_timeout_seconds):
        index = folder_changes.recovered(folder)
        kept_numbers = {version.number for version in index.versions[-keep:]} | set(index.aliases.values())
        removed = [version for version in index.versions if version.number not in kept_numbers]
        # Hidden first: a numbered folder that the index does not name would look like a push that was killed.
        hidden = [folder_changes.hide(folder, version.name) for version in removed]
        kept = tuple(version for version in index.versions if version.number in kept_numbers)
        folder_changes.write_index(folder, dataclasses.replace(index, versions=kept))
        for path in hidden:
            shutil.rmtree(path, ignore_errors=True)
    return removed


def _find_content(folder: pathlib.Path, index: registry.Index, content_digest: str) -> registry.Version | None:
    """The latest version with this content whose folder is still there."""
    for version in reversed(index.versions):
        if version.content_digest == content_digest and (folder / str(version.number) / "saved_model.pb").is_file():
            return version
    return None


def _holds_what_was_added(version: pathlib.Path, saved_model: pathlib.Path) -> bool:
    """Whether the version has a TFLite file if ``saved_model`` has one."""
    return (version / signatures.TFLITE_FILE).is_file() or not (saved_model / signatures.TFLITE_FILE).is_file()


def _was_pushed_for(index: registry.Index, content_digest: str, blessing: str) -> bool:
    return any((v.content_digest, v.blessing) == (content_digest, blessing) for v in index.versions)


def _require_no_newer_span(index: registry.Index, span: int | None) -> None:
    for version in index.versions:
        if span is None or version.span is None or not index.is_in_use(version):
            continue
        if span < version.span:
            raise NewerSpanInUseError(
                f"version {version.number}, which is in use, was made from span {version.span}: a model of span {span} "
                "does not replace it"
            )


def _again(number: int, old: int) -> str:
    return f"> Version {number} carries the content of version {old} again.\n\n"
