"""The outcome of a finished run for people: verdict and reason, accuracies, paths of model and report."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from components.contracts import artifact_files, evidence, ingestion_record
from components.contracts.files import read_bytes, read_json
from components.export import registry as model_registry
from pipeline.config import PipelineConfig
from pipeline.metadata.states import NodeResult
from pipeline.workdir import Workdir


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a run in a few lines.

    Attributes:
        verdict: one of the verdicts of ``contracts.evidence``.
        reason: why, in words.
        probe: what ``probe.json`` holds.
        test_split: how many other models were blessed on the same test images, in words.
        warnings: sentences from ingestion and the Gate.
        model: path of the model in use, or why there is none.
        report: path of the HTML page.
    """

    verdict: str
    reason: str
    probe: dict[str, Any]
    test_split: str
    warnings: tuple[str, ...]
    model: str
    report: str

    @property
    def is_blessed(self) -> bool:
        """Whether the model is good enough; a model that is in use was blessed before."""
        return self.verdict in (evidence.BLESSED, evidence.UNCHANGED)

    def text(self) -> str:
        """The last lines of a run."""
        rows = [("Verdict", f"{self.verdict}: {self.reason}"), *_accuracy_rows(self.probe)]
        rows += [("Test split", self.test_split)] if self.test_split else []
        rows += [("Warning", warning) for warning in self.warnings]
        rows += [("Model", self.model), ("Report", self.report)]
        return "\n".join(f"{name:<10} {value}" for name, value in rows)


def read(results: Mapping[str, NodeResult], workdir: Workdir, config: PipelineConfig) -> Outcome:
    """Collect the outcome from the artifacts of a finished run and copy its report to ``workdir.report``."""
    blessing = results["Gate"].output("blessing")
    verdict = read_json(os.path.join(blessing.uri, artifact_files.VERDICT_FILE))
    ingestion = read_json(
        os.path.join(results["ImageExampleGen"].output("examples").uri, artifact_files.INGESTION_SUMMARY_FILE)
    )
    report = os.path.join(results["Report"].output("report").uri, artifact_files.REPORT_FILE)
    workdir.report.write_bytes(read_bytes(report))
    name, reason, model = _verdict_now(results, verdict, workdir, config)
    return Outcome(
        verdict=name,
        reason=reason,
        probe=read_json(os.path.join(results["LinearProbe"].output("probe_report").uri, artifact_files.PROBE_FILE)),
        test_split="; ".join(
            check[evidence.TEXT]
            for check in verdict[evidence.CHECKS]
            if check[evidence.NAME] == evidence.EARLIER_BLESSINGS
        ),
        warnings=(*ingestion[ingestion_record.WARNINGS], *verdict[evidence.WARNINGS]),
        model=model,
        report=str(workdir.report),
    )


def _verdict_now(
    results: Mapping[str, NodeResult], verdict: dict[str, Any], workdir: Workdir, config: PipelineConfig
) -> tuple[str, str, str]:
    """Verdict, reason and path of the model as of now.

    A verdict from the cache was true when the Gate gave it. A model that was blessed and pushed then is in use now,
    unless the registry says otherwise.
    """
    name, reason = verdict[evidence.VERDICT], verdict[evidence.REASON]
    if name == evidence.NOT_BLESSED:
        return name, reason, "nothing was pushed"
    folder = pathlib.Path(workdir.registry) / config.export.model_name
    digest = verdict[evidence.CANDIDATE][evidence.CONTENT_DIGEST]
    try:
        in_use = model_registry.find_version(folder.parent, folder.name, model_registry.BLESSED)
    except model_registry.RegistryError as error:
        return name, reason, f"{error}; was it removed after the push?"
    place = str(folder / str(in_use.number))
    if in_use.content_digest != digest:
        return name, reason, f"{place} (another model is in use; see `simclr registry list`)"
    if results["Gate"].is_cached and results["Pusher"].is_cached:
        return evidence.UNCHANGED, "this model is in use", place
    return name, reason, place


def _accuracy_rows(probe: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for key, title in evidence.FEATURE_NAMES.items():
        features = probe[evidence.FEATURES].get(key)
        if features is None:
            continue
        parts = [
            f"{row[evidence.FRACTION]:.0%} of labels {row[evidence.ACCURACY_MEAN]:.3f}"
            + (f" ± {row[evidence.ACCURACY_STD]:.3f}" if len(row[evidence.ACCURACIES]) > 1 else "")
            for row in reversed(features[evidence.FRACTIONS])
        ]
        rows.append(("Accuracy" if not rows else "", f"{title:<15} {', '.join(parts)}"))
    return rows
