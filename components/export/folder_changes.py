"""What every change of a registry is made of: describing a copy, naming it, hiding it, writing the index.

All functions are to be called under the lock of the model's folder. A version appears by one rename; the index, written
last, names it.
"""

import dataclasses
import datetime
import json
import logging
import pathlib
import shutil
from collections.abc import Callable, Mapping

from components.contracts.paths import PARTIAL_SUFFIX, partial_path
from components.contracts.record_files import record_to_mapping
from components.export import durable_files, registry
from components.export.image_files import Decoding

_REMOVED_PREFIX = ".removed-"

_logger = logging.getLogger(__name__)

Describe = Callable[[int], Mapping[str, str]]  # number -> texts that are put beside the model, by path in the version


@dataclasses.dataclass(frozen=True)
class Draft:
    """What is known of a version before it has a number."""

    content_digest: str
    source: str
    decoding: Decoding | None
    span: int | None
    blessing: str | None = None
    republished_from: int | None = None
    added: registry.Addition | None = None


def publish(
    folder: pathlib.Path,
    index: registry.Index,
    saved_model: pathlib.Path,
    draft: Draft,
    describe: Describe,
) -> registry.Version:
    """Copy ``saved_model``, describe it, and give it the next integer as its name."""
    number = max([*_numbers(folder), *(version.number for version in index.versions)], default=0) + 1
    incoming, version = describe_copy(folder, number, saved_model, draft, describe)
    give_name(incoming, folder / version.name)
    return version


def give_name(incoming: pathlib.Path, final: pathlib.Path) -> None:
    """Make a described copy appear under its final name; a failure leaves no copy."""
    try:
        durable_files.publish_folder(incoming, final)
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise


def describe_copy(
    folder: pathlib.Path,
    number: int,
    saved_model: pathlib.Path,
    draft: Draft,
    describe: Describe,
) -> tuple[pathlib.Path, registry.Version]:
    """Copy ``saved_model`` under a hidden name and put beside it what is known of it."""
    incoming = partial_path(folder / str(number))
    try:
        digest = durable_files.copy_folder(saved_model, incoming, ignoring=registry.ADDED_FILES)
        version = registry.Version(
            number=number,
            files_digest=digest,
            pushed_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            **vars(draft),
        )
        (incoming / registry.VERSION_FILE).parent.mkdir(exist_ok=True)
        for name, text in describe(number).items():
            durable_files.write_whole(incoming / name, text)
        durable_files.write_whole(incoming / registry.VERSION_FILE, _text(version))
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    return incoming, version


def added_texts(folder: pathlib.Path) -> dict[str, str]:
    """What was put beside the model of a version, without its ``VERSION_FILE``."""
    names = sorted(registry.ADDED_FILES - {registry.VERSION_FILE})
    return {name: (folder / name).read_text() for name in names if (folder / name).is_file()}


def require_intact(root: pathlib.Path, model_name: str, version: registry.Version) -> None:
    """Raise ``RegistryError`` unless the files of ``version`` are those that were pushed."""
    if not registry.is_intact(root, model_name, version):
        folder = registry.version_folder(root, model_name, version)
        raise registry.RegistryError(f"{folder} is missing or no longer holds the files that were pushed")


def remove_candidate(folder: pathlib.Path, content_digest: str | None = None) -> None:
    """Remove the candidate; with ``content_digest``, only if it has this content."""
    present = registry.candidate(folder)
    if present is not None and content_digest in (None, present.content_digest):
        shutil.rmtree(hide(folder, registry.CANDIDATE), ignore_errors=True)


def hide(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Rename the folder of a version, if it is there, to a name that nobody reads; returns the hidden folder."""
    hidden = folder / f"{_REMOVED_PREFIX}{name}"
    if (folder / name).is_dir():
        (folder / name).rename(hidden)
        durable_files.flush_folder(folder)
    return hidden


def _numbers(folder: pathlib.Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]


def recovered(folder: pathlib.Path) -> registry.Index:
    """Clean up after a killed push or prune and return the index.

    A hidden folder is an unfinished copy, or a version that was being removed. A version that the index does not name
    is complete, because it has its final name, so its push is completed here.
    """
    for leftover in (*folder.glob(f".*{PARTIAL_SUFFIX}"), *folder.glob(f"{_REMOVED_PREFIX}*")):
        _logger.info("removing %s, which a killed push or prune left", leftover)
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    index = registry.load_index(folder)
    known = {version.number for version in index.versions}
    for number in sorted(set(_numbers(folder)) - known):
        path = folder / str(number) / registry.VERSION_FILE
        if not path.is_file():
            _logger.warning("%s was not made by this registry and is left alone", path.parent.parent)
            continue
        _logger.info("completing the push of version %d to %s, which was killed before its last step", number, folder)
        index = with_version(index, registry.load(registry.Version, path))
        write_index(folder, index)
    return index


def with_version(index: registry.Index, version: registry.Version) -> registry.Index:
    """The index after a push: ``version`` is in use, and the one before it is the previous one."""
    aliases = {registry.BLESSED: version.number}
    if registry.BLESSED in index.aliases:
        aliases[registry.PREVIOUS] = index.aliases[registry.BLESSED]
    versions = sorted([*index.versions, version], key=lambda entry: entry.number)
    return registry.Index(versions=tuple(versions), aliases=aliases)


def write_index(folder: pathlib.Path, index: registry.Index) -> None:
    """Put ``index`` into force in one step."""
    durable_files.write_whole(folder / registry.INDEX_FILE, _text(index))


def _text(record: registry.Version | registry.Index) -> str:
    return json.dumps(record_to_mapping(record), indent=2) + "\n"
