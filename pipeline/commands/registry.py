"""``simclr registry``: shows and checks versions, and chooses the one in use. Imports lazily, as ``cli`` does."""

import argparse
import pathlib
import sys
from typing import TYPE_CHECKING

from pipeline.commands import command_line

if TYPE_CHECKING:
    from components.export.registry import Version

_LOCK_TIMEOUT_SECONDS = 60


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``registry`` and its actions."""
    parser = commands.add_parser("registry", help="Show or change which model is in use.")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    command_line.add_workdir(command_line.add_command(actions, "list", _list, "List models and their versions."))
    for name, command, text in (
        ("show", _show, "Print the model card of a version."),
        ("verify", _verify, "Check the files of a version, and that it still computes the vectors stored with it."),
        ("promote", _promote, "Put a version into use, under a new number."),
    ):
        action = command_line.add_command(actions, name, command, text)
        action.add_argument("model", help="name of the model")
        action.add_argument("version", nargs="?", default="blessed", help="number, or blessed, previous, candidate")
        command_line.add_workdir(action)
    add = command_line.add_command(actions, "add", _add, "Put a model into use that was not blessed, by your word.")
    add.add_argument("model", nargs="?", help="name of the model; not needed if the registry holds one")
    add.add_argument("--candidate", action="store_true", required=True, help="the latest model that was not blessed")
    add.add_argument("--why", required=True, metavar="SENTENCE", help="why; it is recorded with the version")
    add.add_argument("--who", help="who says so; it is recorded with the version (default: your user name)")
    command_line.add_workdir(add)
    rollback = command_line.add_command(actions, "rollback", _rollback, "Put the previous version back into use.")
    prune = command_line.add_command(actions, "prune", _prune, "Remove old versions that no alias names.")
    prune.add_argument("--keep", type=int, default=5, help="number of newest versions to keep (default: 5)")
    for action in (rollback, prune):
        action.add_argument("model", help="name of the model")
        command_line.add_workdir(action)


def _folder(arguments: argparse.Namespace) -> pathlib.Path:
    from pipeline.workdir import Workdir

    return pathlib.Path(Workdir(arguments.workdir.resolve(), "").registry)


def _list(arguments: argparse.Namespace) -> int:
    from components.contracts.plain_text import printable
    from components.export import registry

    folder = _folder(arguments)
    if not folder.is_dir():
        raise registry.RegistryError(f"{folder}: expected a registry, found no such folder; name another --workdir")
    for model in registry.list_models(folder):
        index = registry.read_index(folder, model)
        names = {number: alias for alias, number in sorted(index.aliases.items(), reverse=True)}
        for version in index.versions:
            alias = names.get(version.number, "")
            span = "" if version.span is None else f" span {version.span}"
            sys.stdout.write(
                f"{printable(model)} {version.number:4d} {alias:9s} {version.pushed_at} "
                f"{version.content_digest[:12]}{span}{_added(version)}\n"
            )
        if candidate := registry.candidate(folder / model):
            sys.stdout.write(
                f"{printable(model)}    - candidate {candidate.pushed_at} {candidate.content_digest[:12]} not blessed\n"
            )
    return 0


def _added(version: "Version") -> str:
    from components.contracts.plain_text import printable

    return "" if version.added is None else printable(f" not blessed, put into use by {version.added.who}")


def _show(arguments: argparse.Namespace) -> int:
    from components.export import registry

    folder = _folder(arguments)
    version = registry.find_version(folder, arguments.model, arguments.version)
    card = registry.version_folder(folder, arguments.model, version) / registry.MODEL_CARD_FILE
    sys.stdout.write(card.read_text(encoding="utf-8"))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    command_line.silence_libraries()
    from components.export import verification

    found = verification.verify(_folder(arguments), arguments.model, arguments.version)
    sys.stdout.write(
        f"{arguments.model} {found.version} is as it was pushed: its files are unchanged; on {found.num_images} images "
        f"stored with it, representations differ by {found.max_difference:.1e} and scores by "
        f"{found.max_score_difference:.1e} of their largest value.\n"
    )
    if found.max_tflite_difference is not None:
        sys.stdout.write(f"Its TFLite file's representations differ by {found.max_tflite_difference:.1e}.\n")
    return 0


def _promote(arguments: argparse.Namespace) -> int:
    from components.export import publishing

    version = publishing.promote(
        _folder(arguments), arguments.model, arguments.version, lock_timeout_seconds=_LOCK_TIMEOUT_SECONDS
    )
    sys.stdout.write(f"{arguments.model} {version.number} is in use.\n")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    import getpass

    from components.contracts import signatures
    from components.export import candidates, registry
    from components.export.version_record import VersionRecord

    folder = _folder(arguments)
    model = arguments.model or registry.only_model(folder)
    candidate = registry.find_version(folder, model, registry.CANDIDATE)
    record = registry.load(VersionRecord, registry.version_folder(folder, model, candidate) / signatures.RECORD_FILE)
    addition = registry.Addition(
        who=arguments.who or getpass.getuser(),
        why=arguments.why,
        failed_checks=tuple(check.text for check in record.verdict.checks if not check.passed),
    )
    version = candidates.add_candidate(folder, model, addition, lock_timeout_seconds=_LOCK_TIMEOUT_SECONDS)
    sys.stdout.write(f"{model} {version.number} is in use, put there by {addition.who}.\n")
    return 0


def _rollback(arguments: argparse.Namespace) -> int:
    from components.export import registry

    arguments.version = registry.PREVIOUS
    return _promote(arguments)


def _prune(arguments: argparse.Namespace) -> int:
    from components.export import publishing

    removed = publishing.prune(
        _folder(arguments), arguments.model, keep=arguments.keep, lock_timeout_seconds=_LOCK_TIMEOUT_SECONDS
    )
    numbers = ", ".join(str(version.number) for version in removed)
    sys.stdout.write(f"{arguments.model}: {f'removed {numbers}' if removed else 'nothing to remove'}.\n")
    return 0
