"""The candidate: found by its name, invisible to servers, put into use only by a person's word."""

import json

import pytest

from components.contracts import signatures
from components.export import candidates, durable_files, folder_changes, registry

from .pushing import DECODING, push

ADDITION = registry.Addition(who="ada", why="38 test images are all there are", failed_checks=("38 is 12 below 50",))


def keep(root, model, number_seen=None):
    def describe(number):
        if number_seen is not None:
            number_seen.append(number)
        return {registry.MODEL_CARD_FILE: "# encoder, candidate\n", signatures.RECORD_FILE: '{"first": true}'}

    draft = folder_changes.Draft(f"digest of {model.name}", f"/runs/{model.name}", DECODING, None)
    return candidates.keep_candidate(root, "encoder", model, draft, describe, lock_timeout_seconds=5)


def add(root):
    return candidates.add_candidate(root, "encoder", ADDITION, lock_timeout_seconds=5)


def test_a_candidate_has_a_name_and_no_number(root, models):
    numbers = []
    folder = keep(root, models["one"], numbers)
    assert folder == root / "encoder" / "candidate" and numbers == [0]
    found = registry.find_version(root, "encoder", "candidate")
    assert (found.name, found.content_digest) == ("candidate", "digest of one")
    assert registry.version_folder(root, "encoder", found) == folder and registry.is_intact(root, "encoder", found)
    assert registry.list_models(root) == ["encoder"] and registry.read_index(root, "encoder").versions == ()
    with pytest.raises(registry.RegistryError, match="has no version 'blessed'; known: none"):
        registry.find_version(root, "encoder", "blessed")


def test_the_latest_candidate_replaces_the_one_before_and_versions_stay(root, models):
    push(root, models["one"])
    keep(root, models["two"])
    keep(root, models["three"])
    assert registry.find_version(root, "encoder", "candidate").content_digest == "digest of three"
    assert [version.number for version in registry.read_index(root, "encoder").versions] == [1]
    assert sorted(path.name for path in (root / "encoder").iterdir() if path.is_dir()) == ["1", "candidate"]


def test_a_person_puts_it_into_use_and_that_is_recorded(root, models):
    push(root, models["one"])
    keep(root, models["two"])
    version = add(root)
    assert (version.number, version.added, version.content_digest) == (2, ADDITION, "digest of two")
    index = registry.read_index(root, "encoder")
    assert index.aliases == {"blessed": 2, "previous": 1} and index.versions[1] == version
    folder = root / "encoder" / "2"
    assert json.loads((folder / registry.VERSION_FILE).read_text())["added"]["who"] == "ada"
    card = (folder / registry.MODEL_CARD_FILE).read_text()
    assert card.startswith("> Version 2 was put to use by ada, although the Gate did not bless it.")
    assert "38 is 12 below 50" in card and card.endswith("# encoder, candidate\n")
    with pytest.raises(registry.RegistryError, match="has no candidate"):
        registry.find_version(root, "encoder", "candidate")


def test_a_push_of_its_content_ends_the_candidate_and_another_push_does_not(root, models):
    keep(root, models["one"])
    push(root, models["two"])
    assert registry.candidate(root / "encoder").content_digest == "digest of one"
    push(root, models["one"])
    assert registry.candidate(root / "encoder") is None


def test_a_damaged_candidate_is_not_put_into_use(root, models):
    (keep(root, models["one"]) / "saved_model.pb").write_bytes(b"another")
    with pytest.raises(registry.RegistryError, match="no longer holds the files that were pushed"):
        add(root)
    assert registry.read_index(root, "encoder").versions == ()


def test_a_kill_before_the_last_rename_is_mended_by_the_next_attempt(root, models, monkeypatch):
    keep(root, models["one"])

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(durable_files, "publish_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            keep(root, models["two"])
    keep(root, models["two"])
    assert registry.find_version(root, "encoder", "candidate").content_digest == "digest of two"
    assert sorted(path.name for path in (root / "encoder").iterdir() if path.is_dir()) == ["candidate"]
