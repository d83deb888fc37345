"""YAML that would silently drop, misread or blow up something is an error that names the line."""

import pytest

from components.contracts.configuration import ConfigError
from pipeline import yaml_files

_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gate: {min_accuracy: 0.9}\nimage: {}\ngate: {}\n", "key gate stands twice: in line 1 and in line 3"),
        ("gate:\n  min_accuracy: 0.9\n  min_accuracy: 0.1\n", "key min_accuracy stands twice: in line 2 and in line 3"),
        ("a: {b: 1, b: 1}\n", "key b stands twice: in line 1 and in line 1"),
        ("a: [{b: 1}, {c: 1, 'c': 2}]\n", "key c stands twice"),
        (_BOMB, "more than 20000 values"),
        ("[" * 100_000, "nested more than 30 levels deep"),
        ("a: &a [*a]\n", "the alias \\*a stands inside the value that it names"),
        ("a: *b\n", "not YAML: line 1, column 4: found undefined alias"),
        ("a: 2026-13-01\n", "line 1, column 4: month must be in 1..12"),
        ("a: !!python/object/apply:os.getcwd []\n", "not YAML: .*could not determine a constructor"),
        ("a: 1\n---\nb: 1\n", "not YAML: .*but found another document"),
        ("a: \x01\n", "not YAML: unacceptable character"),
        ("? [a]\n: 1\n", "not YAML: .*found unhashable key"),
    ],
)
def test_a_text_that_cannot_be_trusted_is_refused(text, message):
    with pytest.raises(ConfigError, match=f"^here: .*{message}"):
        yaml_files.parse(text, "here")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("-2E5", -200000.0),
        ("1.5e3", 1500.0),
        (".5e1", 5.0),
        ("1.0e-3", 0.001),
        ("1e", "1e"),
        ("e3", "e3"),
        ("'1e-3'", "1e-3"),
        ("12", 12),
        ("", None),
        ("# nothing but a comment", None),
        ("{a: &x {b: 1}, c: *x}", {"a": {"b": 1}, "c": {"b": 1}}),
        ("{a: &x {b: 1}, c: {<<: *x, b: 2}}", {"a": {"b": 1}, "c": {"b": 2}}),
    ],
)
def test_a_value_is_what_it_looks_like(text, value):
    found = yaml_files.parse(text, "here")
    assert found == value and type(found) is type(value)


def test_an_alias_is_a_copy():
    found = yaml_files.parse("{a: &x {b: 1}, c: *x}", "here")
    found["a"]["b"] = 2
    assert found["c"] == {"b": 1}


@pytest.mark.parametrize("text", ["0", "false", "[]", "''", "text"])
def test_only_a_file_without_content_is_empty(tmp_path, text):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"settings\.yaml: expected a mapping of settings, found "):
        yaml_files.read(path)
    path.write_text("# nothing\n")
    assert yaml_files.read(path) == {}


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("#" * (2**20 + 1))
    with pytest.raises(ConfigError, match="expected settings of at most 1048576 bytes, found 1048577"):
        yaml_files.read(path)


@pytest.mark.parametrize("value", ["1e-3", "off", "1.5", 0.00001, 1e22, None, True, {"a": ["2026-01-01"]}])
def test_what_is_written_comes_back(value):
    assert yaml_files.parse(yaml_files.dump({"key": value}), "here") == {"key": value}
