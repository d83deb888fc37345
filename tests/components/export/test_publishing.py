"""Pushes, rollbacks and prunes under repetition, concurrency and kills."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from components.contracts import signatures
from components.contracts.folder_lock import FolderBusyError, folder_lock
from components.export import durable_files, publishing, registry

from .pushing import DECODING, push


def rollback(root):
    return publishing.promote(root, "encoder", registry.PREVIOUS, lock_timeout_seconds=5)


def test_the_first_push_is_version_1_and_holds_the_same_files(root, models):
    result = push(root, models["one"])
    assert (result.version.number, result.is_new, result.is_in_use) == (1, True, True)
    assert result.folder == root / "encoder" / "1"
    for path in models["one"].rglob("*.*"):
        assert (result.folder / path.relative_to(models["one"])).read_bytes() == path.read_bytes()
    assert (result.folder / registry.MODEL_CARD_FILE).read_text() == "# encoder, version 1\n"
    assert json.loads((result.folder / registry.VERSION_FILE).read_text())["content_digest"] == "digest of one"
    assert registry.is_intact(root, "encoder", result.version)
    assert registry.find_version(root, "encoder", "1") == result.version


def test_versions_count_up_and_aliases_follow(root, models):
    push(root, models["one"])
    assert registry.read_index(root, "encoder").aliases == {"blessed": 1}
    assert push(root, models["two"]).version.number == 2
    assert registry.read_index(root, "encoder").aliases == {"blessed": 2, "previous": 1}
    assert registry.find_version(root, "encoder", "previous").content_digest == "digest of one"
    assert registry.find_version(root, "encoder", "2").content_digest == "digest of two"


def test_an_older_span_never_replaces_a_newer_one(root, models):
    assert push(root, models["one"], span=19).version.span == 19
    before = sorted(path for path in root.rglob("*"))
    with pytest.raises(
        publishing.NewerSpanInUseError, match=r"version 1, .* from span 19: a model of span 12 does not"
    ):
        push(root, models["two"], span=12)
    assert sorted(path for path in root.rglob("*")) == before
    assert push(root, models["two"], span=19).version.number == 2
    # Rolled back by hand, an older span is in use again, and counts.
    assert push(root, models["three"], span=20).is_in_use
    assert rollback(root).span == 19
    assert push(root, models["one"], digest="a fourth", span=19).is_in_use


def test_without_spans_the_latest_push_is_in_use(root, models):
    push(root, models["one"], span=19)
    assert push(root, models["two"]).is_in_use
    assert push(root, models["three"], span=3).is_in_use


def test_content_that_is_there_keeps_its_version(root, models):
    push(root, models["one"])
    before = sorted(path for path in root.rglob("*"))
    again = push(root, models["one"])
    assert (again.version.number, again.is_new, again.is_in_use) == (1, False, True)
    assert sorted(path for path in root.rglob("*")) == before


def test_a_repeated_push_does_not_undo_a_rollback(root, models):
    push(root, models["one"])
    push(root, models["two"])
    assert rollback(root).number == 3
    again = push(root, models["two"])
    assert (again.version.number, again.is_new, again.is_in_use) == (2, False, False)
    assert registry.read_index(root, "encoder").aliases == {"blessed": 3, "previous": 2}


def test_a_model_that_won_again_is_in_use_again(root, models):
    push(root, models["one"], blessing="/blessing/1")
    push(root, models["two"], blessing="/blessing/2")
    again = push(root, models["one"], blessing="/blessing/3")
    assert (again.version.number, again.is_new, again.is_in_use) == (3, True, True)
    assert again.version.republished_from == 1
    assert registry.read_index(root, "encoder").aliases == {"blessed": 3, "previous": 2}
    assert rollback(root).content_digest == "digest of two"
    for old in ("/blessing/1", "/blessing/3"):  # what was pushed for does not undo the rollback
        assert push(root, models["one"], blessing=old).version.number == 3
    assert registry.read_index(root, "encoder").aliases == {"blessed": 4, "previous": 3}


def test_rollback_publishes_the_old_content_under_a_higher_number(root, models):
    push(root, models["one"])
    push(root, models["two"])
    version = rollback(root)
    assert (version.number, version.content_digest, version.republished_from) == (3, "digest of one", 1)
    assert version.decoding == DECODING
    assert (root / "encoder" / "3" / "saved_model.pb").read_bytes() == (models["one"] / "saved_model.pb").read_bytes()
    assert registry.is_intact(root, "encoder", version)
    assert "carries the content of version 1" in (root / "encoder" / "3" / registry.MODEL_CARD_FILE).read_text()
    assert (root / "encoder" / "3" / signatures.RECORD_FILE).read_text() == '{"first": true}'
    assert rollback(root).content_digest == "digest of two"


def test_promoting_the_version_in_use_changes_nothing(root, models):
    push(root, models["one"])
    assert publishing.promote(root, "encoder", "1", lock_timeout_seconds=5).number == 1
    assert len(registry.read_index(root, "encoder").versions) == 1


def test_a_damaged_version_is_not_put_to_use(root, models):
    push(root, models["one"])
    push(root, models["two"])
    (root / "encoder" / "1" / "saved_model.pb").write_bytes(b"changed")
    assert not registry.is_intact(root, "encoder", registry.find_version(root, "encoder", "1"))
    with pytest.raises(registry.RegistryError, match="no longer holds the files"):
        rollback(root)
    assert registry.read_index(root, "encoder").aliases == {"blessed": 2, "previous": 1}


def test_a_number_is_never_used_twice(root, models):
    push(root, models["one"])
    push(root, models["two"])
    shutil.rmtree(root / "encoder" / "2")
    assert push(root, models["two"]).version.number == 3


def test_a_folder_without_saved_model_is_refused(root, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(registry.RegistryError, match=r"saved_model\.pb is missing"):
        push(root, tmp_path / "empty")
    assert not root.exists()


def test_folders_of_others_are_left_alone(root, models):
    push(root, models["one"])
    (root / "encoder" / "7").mkdir()
    assert push(root, models["two"]).version.number == 8
    assert [version.number for version in registry.read_index(root, "encoder").versions] == [1, 8]
    assert (root / "encoder" / "7").is_dir()


def test_a_failed_copy_leaves_nothing(root, models, monkeypatch):
    push(root, models["one"])
    monkeypatch.setattr(durable_files, "publish_folder", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        push(root, models["two"])
    assert not list((root / "encoder").glob(".*.partial"))
    assert len(registry.read_index(root, "encoder").versions) == 1


def test_the_lock_times_out_with_a_clear_sentence(root, models):
    with (
        folder_lock(root / "encoder", 1),
        pytest.raises(FolderBusyError, match=r"another process has locked .* for 0\.2 s"),
    ):
        push(root, models["one"], lock_timeout_seconds=0.2)


_PUSHER = """
import pathlib, sys
from components.contracts.images import ImageConfig
from components.export.image_files import Decoding
from components.contracts import signatures
from components.export import publishing, registry
for model in sys.argv[2:]:
    path = pathlib.Path(model)
    publishing.push(pathlib.Path(sys.argv[1]), "encoder", path, content_digest="digest of " + path.name, source=model,
                    decoding=Decoding(image=ImageConfig(), ingestion=dict()), span=None, blessing=None,
                    describe=lambda number: dict.fromkeys([registry.MODEL_CARD_FILE, signatures.RECORD_FILE], "text"),
                    lock_timeout_seconds=60)
"""


def _start_pusher(root, *models, code=_PUSHER, **options):
    project = pathlib.Path(registry.__file__).parents[2]
    command = [sys.executable, "-c", code, str(root), *map(str, models)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(project)}, **options)


def test_pushes_of_several_processes_give_each_content_one_version(root, models):
    folders = list(models.values())
    pushers = [_start_pusher(root, *folders[shift:], *folders[:shift]) for shift in (0, 1, 2, 0, 1, 2)]
    assert [pusher.wait(60) for pusher in pushers] == [0] * 6
    index = registry.read_index(root, "encoder")
    assert [version.number for version in index.versions] == [1, 2, 3]
    assert {version.content_digest for version in index.versions} == {f"digest of {name}" for name in models}
    assert index.aliases == {"blessed": 3, "previous": 2}
    assert all(registry.is_intact(root, "encoder", version) for version in index.versions)


def test_readers_see_whole_versions_only(root, models):
    """A reader that looks all the time finds, in each numbered folder, all files at once."""
    expected = {path.relative_to(models["one"]).as_posix() for path in models["one"].rglob("*.*")}
    incomplete, looks, stop = [], [], threading.Event()

    def look():
        while not stop.is_set():
            for folder in (root / "encoder").glob("[0-9]*"):
                found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
                looks.append(folder.name)
                if found != expected | {registry.VERSION_FILE, registry.MODEL_CARD_FILE, signatures.RECORD_FILE}:
                    incomplete.append((folder, found))

    reader = threading.Thread(target=look)
    reader.start()
    for count in range(10):
        push(root, models["one"], digest=f"digest {count}")
    stop.set()
    reader.join()
    assert looks
    assert not incomplete


# Stops the push at the named function, tells the parent, and waits for the kill.
_KILLED_PUSHER = (
    """
import signal
from components.export import durable_files, folder_changes, publishing
def stop(*args, **kwargs):
    print("stopped", flush=True)
    signal.pause()
setattr({module}, "{function}", stop)
"""
    + _PUSHER
)


@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("durable_files", "_copy_file"),
        ("durable_files", "write_whole"),
        ("durable_files", "publish_folder"),
        ("folder_changes", "write_index"),
    ],
)
def test_a_push_killed_anywhere_is_finished_by_the_next(root, models, module, function):
    push(root, models["one"])
    code = _KILLED_PUSHER.format(module=module, function=function)
    pusher = _start_pusher(root, models["two"], code=code, stdout=subprocess.PIPE)
    assert pusher.stdout.readline() == b"stopped\n"
    # What readers see in the meantime is the old version.
    assert registry.find_version(root, "encoder", "blessed").number == 1
    os.kill(pusher.pid, signal.SIGKILL)
    pusher.wait()

    again = push(root, models["two"], lock_timeout_seconds=2)
    assert (again.version.number, again.is_in_use) == (2, True)
    assert registry.read_index(root, "encoder").aliases == {"blessed": 2, "previous": 1}
    assert registry.is_intact(root, "encoder", again.version)
    assert not list((root / "encoder").glob(".*.partial"))


def test_a_push_killed_before_the_index_is_completed_by_another_push(root, models):
    push(root, models["one"])
    push(root, models["two"])
    index = json.loads((root / "encoder" / registry.INDEX_FILE).read_text())
    index = {"versions": index["versions"][:1], "aliases": {"blessed": 1}}
    (root / "encoder" / registry.INDEX_FILE).write_text(json.dumps(index))
    assert push(root, models["three"]).version.number == 3
    assert registry.read_index(root, "encoder").aliases == {"blessed": 3, "previous": 2}


@pytest.mark.parametrize("milliseconds", [0, 3, 6, 9, 12, 20])
def test_a_push_killed_at_any_moment_leaves_a_sound_registry(root, models, milliseconds):
    push(root, models["one"])
    code = "print('ready', flush=True)\n" + _PUSHER
    pusher = _start_pusher(root, models["two"], models["three"], code=code, stdout=subprocess.PIPE)
    assert pusher.stdout.readline() == b"ready\n"
    time.sleep(milliseconds / 1000 + 0.02)  # the import comes first
    pusher.kill()
    pusher.wait()
    for model in models.values():
        push(root, model, lock_timeout_seconds=2)
    versions = registry.read_index(root, "encoder").versions
    assert sorted(version.content_digest for version in versions) == sorted(f"digest of {name}" for name in models)
    assert all(registry.is_intact(root, "encoder", version) for version in versions)
    assert [path.name for path in (root / "encoder").glob(".*")] == [".lock"]


def test_pruning_keeps_the_newest_and_those_with_an_alias(root, models):
    for name in ("one", "two", "three"):
        push(root, models[name])
    rollback(root)  # 4 carries 2 again; 3 is "previous"
    removed = publishing.prune(root, "encoder", keep=1, lock_timeout_seconds=2)
    assert [version.number for version in removed] == [1, 2]
    index = registry.read_index(root, "encoder")
    assert [version.number for version in index.versions] == [3, 4]
    assert index.aliases == {"blessed": 4, "previous": 3}
    assert all(registry.is_intact(root, "encoder", version) for version in index.versions)
    assert sorted(path.name for path in (root / "encoder").iterdir()) == [".lock", "3", "4", registry.INDEX_FILE]
    assert publishing.prune(root, "encoder", keep=1, lock_timeout_seconds=2) == []
    assert push(root, models["one"]).version.number == 5


def test_pruning_keeps_as_many_as_asked(root, models):
    for name in ("one", "two", "three"):
        push(root, models[name])
    assert publishing.prune(root, "encoder", keep=3, lock_timeout_seconds=2) == []
    with pytest.raises(ValueError, match="keep must be at least 1, found 0"):
        publishing.prune(root, "encoder", keep=0, lock_timeout_seconds=2)
    with pytest.raises(registry.RegistryError, match="no model 'other'"):
        publishing.prune(root, "other", keep=1, lock_timeout_seconds=2)


@pytest.mark.parametrize("function", ["folder_changes.write_index", "shutil.rmtree"])
def test_a_killed_prune_is_finished_by_the_next_and_brings_nothing_back(root, models, monkeypatch, function):
    for name in ("one", "two", "three"):
        push(root, models[name])

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"{publishing.__name__}.{function}", stop)
        with pytest.raises(KeyboardInterrupt):
            publishing.prune(root, "encoder", keep=1, lock_timeout_seconds=2)
    assert registry.find_version(root, "encoder", "blessed").number == 3
    publishing.prune(root, "encoder", keep=1, lock_timeout_seconds=2)
    index = registry.read_index(root, "encoder")
    assert ([version.number for version in index.versions], index.aliases) == ([2, 3], {"blessed": 3, "previous": 2})
    assert [path.name for path in (root / "encoder").glob(".*")] == [".lock"]
