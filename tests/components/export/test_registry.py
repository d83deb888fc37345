"""What a registry holds is found by number and alias, and what it does not hold is answered with what there is."""

import json

import pytest

from components.export import registry

from .pushing import push


def test_versions_are_found_by_number_and_alias(root, models):
    versions = [push(root, models[name]).version for name in ("one", "two", "three")]
    index = registry.read_index(root, "encoder")
    assert index.versions == tuple(versions)
    assert [index.is_in_use(version) for version in versions] == [False, False, True]
    for name, version in (("1", versions[0]), ("previous", versions[1]), ("blessed", versions[2])):
        assert registry.find_version(root, "encoder", name) == version


def test_models_are_listed(root, models):
    assert registry.list_models(root) == []
    push(root, models["one"])
    (root / "no model").mkdir()
    assert registry.list_models(root) == ["encoder"]


def test_unknown_names_are_answered_with_what_there_is(root, models):
    push(root, models["one"])
    with pytest.raises(registry.RegistryError, match="has no version 'previous'; known: blessed, 1"):
        registry.find_version(root, "encoder", "previous")
    with pytest.raises(registry.RegistryError, match=r"no model 'other' .* models there: encoder"):
        registry.find_version(root, "other", "blessed")
    assert not (root / "other").exists()


def test_a_changed_file_is_noticed_and_one_that_describes_is_not(root, models):
    result = push(root, models["one"])
    (result.folder / registry.MODEL_CARD_FILE).write_text("changed")
    assert registry.is_intact(root, "encoder", result.version)
    (result.folder / "saved_model.pb").write_bytes(b"changed")
    assert not registry.is_intact(root, "encoder", result.version)


def test_a_broken_index_is_named(root, models):
    push(root, models["one"])
    (root / "encoder" / registry.INDEX_FILE).write_text("{}")
    for use in (lambda: registry.read_index(root, "encoder"), lambda: push(root, models["two"])):
        with pytest.raises(registry.RegistryError, match=r"registry\.json: versions: required, but missing"):
            use()


def test_a_registry_from_before_files_had_versions_is_read_and_pushed_to(root, models):
    version = push(root, models["one"]).version
    for name in (registry.INDEX_FILE, f"1/{registry.VERSION_FILE}"):
        path = root / "encoder" / name
        content = json.loads(path.read_text())
        assert content.pop("format_version") == 1
        path.write_text(json.dumps(content))
    assert registry.find_version(root, "encoder", "blessed") == version
    assert push(root, models["two"]).version.number == 2
    assert registry.find_version(root, "encoder", "previous") == version


def test_a_registry_of_a_newer_project_is_named(root, models):
    push(root, models["one"])
    path = root / "encoder" / registry.INDEX_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 2}))
    with pytest.raises(registry.RegistryError, match=r"registry\.json: format_version: expected 1, found 2"):
        registry.read_index(root, "encoder")
