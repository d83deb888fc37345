"""Talks to a server of Kubeflow Pipelines: reads one JSON request from standard input, writes one JSON answer.

Runs in kfp's environment and imports only kfp and the standard library; ``runs`` writes the request. Host, token and
namespace come from environment variables. If the server refuses or does not answer, the answer is one sentence.
"""

import contextlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
import warnings
from typing import Any

_HOST, _TOKEN, _NAMESPACE = "SIMCLR_KFP_HOST", "SIMCLR_KFP_TOKEN", "SIMCLR_KFP_NAMESPACE"
_TIMEOUT_SECONDS = 15
_PAGE_SIZE = 100
_PENDING, _SUCCEEDED = "PENDING", "SUCCEEDED"
_ENDED = (_SUCCEEDED, "FAILED", "SKIPPED", "CANCELED")


class RequestRefused(Exception):
    """The request cannot be fulfilled; the message is one sentence for the user."""


class Server:
    """The server that the environment variables name; each public method answers one action."""

    def __init__(self) -> None:
        """Connect.

        Raises:
            RequestRefused: no host is set, or it does not answer.
        """
        self._host = os.environ.get(_HOST, "").rstrip("/")
        token = os.environ.get(_TOKEN)
        if not self._host.startswith(("http://", "https://")):
            raise RequestRefused(f"environment variable {_HOST}: expected http:// or https:// and a host")
        _require_answer(self._host, token)
        import kfp
        import kfp_server_api

        self._api = kfp_server_api
        namespace = os.environ.get(_NAMESPACE)
        self._client = kfp.Client(
            host=self._host, existing_token=token, **({"namespace": namespace} if namespace else {})
        )
        self._namespace = namespace

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a run of the request's pipeline version; the answer has ``run_id`` and ``url``."""
        run = self._api.V2beta1Run(
            experiment_id=self._experiment(request["pipeline_name"]),
            display_name=request["run_name"],
            description=request["description"],
            pipeline_version_reference=self._version(request),
            runtime_config=self._api.V2beta1RuntimeConfig(parameters=request["parameters"]),
            service_account=request["service_account"],
        )
        # Client.run_pipeline takes no description.
        created = self._client._run_api.run_service_create_run(run=run)
        return {"run_id": created.run_id, "url": self._page(created.run_id)}

    def schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        """Create a schedule that runs the request's pipeline version, never two runs at once."""
        experiment_id = self._experiment(request["pipeline_name"])
        if any(schedule.display_name == request["name"] for schedule in self._schedules(experiment_id)):
            raise RequestRefused(
                f"there already is a schedule {request['name']}: delete it first, or choose another name"
            )
        version = self._version(request)
        created = self._client.create_recurring_run(
            experiment_id=experiment_id,
            job_name=request["name"],
            description=request["description"],
            cron_expression=request["cron"],
            max_concurrency=1,
            no_catchup=not request["catch_up"],
            params=request["parameters"],
            pipeline_id=version.pipeline_id,
            version_id=version.pipeline_version_id,
            service_account=request["service_account"],
        )
        return {"id": created.recurring_run_id}

    def list_schedules(self, request: dict[str, Any]) -> dict[str, Any]:
        """List a pipeline's schedules: name, cron expression, whether it is on, and the version that it runs."""
        return {
            "schedules": [
                {
                    "name": schedule.display_name,
                    "cron": schedule.trigger.cron_schedule.cron,
                    "is_on": schedule.mode == "ENABLE" or schedule.status == "ENABLED",
                    "version_id": schedule.pipeline_version_reference.pipeline_version_id,
                }
                for schedule in self._schedules(self._known_experiment(request["pipeline_name"]))
            ]
        }

    def pause(self, request: dict[str, Any]) -> dict[str, Any]:
        """Let a schedule start no runs until ``resume``."""
        self._client.disable_recurring_run(self._schedule_id(request))
        return {}

    def resume(self, request: dict[str, Any]) -> dict[str, Any]:
        """Let a paused schedule start runs again."""
        self._client.enable_recurring_run(self._schedule_id(request))
        return {}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Remove a schedule; its runs stay."""
        self._client.delete_recurring_run(self._schedule_id(request))
        return {}

    def status(self, request: dict[str, Any]) -> dict[str, Any]:
        """List a pipeline's latest runs, newest first."""
        found = self._client.list_runs(
            page_size=request["count"],
            sort_by="created_at desc",
            experiment_id=self._known_experiment(request["pipeline_name"]),
            namespace=self._namespace,
        )
        return {
            "runs": [
                {
                    "run_id": run.run_id,
                    "name": run.display_name,
                    "state": run.state or _PENDING,
                    "created_at": run.created_at.isoformat() if run.created_at else "",
                }
                for run in found.runs or []
            ]
        }

    def ensure_run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Submit a run, unless the newest run of that name is active or succeeded.

        The answer has ``state`` too: None for a new run.
        """
        experiment_id = self._experiment(request["pipeline_name"])
        arguments = {"sort_by": "created_at desc", "experiment_id": experiment_id, "namespace": self._namespace}
        for run in self._pages(self._client.list_runs, "runs", **arguments):
            if run.display_name == request["run_name"]:
                if run.state in _ENDED and run.state != _SUCCEEDED:
                    break
                return {"run_id": run.run_id, "url": self._page(run.run_id), "state": run.state or _PENDING}
        return {**self.submit(request), "state": None}

    def wait(self, request: dict[str, Any]) -> dict[str, Any]:
        """Wait for the end of a run; the answer is its ``state``. Tolerates ``unanswered_polls`` failures in a row."""
        unanswered = 0
        while True:
            try:
                state = self._client.get_run(request["run_id"]).state
                unanswered = 0
            except Exception:
                unanswered += 1
                if unanswered > request["unanswered_polls"]:
                    raise
                state = None
            if state in _ENDED:
                return {"state": state}
            time.sleep(request["poll_seconds"])

    def _page(self, run_id: str) -> str:
        return f"{self._host}/#/runs/details/{run_id}"

    def _experiment(self, name: str) -> str:
        return self._client.create_experiment(name=name, namespace=self._namespace).experiment_id

    def _known_experiment(self, name: str) -> str:
        try:
            return self._client.get_experiment(experiment_name=name, namespace=self._namespace).experiment_id
        except ValueError:  # kfp raises it for an unknown name
            raise RequestRefused(f"{self._host} knows no run of {name}: see --config for the pipeline's name") from None

    def _version(self, request: dict[str, Any]) -> Any:
        """The pipeline version of exactly this file; uploads the file if the server does not have it."""
        name, version_name = request["pipeline_name"], request["version"]
        pipeline_id = self._pipeline_id(name)
        if pipeline_id is None:
            new = self._api.V2beta1Pipeline(display_name=name, name=name, namespace=self._namespace)
            pipeline_id = self._client._pipelines_api.pipeline_service_create_pipeline(pipeline=new).pipeline_id
        known = {
            version.display_name: version.pipeline_version_id
            for version in self._pages(
                self._client.list_pipeline_versions, "pipeline_versions", pipeline_id=pipeline_id
            )
        }
        if version_name not in known:
            uploaded = self._client.upload_pipeline_version(request["pipeline"], version_name, pipeline_id=pipeline_id)
            known[version_name] = uploaded.pipeline_version_id
        return self._api.V2beta1PipelineVersionReference(
            pipeline_id=pipeline_id, pipeline_version_id=known[version_name]
        )

    def _pipeline_id(self, name: str) -> str | None:
        """The pipeline of this name in the namespace; kfp's ``get_pipeline_id`` only knows those of no namespace."""
        found = self._pages(
            self._client.list_pipelines,
            "pipelines",
            namespace=self._namespace,
            filter=json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]}),
        )
        return found[0].pipeline_id if found else None

    def _schedules(self, experiment_id: str) -> list[Any]:
        return self._pages(self._client.list_recurring_runs, "recurring_runs", experiment_id=experiment_id)

    def _schedule_id(self, request: dict[str, Any]) -> str:
        found = self._schedules(self._known_experiment(request["pipeline_name"]))
        for schedule in found:
            if schedule.display_name == request["name"]:
                return schedule.recurring_run_id
        names = ", ".join(schedule.display_name for schedule in found) or "none"
        raise RequestRefused(f"no schedule {request['name']} of {request['pipeline_name']}; there are: {names}")

    def _pages(self, list_page: Any, key: str, **arguments: Any) -> list[Any]:
        items: list[Any] = []
        token = ""
        while True:
            page = list_page(page_token=token, page_size=_PAGE_SIZE, **arguments)
            items += getattr(page, key) or []
            token = page.next_page_token
            if not token:
                return items


_ACTIONS = ("submit", "schedule", "list_schedules", "pause", "resume", "delete", "status", "ensure_run", "wait")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token would go to whatever host the answer names."""

    def redirect_request(self, *arguments: Any, **more: Any) -> None:
        """None makes the redirect an error, which the caller explains."""


def _require_answer(host: str, token: str | None) -> None:
    """Check quickly that the server answers; kfp's client would take half a minute to give up."""
    request = urllib.request.Request(f"{host}/apis/v2beta1/healthz")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
            json.load(response)
    except urllib.error.HTTPError as error:
        if 300 <= error.code < 400:
            place = error.headers.get("Location", "another address")
            raise RequestRefused(f"{host} sends to {place}: set {_HOST} to the address that answers itself") from None
        hint = f"; is {_TOKEN} right?" if error.code in (401, 403) else ""
        raise RequestRefused(f"{host} refuses: {error.code} {error.reason}{hint}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise RequestRefused(f"no server of Kubeflow Pipelines answers at {host}: {reason}") from None


def _refusal(error: Exception) -> str:
    """The server's message, in one line."""
    try:
        body = json.loads(getattr(error, "body", ""))
        said = body.get("error") or body.get("message") or body
    except (AttributeError, TypeError, ValueError):
        said = str(error)
    return f"the server refuses: {str(said).splitlines()[0][:500]}"


def main() -> int:
    """Answer one request."""
    request = json.load(sys.stdin)
    answer_stream = os.dup(1)
    # kfp's client prints to standard output, where only the answer may go.
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if request["action"] not in _ACTIONS:
                raise RequestRefused(f"unknown action {request['action']}")
            answer = getattr(Server(), request["action"])(request)
        except RequestRefused as error:
            answer = {"error": str(error)}
        except Exception as error:
            answer = {"error": _refusal(error)}
    with os.fdopen(answer_stream, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
