"""Configs are strict and frozen, and their JSON is canonical."""

import datetime
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


def test_the_source_of_a_message_may_depend_on_the_key():
    with pytest.raises(ConfigError) as caught:
        configuration.from_mapping(_Outer, {"name": 1, "kind": "c"}, lambda location: f"file of {location[0]}")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["file of name", "file of kind"]


def test_a_whole_number_is_a_float_too():
    assert configuration.from_mapping(_Inner, {"share": 1}, "here").share == 1.0


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "here: part.name: required, but missing"),
        ({"name": "x", "inner": {"numer": 1}}, "here: part.inner.numer: unknown key, expected one of number, share;"),
        ({"name": "x", "many": [{"numer": 1}]}, "here: part.many.0.numer: .*; did you mean part.many.0.number\\?$"),
        ({"name": "x", "none": {"numer": 1}}, "here: part.none.numer: .*; did you mean part.none.number\\?$"),
        ({"name": "x", "nam": "y"}, "here: part.nam: unknown key, expected one of inner, kind, many, name, "),
        ({"name": "x", "inner": {"number": True}}, "here: part.inner.number: .*found True"),
        ({"name": "x", "kind": "c"}, "here: part.kind: .*'a' or 'b', found 'c'"),
        ({"name": "x", "sizes": ["1"]}, "here: part.sizes.0: .*found '1'"),
        ({"name": None}, "here: part.name: .*found None"),
        ({"name": "x", "share": 1}, r"here: part.share: .*; did you mean part.inner.share or part.many.share or part"),
        ({"name": "x", "zzz": 1}, "here: part.zzz: unknown key, expected one of inner, .*sizes$"),
        (
            {"name": "x", "inner": {"share": float("nan")}},
            "here: part.inner.share: expected a finite number, found nan",
        ),
        ({"name": "x", "sizes": [float("inf")]}, "here: part.sizes.0: expected a finite number, found inf"),
        ({"name": "x", "inner": {"share": 10**400}}, "here: part.inner.share: .*finite number"),
        (
            {"name": datetime.date(2026, 1, 2)},
            "here: part.name: expected text, .*found datetime.date.*; put text in quotes",
        ),
        ({"name": "x", datetime.date(2026, 1, 2): 1}, "here: part.2026-01-02: expected text as a key"),
    ],
)
def test_errors_name_the_source_and_the_dotted_key(mapping, message):
    with pytest.raises(ConfigError, match=message):
        configuration.from_mapping(_Outer, mapping, "here", "part")
