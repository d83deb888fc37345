"""The parameters of a run: complete, checked before any work, and the same wherever it runs."""

import json

import pytest

from components.contracts import configuration
from components.contracts.configuration import ConfigError
from pipeline import config as pipeline_config
from pipeline import run_parameters


@pytest.fixture
def config():
    return pipeline_config.load("digits", ("ingestion.span_pattern=span-{SPAN}",))


def _rooms(config, **changes):
    values = run_parameters.bindings(config, "/data", "/registry")
    rooms = {room: json.loads(values[room]) for room in run_parameters.ROOMS}
    for room, change in changes.items():
        rooms[room].update(change)
    return {room: json.dumps(mapping) for room, mapping in rooms.items()}


def test_every_room_is_a_parameter(config):
    values = run_parameters.bindings(config, "/data", "/registry")
    assert set(values) == {*run_parameters.ROOMS, "data_root", "registry", "settings"}
    assert {"image", "ingestion", "views", "pretraining", "linear_evaluation", "gate", "export", "report"} <= set(
        values
    )
    assert values["gate"] == configuration.to_json(config.gate)
    assert json.loads(values["settings"])["pretraining"]["epochs"] == config.pretraining.epochs


def test_what_is_bound_is_read_back_however_the_json_is_written(config):
    read = run_parameters.read(config.pipeline_name, _rooms(config), "latest")
    bound = run_parameters.bindings(read, "/data", "/registry")
    assert bound == run_parameters.bindings(config, "/data", "/registry")


@pytest.mark.parametrize(
    ("text", "span"), [("latest", None), ("0", 0), ("012", 12), ("1970-01-03", 2), ("2024-02-29", 19782)]
)
def test_a_span_is_a_number_or_a_date(config, text, span):
    assert run_parameters.read(config.pipeline_name, _rooms(config), text).ingestion.span == span


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("newest", "expected latest, a number or a date such as 2026-01-31, found 'newest'"),
        ("-1", "expected latest, a number or a date"),
        ("1..3", "expected latest, a number or a date"),
        ("", "expected latest, a number or a date"),
        ("[[ScheduledTime.2006-01-02]]", "the server did not fill in the macro .* a schedule .* issue 12494"),
        ("{{$.pipeline_job_schedule_time_utc}}", "the server did not fill in the macro"),
    ],
)
def test_another_span_is_refused(config, text, message):
    with pytest.raises(ConfigError, match=message):
        run_parameters.read(config.pipeline_name, _rooms(config), text)


def test_a_span_is_asked_for_in_one_way(config):
    with pytest.raises(ConfigError, match=r"span_range: 3, but ingestion\.span is set too"):
        run_parameters.read(config.pipeline_name, _rooms(config, ingestion={"span": 4}), "3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pretraining": {"epochs": "3"}}, r"run parameters: pretraining\.epochs: .*found '3'"),
        ({"pretraining": {"epoch": 3}}, r"run parameters: pretraining\.epoch: unknown key"),
        ({"image": {"size_px": 2}}, r"run parameters: image\.size_px"),
        # Settings of several steps that contradict each other.
        ({"views": {"views_per_image": 0}}, r"views\.views_per_image .* contradict each other"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(config, change, message):
    with pytest.raises(ConfigError, match=message):
        run_parameters.read(config.pipeline_name, _rooms(config, **change), "latest")


@pytest.mark.parametrize(
    ("room", "text", "message"),
    [
        ("gate", "{", "parameter gate: not JSON"),
        ("gate", "[]", "parameter gate: expected a JSON object of settings, found list"),
        ("gate", "{}", r"gate\.min_accuracy, .*: missing; a parameter must hold all settings of its step"),
    ],
)
def test_a_parameter_that_is_not_a_whole_room_is_refused(config, room, text, message):
    with pytest.raises(ConfigError, match=message):
        run_parameters.read(config.pipeline_name, {**_rooms(config), room: text}, "latest")


def test_a_nested_setting_left_out_is_named_too(config):
    rooms = _rooms(config)
    pretraining = json.loads(rooms["pretraining"])
    del pretraining["loss"]["temperature"]
    with pytest.raises(ConfigError, match=r"run parameters: pretraining\.loss\.temperature: missing"):
        run_parameters.read(config.pipeline_name, {**rooms, "pretraining": json.dumps(pretraining)}, "latest")


def test_a_missing_parameter_is_named(config):
    rooms = _rooms(config)
    del rooms["report"]
    with pytest.raises(ConfigError, match="parameter report: required, but missing"):
        run_parameters.read(config.pipeline_name, rooms, "latest")
