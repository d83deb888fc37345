"""Kubeflow Model Registry through its own client, against a server that keeps state."""

import concurrent.futures
import dataclasses
import logging

import pytest

from components.export import kubeflow_registry
from components.export.config import ExportConfig, KubeflowRegistryConfig
from components.export.kubeflow_registry import Entry, ModelRegistryError, register

DIGEST, OTHER_DIGEST = "a" * 64, "b" * 64


@pytest.fixture
def server(model_registry):
    return model_registry


def config_of(server, attempts: int = 3) -> KubeflowRegistryConfig:
    return KubeflowRegistryConfig(address=server.url, attempts=attempts, first_wait_seconds=0.0)


def entry_of(version: int | None = 1, digest: str = DIGEST, **changes) -> Entry:
    properties = {"accuracy": 0.97, "test_images": 332, "is_small": True, "run": "20260101"}
    entry = Entry(
        model_name="digits-encoder",
        version=version,
        uri=f"/registry/digits-encoder/{digest[:3]}",
        content_digest=digest,
        is_in_use=True,
        description="blessed",
        properties=properties,
    )
    return dataclasses.replace(entry, **changes)


def properties_of(found: dict) -> dict:
    return {
        name: next(value for key, value in typed.items() if key != "metadataType")
        for name, typed in found["customProperties"].items()
    }


def test_a_version_is_registered_with_what_is_known_of_it(server):
    assert register(entry_of(), config_of(server)) == 1
    [model], [version], [artifact] = server.models, server.versions, server.artifacts
    assert (model["name"], properties_of(model)) == ("digits-encoder", {"version_in_use": "1"})
    assert (version["name"], version["description"]) == ("1", "blessed")
    assert properties_of(version) == {
        "accuracy": 0.97,
        "test_images": "332",  # the protocol sends whole numbers as text
        "is_small": True,
        "run": "20260101",
        "content_digest": DIGEST,
    }
    assert (artifact["uri"], artifact["modelFormatName"]) == ("/registry/digits-encoder/aaa", "tensorflow")


def test_a_whole_number_of_ten_digits_is_sent_as_text(server):
    """Such as the span of an hourly folder."""
    entry = entry_of(properties={"span": 2026113023, "largest": 999_999_999, "train_images": -(10**9)})
    for _ in range(2):  # the second time it is read back
        register(entry, config_of(server))
    found = server.versions[0]["customProperties"]
    assert found["span"] == {"metadataType": "MetadataStringValue", "string_value": "2026113023"}
    assert found["largest"]["metadataType"] == "MetadataIntValue"
    assert found["train_images"] == {"metadataType": "MetadataStringValue", "string_value": "-1000000000"}


def test_what_the_client_refuses_to_read_is_one_sentence(server):
    register(entry_of(), config_of(server))
    server.versions[0]["customProperties"]["test_images"]["int_value"] = "12345678901"
    with pytest.raises(ModelRegistryError, match=r"its client refuses '12345678901': .* the model at /registry/"):
        register(entry_of(), config_of(server))


def test_registering_again_adds_nothing_and_brings_up_to_date(server):
    register(entry_of(), config_of(server))
    register(entry_of(uri="/moved", description="blessed again"), config_of(server))
    assert (len(server.models), len(server.versions), len(server.artifacts)) == (1, 1, 1)
    assert (server.versions[0]["description"], server.artifacts[0]["uri"]) == ("blessed again", "/moved")


@pytest.mark.parametrize("request_that_fails", ["POST model_versions", "POST model_versions/1/artifacts"])
def test_what_an_interrupted_registration_left_is_completed(server, request_that_fails):
    server.failures = [(request_that_fails, 503)]
    with pytest.raises(ModelRegistryError, match="answered 503"):
        register(entry_of(), config_of(server, attempts=1))
    assert not server.artifacts
    assert not server.models[0].get("customProperties")  # nothing says yet that there is a version in use
    register(entry_of(), config_of(server, attempts=1))
    assert (len(server.models), len(server.versions), len(server.artifacts)) == (1, 1, 1)
    assert properties_of(server.models[0]) == {"version_in_use": "1"}


def test_a_server_that_is_down_for_a_while_is_tried_again(server, caplog):
    server.failures = [("GET registered_model", 503), ("GET registered_model", 502)]
    with caplog.at_level(logging.WARNING):
        register(entry_of(), config_of(server))
    assert len(server.versions) == 1
    assert [record.message for record in caplog.records if "answered 503" in record.message]


def test_no_server_is_one_sentence():
    config = KubeflowRegistryConfig(address="http://127.0.0.1:9", attempts=2, first_wait_seconds=0.0)
    with pytest.raises(ModelRegistryError) as error:
        register(entry_of(), config)
    message = str(error.value)
    assert message.startswith("model registry http://127.0.0.1:9: not reachable") and "\n" not in message
    assert "attempt 2 of 2" in message and "the next run makes up for it" in message


def test_a_refusal_is_not_tried_again(server, monkeypatch):
    monkeypatch.setenv("SIMCLR_MODEL_REGISTRY_TOKEN", "wrong")
    with pytest.raises(ModelRegistryError, match="answered 401 Unauthorized"):
        register(entry_of(), config_of(server))
    assert server.requests == ["GET registered_model"]


def test_another_model_under_the_same_version_is_refused(server):
    register(entry_of(), config_of(server))
    with pytest.raises(ModelRegistryError, match=r"version 1 is another model there .*aaa.*bbb"):
        register(entry_of(digest=OTHER_DIGEST), config_of(server))
    assert properties_of(server.versions[0])["content_digest"] == DIGEST


def test_without_a_folder_the_server_numbers_versions_by_content(server, monkeypatch):
    monkeypatch.setattr(kubeflow_registry, "_PAGE_SIZE", 2)
    digests = [f"{number:064x}" for number in range(5)]
    numbers = [register(entry_of(None, digest), config_of(server)) for digest in digests]
    assert numbers == [1, 2, 3, 4, 5]
    assert register(entry_of(None, digests[3]), config_of(server)) == 4
    assert len(server.versions) == 5
    assert properties_of(server.models[0]) == {"version_in_use": "4"}


def test_two_pushes_at_once_make_one_model_and_two_versions(server):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        entries = [entry_of(None, DIGEST), entry_of(None, OTHER_DIGEST)]
        numbers = list(pool.map(lambda entry: register(entry, config_of(server, attempts=5)), entries))
    assert sorted(numbers) == [1, 2]
    assert len(server.models) == 1 and len(server.artifacts) == 2


def test_a_version_not_in_use_leaves_the_one_in_use(server):
    register(entry_of(2, OTHER_DIGEST), config_of(server))
    register(entry_of(1, is_in_use=False), config_of(server))
    assert properties_of(server.models[0]) == {"version_in_use": "2"}


def test_the_client_leaves_logging_as_it_was(server):
    handlers = logging.getLogger().handlers[:]
    register(entry_of(), config_of(server))
    assert logging.getLogger().handlers == handlers


def test_nobody_to_tell_is_refused():
    with pytest.raises(ValueError, match=r"folder: false needs kubeflow_registry\.address"):
        ExportConfig(folder=False)
