"""The summary of a finished run: verdict and reason, accuracies, and the places of model and report."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping

from components.contracts import artifact_files
from components.contracts.evidence import Check, CheckName, FeatureKind, ModelEntry, ProbeReport, Verdict, VerdictReport
from components.contracts.files import read_bytes
from components.contracts.ingestion_record import IngestionSummary
from components.contracts.plain_text import printable
from components.contracts.record_files import read_record
from components.export import registry as model_registry
from pipeline.config import PipelineConfig
from pipeline.metadata.states import NodeResult
from pipeline.workdir import Workdir


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a run in a few lines.

    Attributes:
        verdict: the Gate's, as things stand now.
        reason: the reason for the verdict, in words.
        probe: the numbers of linear evaluation.
        test_split: how many models were blessed on the test images before, in words.
        warnings: sentences of ingestion and the Gate for people.
        model: place of the model in use or of the candidate, or why there is none.
        failed: checks of the Gate that the model did not pass.
        report: path of the HTML page.
    """

    verdict: Verdict
    reason: str
    probe: ProbeReport
    test_split: str
    warnings: tuple[str, ...]
    model: str
    failed: tuple[Check, ...]
    report: str
    is_candidate: bool = False  # whether the registry keeps this model as its candidate

    @property
    def is_blessed(self) -> bool:
        """Whether the model is good enough; the model in use was found so before."""
        return self.verdict.may_push

    def text(self) -> str:
        """The last lines of a run."""
        rows = [("Verdict", f"{self.verdict.value}: {self.reason}"), *_accuracy_rows(self.probe)]
        rows += [("Test split", self.test_split)] if self.test_split else []
        rows += [("Warning", warning) for warning in self.warnings]
        rows += [("Model", self.model), ("Report", self.report)]
        return "\n".join(f"{name:<10} {printable(value)}" for name, value in rows)


def read(results: Mapping[str, NodeResult], workdir: Workdir, config: PipelineConfig) -> Outcome:
    """Collect the outcome from the artifacts of a finished run and copy its report to ``workdir.report``.

    Raises:
        RegistryError: the version in use is damaged.
    """
    blessing = results["Gate"].output("blessing")
    verdict = read_record(VerdictReport, os.path.join(blessing.uri, artifact_files.VERDICT_FILE))
    examples = results["ImageExampleGen"].output("examples")
    ingestion = read_record(IngestionSummary, os.path.join(examples.uri, artifact_files.INGESTION_SUMMARY_FILE))
    report = os.path.join(results["Report"].output("report").uri, artifact_files.REPORT_FILE)
    workdir.report.write_bytes(read_bytes(report))
    probe_report = results["LinearProbe"].output("probe_report")
    registry_folder = pathlib.Path(workdir.registry) / config.export.model_name
    verdict_now, reason, model = _verdict_now(results, verdict, workdir, config)
    return Outcome(
        verdict=verdict_now,
        reason=reason,
        probe=read_record(ProbeReport, os.path.join(probe_report.uri, artifact_files.PROBE_FILE)),
        test_split="; ".join(check.text for check in verdict.checks if check.name is CheckName.EARLIER_BLESSINGS),
        warnings=(*ingestion.warnings, *verdict.warnings),
        model=model,
        failed=tuple(check for check in verdict.checks if not check.passed),
        report=str(workdir.report),
        is_candidate=verdict_now is Verdict.NOT_BLESSED and _keeps(registry_folder, verdict.candidate),
    )


def _verdict_now(
    results: Mapping[str, NodeResult], report: VerdictReport, workdir: Workdir, config: PipelineConfig
) -> tuple[Verdict, str, str]:
    """Verdict, reason and place of the model, as things stand now.

    A verdict from the cache was true when it was given. A model that was blessed and pushed then is the model in use
    now, unless the registry says otherwise.
    """
    folder = pathlib.Path(workdir.registry) / config.export.model_name
    if report.verdict is Verdict.NOT_BLESSED:
        return report.verdict, report.reason, _candidate(folder, report.candidate)
    try:
        in_use = model_registry.find_version(folder.parent, folder.name, model_registry.BLESSED)
    except model_registry.RegistryError as error:
        return report.verdict, report.reason, f"{error}; was it removed after the push?"
    place = str(folder / str(in_use.number))
    if not model_registry.is_intact(folder.parent, folder.name, in_use):
        raise model_registry.RegistryError(
            f"{place}, which is in use, no longer holds the files that were pushed: remove this folder, then the same "
            "command pushes the model again"
        )
    if in_use.content_digest != report.candidate.content_digest:
        return report.verdict, report.reason, f"{place} (another model is in use; see `simclr registry list`)"
    if results["Gate"].is_cached and results["Pusher"].is_cached:
        return Verdict.UNCHANGED, "this model is in use", place
    return report.verdict, report.reason, place


def _candidate(folder: pathlib.Path, judged: ModelEntry) -> str:
    """Where the model that was not blessed is: the candidate, unless a later run has another one or it was pushed."""
    if _keeps(folder, judged):
        return f"{folder / model_registry.CANDIDATE} (candidate: not blessed, not in use)"
    return f"nothing was pushed; the model itself is in {judged.uri}"


def _keeps(folder: pathlib.Path, judged: ModelEntry) -> bool:
    kept = model_registry.candidate(folder)
    return kept is not None and kept.content_digest == judged.content_digest


def _accuracy_rows(probe: ProbeReport) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for kind in [kind for kind in FeatureKind if kind in probe.features]:
        parts = [
            f"{result.fraction:.0%} of labels {result.accuracy_mean:.3f}"
            + (f" ± {result.accuracy_std:.3f}" if len(result.accuracies) > 1 else "")
            for result in reversed(probe.features[kind].fractions)
        ]
        rows.append(("Accuracy" if not rows else "", f"{kind.words:<15} {', '.join(parts)}"))
    return rows
