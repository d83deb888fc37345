"""Configs are strict and frozen, and their JSON is canonical."""

import enum
import json

import pytest
from pydantic import Field

from components.contracts import configuration
from components.contracts.configuration import ConfigError


class _Kind(str, enum.Enum):
    A = "a"
    B = "b"


@configuration.configuration
class _Inner:
    number: int = Field(3, ge=1, description="a number")
    share: float = Field(0.5, description="a share")


@configuration.configuration
class _Outer:
    name: str = Field(description="required")
    kind: _Kind = Field(_Kind.A, description="a choice")
    inner: _Inner = Field(_Inner(), description="a group")
    sizes: tuple[int, ...] = Field((1, 2), description="several")
    many: tuple[_Inner, ...] = Field((), description="several groups")
    none: _Inner | None = Field(None, description="a group or none")


def test_json_is_canonical_and_comes_back():
    config = configuration.from_mapping(_Outer, {"sizes": [5], "name": "é", "kind": "b"}, "here")
    text = configuration.to_json(config)
    assert text == '{"inner":{"number":3,"share":0.5},"kind":"b","many":[],"name":"é","none":null,"sizes":[5]}'
    assert configuration.from_json(_Outer, text, "here") == config
    assert json.loads(text)["kind"] == "b"


def test_choices_become_plain_values_as_keys_too():
    plain = configuration.to_mapping({_Kind.B: (_Kind.A, _Inner())})
    assert plain == {"b": ["a", {"number": 3, "share": 0.5}]}
    assert [type(key) for key in plain] == [str] and type(plain["b"][0]) is str


def test_equal_configs_have_equal_digests_and_others_not():
    first = configuration.from_mapping(_Outer, {"name": "x", "kind": "a"}, "here")
    assert configuration.digest(first) == configuration.digest(_Outer(name="x"))
    assert configuration.digest(first) != configuration.digest(_Outer(name="y"))


def test_a_whole_number_is_a_float_too():
    assert configuration.from_mapping(_Inner, {"share": 1}, "here").share == 1.0


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "here: part.name: required, but missing"),
        ({"name": "x", "inner": {"numer": 1}}, "here: part.inner.numer: unknown key, expected one of number, share$"),
        ({"name": "x", "many": [{"numer": 1}]}, "here: part.many.0.numer: unknown key, expected one of number, share$"),
        ({"name": "x", "none": {"numer": 1}}, "here: part.none.numer: unknown key, expected one of number, share$"),
        ({"name": "x", "nam": "y"}, "here: part.nam: unknown key, expected one of inner, kind, many, name, "),
        ({"name": "x", "inner": {"number": True}}, "here: part.inner.number: .*found True"),
        ({"name": "x", "kind": "c"}, "here: part.kind: .*'a' or 'b', found 'c'"),
        ({"name": "x", "sizes": ["1"]}, "here: part.sizes.0: .*found '1'"),
        ({"name": None}, "here: part.name: .*found None"),
    ],
)
def test_errors_name_the_source_and_the_dotted_key(mapping, message):
    with pytest.raises(ConfigError, match=message):
        configuration.from_mapping(_Outer, mapping, "here", "part")
