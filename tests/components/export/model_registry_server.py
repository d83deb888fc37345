"""An HTTP server that speaks the paths of Kubeflow Model Registry that a push uses, keeps state and checks requests."""

import json
import re
import urllib.parse

from tests.loopback_server import JsonHandler, LoopbackServer

TOKEN = "token-5d20"
_ROOT = "/api/model_registry/v1/"
_METADATA_FIELDS = {
    "MetadataStringValue": ("string_value", str),
    "MetadataDoubleValue": ("double_value", float),
    "MetadataIntValue": ("int_value", str),
    "MetadataBoolValue": ("bool_value", bool),
}


class ModelRegistryServer(LoopbackServer):
    """State by kind, each a list of the JSON objects as they were sent, with ids."""

    def __init__(self):
        self.models, self.versions, self.artifacts = [], [], []
        self.requests: list[str] = []
        self.failures: list[tuple[str, int]] = []  # (request, status), each answered once
        super().__init__(_Handler)


class _Handler(JsonHandler):
    server: ModelRegistryServer
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        query = {key: values[0] for key, values in urllib.parse.parse_qs(url.query).items()}
        path = url.path.removeprefix(_ROOT)
        if self._is_refused(f"GET {path}"):
            return
        if path == "registered_model":
            return self._answer_one(self.server.models, name=query["name"])
        if path == "model_version":
            return self._answer_one(
                self.server.versions, name=query["name"], registeredModelId=query["parentResourceId"]
            )
        if path == "model_artifact":
            return self._answer_one(self.server.artifacts, name=query["name"], version=query["parentResourceId"])
        found = re.fullmatch(r"registered_models/(\d+)/versions", path)
        versions = [entry for entry in self.server.versions if entry["registeredModelId"] == found[1]]
        start, size = int(query.get("nextPageToken") or 0), int(query["pageSize"])
        more = str(start + size) if len(versions) > start + size else ""
        page = versions[start : start + size]
        self.answer({"items": page, "nextPageToken": more, "pageSize": size, "size": len(page)})

    def do_POST(self):
        path, content = self.path.removeprefix(_ROOT), self._content()
        if self._is_refused(f"POST {path}"):
            return
        artifact = re.fullmatch(r"model_versions/(\d+)/artifacts", path)
        if artifact:
            content["version"] = artifact[1]
            self._require(any(version["id"] == artifact[1] for version in self.server.versions), "version of artifact")
            self._require(content.get("artifactType") == "model-artifact", "artifactType")
            return self._create(self.server.artifacts, content, "version")
        if path == "model_versions":
            known = any(model["id"] == content["registeredModelId"] for model in self.server.models)
            self._require(known, "registeredModelId")
            return self._create(self.server.versions, content, "registeredModelId")
        self._require(path == "registered_models", path)
        self._create(self.server.models, content)

    def do_PATCH(self):
        kind, number = self.path.removeprefix(_ROOT).split("/")
        content = self._content()
        if self._is_refused(f"PATCH {kind}"):
            return
        kinds = {"registered_models": "models", "model_versions": "versions", "model_artifacts": "artifacts"}
        [entry] = [entry for entry in getattr(self.server, kinds[kind]) if entry["id"] == number]
        entry.update({key: value for key, value in content.items() if value is not None})
        self.answer(entry)

    def _content(self) -> dict:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for name, value in (content.get("customProperties") or {}).items():
            field, kind = _METADATA_FIELDS[value["metadataType"]]
            self._require(isinstance(value[field], kind), f"customProperties {name}: {value}")
        return content

    def _create(self, entries: list, content: dict, parent: str = "name") -> None:
        same = [entry for entry in entries if (entry["name"], entry[parent]) == (content["name"], content[parent])]
        if same:
            return self.answer({"code": "", "message": "already exists"}, 409)
        content["id"] = str(len(entries) + 1)
        entries.append(content)
        self.answer(content, 201)

    def _is_refused(self, request: str) -> bool:
        self.server.requests.append(request)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer({"code": "", "message": "who are you"}, 401)
            return True
        for index, (failing, status) in enumerate(self.server.failures):
            if failing == request:
                del self.server.failures[index]
                self.answer({"code": "", "message": "as the test wants it"}, status)
                return True
        return False

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            self.server.complaints.append(what)

    def _answer_one(self, entries: list, **wanted: str) -> None:
        for entry in entries:
            if all(entry[key] == value for key, value in wanted.items()):
                return self.answer(entry)
        self.answer({"code": "", "message": "not found"}, 404)
