"""``simclr config``: the list of named configs, and the JSON Schema from which editors complete."""

import json

import pytest
import yaml

from pipeline import cli, config_files


@pytest.fixture
def schema(capsys):
    assert cli.main(["config", "schema"]) == 0
    return json.loads(capsys.readouterr().out)


def _inner(schema, *keys):
    """The schema of the setting with this key; references are followed."""
    found = schema
    for key in keys:
        found = found["properties"][key]
        if "$ref" in found:
            found = schema["$defs"][found["$ref"].rpartition("/")[2]]
    return found


def test_the_list_says_what_each_config_is_for(capsys):
    assert cli.main(["config", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == config_files.names()
    assert any(line.startswith("digits ") and "scikit-learn" in line for line in lines)


def test_the_schema_knows_keys_types_ranges_and_meanings(schema):
    assert schema["additionalProperties"] is False and _inner(schema, "pretraining")["additionalProperties"] is False
    epochs = _inner(schema, "pretraining", "epochs")
    assert (epochs["type"], epochs["minimum"]) == ("integer", 1) and epochs["description"]
    assert set(_inner(schema, "image", "color")["enum"]) == {"rgb", "gray"}
    assert schema["properties"]["extends"]["examples"] == config_files.names()


@pytest.mark.parametrize("name", config_files.names())
def test_the_schema_has_every_key_of_the_named_configs(schema, name):
    def check(values, *keys):
        for key, value in values.items():
            assert key in _inner(schema, *keys)["properties"], (*keys, key)
            if isinstance(value, dict):
                check(value, *keys, key)

    check(yaml.safe_load((config_files.FOLDER / f"{name}.yaml").read_text()))


def test_a_validator_accepts_the_named_configs_and_refuses_others(schema):
    jsonschema = pytest.importorskip("jsonschema")  # in one of the two version sets
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for name in config_files.names():
        values = yaml.safe_load((config_files.FOLDER / f"{name}.yaml").read_text())
        assert [error.message for error in validator.iter_errors(values)] == []
    for wrong in ({"pretrainig": {}}, {"pretraining": {"epochs": 0}}, {"image": {"color": "blue"}}, {"extends": 1}):
        assert not validator.is_valid(wrong)
