"""Strings come back as they were given, records as asked for; the database itself is in tests/e2e/test_databases.py."""

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2, metadata_store_service_pb2

from pipeline.metadata import postgresql

_STRINGS = ['{"a": "{\\"b\\"}"}', "\\", "\\\\d+ ⧵b ⧵m ⧵", "⧵", "no backslash, nothing to do: ü", ""]


@pytest.mark.parametrize("text", _STRINGS)
def test_what_is_stored_has_no_backslash_and_reads_as_it_was(text):
    stored = postgresql.stored(text)
    assert "\\" not in stored
    assert postgresql.read(stored) == text
    assert stored == text or set(text) & {"\\", "⧵"}


def test_every_string_of_a_record_is_translated_on_its_way(monkeypatch):
    client = metadata_store.MetadataStore
    calling = getattr(client, "_plain_call", client._pywrap_cc_call)
    sent = []

    def recorded(self, method, request, response):
        sent.append(request.SerializeToString())
        calling(self, method, request, response)

    monkeypatch.setattr(client, "_pywrap_cc_call", recorded)
    monkeypatch.setattr(client, "_plain_call", None, raising=False)
    monkeypatch.delattr(client, "_plain_call")
    postgresql.install()
    postgresql.install()  # once is enough
    store = client(metadata_store_pb2.ConnectionConfig(fake_database=metadata_store_pb2.FakeDatabaseConfig()))
    kind = metadata_store_pb2.ArtifactType(name="Kind", properties={"text": metadata_store_pb2.STRING})
    text = _STRINGS[2]
    artifact = metadata_store_pb2.Artifact(type_id=store.put_artifact_type(kind), uri=text, name=text)
    artifact.properties["text"].string_value = artifact.custom_properties["more"].string_value = text
    store.put_artifacts([artifact])
    assert not any(b"\\" in request for request in sent)
    [found] = store.get_artifacts_by_uri(text)
    assert [found.uri, found.name, found.properties["text"].string_value] == [text] * 3
    assert found.custom_properties["more"].string_value == text
    assert artifact.uri == text


def test_records_come_in_the_order_in_which_they_are_asked_for():
    """PostgreSQL gives them in any, and TFX's cache pairs them with what it asked for."""

    def answer(request, response):
        response.artifacts.extend(metadata_store_pb2.Artifact(id=id_) for id_ in sorted(request.artifact_ids))

    class Client:
        def _plain_call(self, method, request, response):
            method(request, response)

    request = metadata_store_service_pb2.GetArtifactsByIDRequest(artifact_ids=[13, 11, 14, 1])
    response = metadata_store_service_pb2.GetArtifactsByIDResponse()
    postgresql._mended_call(Client(), answer, request, response)
    assert [artifact.id for artifact in response.artifacts] == [13, 11, 14, 1]
