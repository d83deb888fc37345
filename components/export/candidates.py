"""The candidate of a model: the latest one that the Gate did not bless. It can be used, and a person can push it."""

import pathlib

from components.contracts.folder_lock import folder_lock
from components.contracts.plain_text import escape_markdown
from components.export import folder_changes, registry
from components.export.folder_changes import Describe, Draft


def keep_candidate(
    root: pathlib.Path,
    model_name: str,
    saved_model: pathlib.Path,
    draft: Draft,
    describe: Describe,
    *,
    lock_timeout_seconds: float,
) -> pathlib.Path:
    """Bring a SavedModel that was not blessed into the registry as the candidate; it replaces the candidate before it.

    No version and no alias changes.

    Args:
        root: the registry's folder, made when missing.
        model_name: folder of the model in the registry.
        saved_model: folder of the SavedModel, copied as it is.
        draft: what is known of it.
        describe: gives the texts that are put beside the model.
        lock_timeout_seconds: how long to wait for a push.

    Returns:
        The candidate's folder.

    Raises:
        RegistryError: the index or the candidate before it cannot be read.
        FolderBusyError: a push held the lock for too long.
        CopyError: the copy differs from ``saved_model``.
    """
    folder = root / model_name
    with folder_lock(folder, lock_timeout_seconds):
        index = folder_changes.recovered(folder)
        incoming, version = folder_changes.describe_copy(
            folder, registry.CANDIDATE_NUMBER, saved_model, draft, describe
        )
        folder_changes.remove_candidate(folder)
        folder_changes.give_name(incoming, folder / version.name)
        if not (folder / registry.INDEX_FILE).is_file():
            folder_changes.write_index(folder, index)
    return folder / registry.CANDIDATE


def add_candidate(
    root: pathlib.Path, model_name: str, addition: registry.Addition, *, lock_timeout_seconds: float
) -> registry.Version:
    """Put the candidate to use as a new version, by a person's word.

    Args:
        root: the registry's folder.
        model_name: folder of the model in the registry.
        addition: who says so, why, and what the Gate objected to; kept with the version and in its model card.
        lock_timeout_seconds: how long to wait for a push.

    Returns:
        The version, which is in use now. The candidate is gone.

    Raises:
        RegistryError: there is no such model or candidate, or its files are damaged.
    """
    registry.read_index(root, model_name)  # no folder is made for a model that is not there
    folder = root / model_name
    with folder_lock(folder, lock_timeout_seconds):
        index = folder_changes.recovered(folder)
        old = registry.find_version(root, model_name, registry.CANDIDATE)
        folder_changes.require_intact(root, model_name, old)
        draft = Draft(old.content_digest, old.source, old.decoding, old.span, added=addition)
        texts = folder_changes.added_texts(folder / old.name)
        card = texts[registry.MODEL_CARD_FILE]
        version = folder_changes.publish(
            folder,
            index,
            folder / old.name,
            draft,
            lambda number: {**texts, registry.MODEL_CARD_FILE: _added_by(number, addition) + card},
        )
        folder_changes.write_index(folder, folder_changes.with_version(index, version))
        folder_changes.remove_candidate(folder)
    return version


def _added_by(number: int, addition: registry.Addition) -> str:
    failed = "".join(f"> - {escape_markdown(check)}\n" for check in addition.failed_checks)
    return (
        f"> Version {number} was put to use by {escape_markdown(addition.who)}, although the Gate did not bless it. "
        f"Reason given: {escape_markdown(addition.why)}\n>\n> Checks that it failed:\n>\n{failed}\n"
    )
