"""Runs past spans on Kubeflow Pipelines, in order and one at a time, and goes on where an earlier backfill stopped.

The server knows what was done before: a run's name holds its span and a digest of its settings and version.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from components.contracts.configuration import ConfigError
from pipeline import run_parameters
from pipeline.kfp import runs

_SUCCEEDED = "SUCCEEDED"
_POLL_SECONDS = 30.0
_UNANSWERED_POLLS = 10  # so many in a row mean that the server is gone


class BackfillStoppedError(RuntimeError):
    """A span's run did not succeed."""


def read_spans(text: str) -> range:
    """Read ``first..last``, two numbers or two dates; the range includes both.

    Raises:
        ConfigError: the text has another form, or the last span is before the first.
    """
    spans = [run_parameters.read_span(end) for end in text.split("..")]
    first, last = spans if len(spans) == 2 else (None, None)
    if first is None or last is None or first > last:
        raise ConfigError(f"--spans: expected first..last, such as 12..19, found {text!r}")
    return range(first, last + 1)


def run(spans: range, request: dict[str, Any], notes: str, tell: Callable[[str], None]) -> None:
    """Run every span that has not succeeded yet, oldest first.

    Args:
        spans: the spans to run.
        request: a run's request, from ``runs.run_request``; its span is replaced.
        notes: the runs' description.
        tell: called with one line of progress for each event.

    Raises:
        BackfillStoppedError: a span's run did not succeed; the spans after it were not started.
        ServerError: the server refused a request, or did not answer for some time.
    """
    for span in spans:
        parameters = {**request["parameters"], run_parameters.SPAN_RANGE: str(span)}
        of_span = {**request, "parameters": parameters, "description": notes, "run_name": _run_name(request, span)}
        found = runs.ask("ensure_run", of_span)
        if found["state"] == _SUCCEEDED:
            tell(f"Span {span}: done before, {found['url']}")
            continue
        tell(f"Span {span}: run {found['run_id']} {'goes on' if found['state'] else 'started'}, {found['url']}")
        waiting = {"poll_seconds": _POLL_SECONDS, "unanswered_polls": _UNANSWERED_POLLS}
        state = runs.ask("wait", {"run_id": found["run_id"], **waiting})["state"]
        if state != _SUCCEEDED:
            raise BackfillStoppedError(
                f"the backfill stops at span {span}: its run {found['run_id']} ended as {state}; once you "
                "have fixed the cause, the same command goes on with this span"
            )
        tell(f"Span {span}: succeeded")


def _run_name(request: dict[str, Any], span: int) -> str:
    settings = {key: value for key, value in request["parameters"].items() if key != run_parameters.SPAN_RANGE}
    digest = hashlib.sha256(json.dumps([request["version"], settings], sort_keys=True).encode()).hexdigest()
    return f"{request['pipeline_name']} backfill span {span} of {digest[:12]}"
