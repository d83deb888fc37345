"""The last task of a remote run, which also runs after a failure: shows report, verdict and metrics on the run's page.

States and artifacts come from ML Metadata. The files are KFP artifacts. The numbers of the metrics go into the executor
output file, because that is where the page reads them.
"""

import argparse
import html
import json
import logging
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from components.contracts import artifact_files
from components.contracts.configuration import ConfigError
from components.contracts.evidence import ProbeReport, VerdictReport
from components.contracts.plain_text import escape_markdown
from components.contracts.record_files import record_from_bytes
from pipeline import ir_file
from pipeline.node import process

if TYPE_CHECKING:
    from pipeline.metadata.states import NodeResult

Contents = TypeVar("Contents")

_logger = logging.getLogger(__name__)

_EXIT_FAILED = 1
_METRICS = "metrics"  # name of the KFP artifact
_STOPPED = "stopped half-way"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the three files and the executor output.

    Returns:
        0 if the page was written, also for a failed run, which its failed task marks as failed already; 1 otherwise.
    """
    parsed = _parser().parse_args(arguments)
    process.hide_gpus()
    process.configure_logging()
    try:
        text = ir_file.read(parsed.ir, parsed.ir_digest)
        from pipeline.metadata import connection as metadata_connection
        from pipeline.metadata import states

        connection = metadata_connection.from_environment()
        metadata_connection.connect(connection, metadata_connection.PATIENCE_SECONDS)
        results = states.node_results(connection, ir_file.pipeline_name(text), parsed.run_id)
        _write(parsed, ir_file.node_ids(text), results)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.run_summary", description=__doc__.partition("\n")[0])
    process.add_run_arguments(parser)
    parser.add_argument("--executor-input", type=json.loads, required=True, help="what KFP's launcher knows, as JSON")
    parser.add_argument("--report", type=pathlib.Path, required=True, help="HTML page to write")
    parser.add_argument("--verdict", type=pathlib.Path, required=True, help="Markdown to write")
    parser.add_argument("--metrics", type=pathlib.Path, required=True, help="JSON to write")
    return parser


def _write(parsed: argparse.Namespace, node_ids: Sequence[str], results: Mapping[str, "NodeResult"]) -> None:
    bad = {name: _state(results, name) for name in node_ids if name not in results or not results[name].is_good}
    verdict = _record(VerdictReport, results, "Gate", "blessing", artifact_files.VERDICT_FILE)
    probe = _record(ProbeReport, results, "LinearProbe", "probe_report", artifact_files.PROBE_FILE)
    page = _file(results, "Report", "report", artifact_files.REPORT_FILE)
    metrics = _metrics(probe, verdict)
    states_table = {name: _state(results, name) for name in node_ids}
    _write_text(parsed.report, page.decode() if page else _states_page(states_table))
    _write_text(parsed.verdict, _verdict_text(verdict, bad))
    _write_text(parsed.metrics, json.dumps(metrics, indent=1) + "\n")
    outputs = parsed.executor_input["outputs"]
    [artifact] = outputs["artifacts"][_METRICS]["artifacts"]
    shown = {"name": artifact.get("name", _METRICS), "uri": artifact["uri"], "metadata": metrics}
    executor_output = {"artifacts": {_METRICS: {"artifacts": [shown]}}}
    _write_text(pathlib.Path(outputs["outputFile"]), json.dumps(executor_output))
    _logger.info("%s; %d numbers", _verdict_text(verdict, bad).strip().replace("\n", " "), len(metrics))


def _state(results: Mapping[str, "NodeResult"], node_id: str) -> str:
    if node_id not in results:
        return "not run"
    # Nothing is running now: TFX leaves this state if the node was killed or its driver raised.
    return _STOPPED if results[node_id].state == "RUNNING" else results[node_id].state


def _verdict_text(report: VerdictReport | None, bad: Mapping[str, str]) -> str:
    lines = []
    if bad:
        lines += ["# The run failed", "", *(f"- {node_id}: {state}" for node_id, state in bad.items()), ""]
    if report is None:
        lines += ["No verdict: the run did not come as far as the Gate."]
    else:
        lines += [f"# {report.verdict.value}", "", escape_markdown(report.reason), ""]
        lines += [f"- {escape_markdown(check.text)}" for check in report.checks]
        lines += [f"- warning: {escape_markdown(warning)}" for warning in report.warnings]
    return "\n".join(lines) + "\n"


def _metrics(probe: ProbeReport | None, report: VerdictReport | None) -> dict[str, float]:
    """Test accuracies by features and part of the labels, kNN, and whether the model is blessed (1) or not (0)."""
    metrics = {}
    for kind, found in probe.features.items() if probe else ():
        metrics[f"{kind.value}_knn_accuracy"] = found.knn_accuracy
        for result in found.fractions:
            metrics[f"{kind.value}_accuracy_with_{result.fraction:.0%}_of_labels"] = result.accuracy_mean
    if report is not None:
        metrics["blessed"] = float(report.verdict.may_push)
    return metrics


def _states_page(states_table: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(node_id)}</td><td>{html.escape(state)}</td></tr>"
        for node_id, state in states_table.items()
    )
    return (
        "<!doctype html><html><head><meta charset='utf-8'><title>No report</title></head><body><h1>No report</h1>"
        "<p>The run did not reach its report. States of its steps:</p>"
        f"<table>{rows}</table></body></html>\n"
    )


def _record(
    cls: type[Contents], results: Mapping[str, "NodeResult"], node_id: str, key: str, name: str
) -> Contents | None:
    content = _file(results, node_id, key, name)
    return None if content is None else record_from_bytes(cls, content, name)


def _file(results: Mapping[str, "NodeResult"], node_id: str, key: str, name: str) -> bytes | None:
    """A file in a node's only output under ``key``; None unless the node is complete or cached."""
    if node_id not in results or not results[node_id].is_good:
        return None
    from tfx.dsl.io import fileio

    [artifact] = results[node_id].outputs[key]
    with fileio.open(os.path.join(artifact.uri, name), "rb") as file:
        return file.read()


def _write_text(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
