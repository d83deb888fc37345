"""An HTTP server with the v2beta1 paths that the client uses; it keeps state and checks requests."""

import email.parser
import email.policy
import json
import urllib.parse

from tests.loopback_server import JsonHandler, LoopbackServer

TOKEN = "token-7c1e"


class KfpServer(LoopbackServer):
    """Keeps the JSON objects that clients send, by kind, with ids."""

    def __init__(self):
        self.pipelines, self.versions, self.experiments, self.runs, self.recurring = [], [], [], [], []
        self.uploads: dict[str, bytes] = {}  # by id of the version
        self.refuse_runs = False
        self.outcomes: list[str] = []  # of the next runs, which end at the second poll; others succeed at once
        self.unanswered = 0  # how many of the next polls fail
        super().__init__(_Handler)


class _Handler(JsonHandler):
    server: KfpServer

    def do_GET(self):
        if self._is_refused():
            return
        path, _, query = self.path.partition("?")
        parameters = {key: values[0] for key, values in urllib.parse.parse_qs(query).items()}
        parts = path.removeprefix("/apis/v2beta1/").split("/")
        if parts == ["healthz"]:
            return self.answer({"multi_user": False})
        if len(parts) == 3 and parts[2] == "versions":
            return self._answer_list("pipeline_versions", self._of("pipeline_id", parts[1], self.server.versions))
        if len(parts) == 2 and parts[0] == "runs":
            return self._answer_about_run(*self._of("run_id", parts[1], self.server.runs))
        kinds = {
            "pipelines": self.server.pipelines,
            "experiments": self.server.experiments,
            "runs": list(reversed(self.server.runs)),
            "recurringruns": self.server.recurring,
        }
        found = kinds[parts[0]]
        if parts[0] == "pipelines":  # as the real server: without a namespace, those of no namespace
            found = [item for item in found if (item.get("namespace") or "") == parameters.get("namespace", "")]
        if "experiment_id" in parameters:
            found = self._of("experiment_id", parameters["experiment_id"], found)
        if "filter" in parameters:
            for predicate in json.loads(parameters["filter"])["predicates"]:
                wanted = predicate.get("stringValue") or predicate.get("string_value")
                found = [item for item in found if item[predicate["key"]] == wanted]
        if "sort_by" in parameters and parameters["sort_by"] != "created_at desc":
            self.server.complaints.append(f"sort_by {parameters['sort_by']}")
        self._answer_list({"recurringruns": "recurringRuns"}.get(parts[0], parts[0]), found)

    def do_POST(self):
        if self._is_refused():
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, query = self.path.partition("?")
        parts = path.removeprefix("/apis/v2beta1/").split("/")
        server = self.server
        if parts == ["pipelines", "upload_version"]:
            parameters = {key: values[0] for key, values in urllib.parse.parse_qs(query).items()}
            version = {
                "pipeline_id": parameters["pipelineid"],
                "pipeline_version_id": f"version-{len(server.versions)}",
                "display_name": parameters["name"],
            }
            server.uploads[version["pipeline_version_id"]] = _uploaded(self.headers["Content-Type"], body)
            return self._add(server.versions, version)
        if parts[0] == "recurringruns" and len(parts) == 2:
            name, _, verb = parts[1].partition(":")
            [found] = self._of("recurring_run_id", name, server.recurring)
            found["mode"] = {"disable": "DISABLE", "enable": "ENABLE"}[verb]
            return self.answer({})
        item = json.loads(body)
        if parts == ["pipelines"]:
            if any(self._name_of(known) == self._name_of(item) for known in server.pipelines):
                return self.answer({"error": f"Already exist error: pipeline {item['display_name']}", "code": 6}, 409)
            return self._add(server.pipelines, {**item, "pipeline_id": f"pipeline-{len(server.pipelines)}"})
        if parts == ["experiments"]:
            return self._add(server.experiments, {**item, "experiment_id": f"experiment-{len(server.experiments)}"})
        if parts == ["runs"] and server.refuse_runs:
            return self.answer({"error": "quota of runs is used up", "code": 8}, 429)
        self._check_run(item)
        if parts == ["runs"]:
            self._check_that_no_run_goes_on(item)
            new = {"run_id": f"run-{len(server.runs)}", "state": "SUCCEEDED", "created_at": "2026-01-31T02:00:00Z"}
            if server.outcomes:
                new |= {"state": "PENDING", "ends as": server.outcomes.pop(0)}
            return self._add(server.runs, {**item, **new})
        if parts == ["recurringruns"]:
            return self._add(server.recurring, {**item, "recurring_run_id": f"schedule-{len(server.recurring)}"})
        return self.answer({"error": f"no such path {path}"}, 404)

    def do_DELETE(self):
        if self._is_refused():
            return
        kind, name = self.path.removeprefix("/apis/v2beta1/").split("/")
        assert kind == "recurringruns"
        self.server.recurring[:] = [item for item in self.server.recurring if item["recurring_run_id"] != name]
        self.answer({})

    def _check_run(self, item):
        """The real server would refuse a run without an experiment, a known version or string parameters."""
        reference = item.get("pipeline_version_reference") or {}
        versions = {version["pipeline_version_id"] for version in self.server.versions}
        if reference.get("pipeline_version_id") not in versions:
            self.server.complaints.append(f"no such version: {reference}")
        if item.get("experiment_id") not in {known["experiment_id"] for known in self.server.experiments}:
            self.server.complaints.append(f"no such experiment: {item.get('experiment_id')}")
        for name, value in item["runtime_config"]["parameters"].items():
            if not isinstance(value, str) or not value:
                self.server.complaints.append(f"parameter {name}: {value!r}")

    def _check_that_no_run_goes_on(self, item):
        going_on = [run["display_name"] for run in self.server.runs if run["state"] in ("PENDING", "RUNNING")]
        if going_on:
            self.server.complaints.append(f"{item['display_name']} was started while {going_on} went on")

    def _answer_about_run(self, run):
        if self.server.unanswered:
            self.server.unanswered -= 1
            return self.answer({"error": "upstream is restarting", "code": 14}, 503)
        run["state"] = {"PENDING": "RUNNING", "RUNNING": run.get("ends as")}.get(run["state"], run["state"])
        self.answer({key: value for key, value in run.items() if key != "ends as"})

    def _is_refused(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return False
        self.answer({"error": "unauthenticated"}, 401)
        return True

    @staticmethod
    def _name_of(pipeline):
        return pipeline.get("namespace") or "", pipeline["display_name"]

    @staticmethod
    def _of(key, value, items):
        return [item for item in items if item.get(key) == value]

    def _add(self, items, item):
        items.append(item)
        self.answer(item)

    def _answer_list(self, key, items):
        self.answer({key: items, "total_size": len(items)})


def _uploaded(content_type: str, body: bytes) -> bytes:
    """The file in a multipart body."""
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    [part] = message.iter_parts()
    return part.get_payload(decode=True)
