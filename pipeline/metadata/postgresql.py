"""Makes ML Metadata's client fit for PostgreSQL: strings may hold backslashes, and records come in the order asked for.

The client (seen in 1.16) quotes a string with a backslash, such as JSON in JSON, wrongly, and the database refuses the
statement: on its way there another character stands in place of each backslash, and nothing else of it changes.
PostgreSQL gives rows in any order, while TFX's cache pairs them with what it asked for: outputs of a cached step would
change places.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf import descriptor, message
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_service_pb2

_ORDERED = {  # request -> field that asks, field of the response that answers
    metadata_store_service_pb2.GetArtifactsByIDRequest: ("artifact_ids", "artifacts"),
    metadata_store_service_pb2.GetArtifactTypesByIDRequest: ("type_ids", "artifact_types"),
}
_MARK = "\u29f5"  # reverse solidus operator, which looks like a backslash
_STORED = {"\\": _MARK + "b", _MARK: _MARK + "m"}
_READ = {stored: character for character, stored in _STORED.items()}


def install() -> None:
    """Mend every client that this process makes from now on; once is enough."""
    client = metadata_store.MetadataStore
    if not hasattr(client, "_plain_call"):
        client._plain_call = client._pywrap_cc_call
        client._pywrap_cc_call = _mended_call


def stored(text: str) -> str:
    """``text`` as it stands in the database: without a backslash."""
    return re.sub(r"[\\\u29f5]", lambda found: _STORED[found[0]], text)


def read(text: str) -> str:
    """What ``stored`` was given."""
    return re.sub(r"\u29f5[bm]", lambda found: _READ[found[0]], text)


def _mended_call(
    client: metadata_store.MetadataStore, method: Callable, request: message.Message, response: message.Message
) -> None:
    outgoing = type(request)()
    outgoing.CopyFrom(request)
    _translate(outgoing, stored)
    client._plain_call(method, outgoing, response)
    _translate(response, read)
    if type(request) in _ORDERED:
        asked, given = _ORDERED[type(request)]
        _put_in_order(getattr(response, given), getattr(request, asked))


def _put_in_order(found: Any, ids: Iterable[int]) -> None:
    """Sort records by the place of their id among those that were asked for."""
    places = {id_: place for place, id_ in enumerate(ids)}
    found.sort(key=lambda record: places[record.id])


def _translate(record: message.Message, change: Callable[[str], str]) -> None:
    """Change every string in ``record``, at any depth; keys of maps, which are names of properties, stay."""
    for field, value in record.ListFields():
        if field.message_type is not None:
            for inner in _messages(field, value):
                _translate(inner, change)
        elif field.type != field.TYPE_STRING:
            continue
        elif isinstance(value, str):
            setattr(record, field.name, change(value))
        else:
            value[:] = [change(text) for text in value]


def _messages(field: descriptor.FieldDescriptor, value: Any) -> Iterable[message.Message]:
    if isinstance(value, message.Message):
        return [value]
    if not field.message_type.GetOptions().map_entry:
        return value
    holds_messages = field.message_type.fields_by_name["value"].message_type is not None
    return value.values() if holds_messages else []
