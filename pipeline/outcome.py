"""What a person wants to know of a finished run: verdict and reason, accuracies, where model and report are."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.io import fileio
from tfx.utils import path_utils

from components.contracts import (
    artifacts,
    baseline_record,
    evidence,
    ingestion_record,
    pretraining_record,
    tuning_record,
)
from components.export import registry as model_registry
from pipeline.config import PipelineConfig
from pipeline.places import Places
from pipeline.states import NodeResult


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The end of a run in a few lines.

    Attributes:
        verdict: one of the verdicts of ``contracts.evidence``.
        reason: why, in words.
        probe: what ``probe.json`` holds.
        test_split: for how many blessings the test images have been used already, in words.
        warnings: sentences that ingestion and the Gate leave for people.
        model: where the model in use is, or why there is none.
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
        """Whether the model is good enough; one that is in use already was found so before."""
        return self.verdict in (evidence.BLESSED, evidence.UNCHANGED)

    def text(self) -> str:
        """The last lines of a run."""
        rows = [("Verdict", f"{self.verdict}: {self.reason}"), *_accuracy_rows(self.probe)]
        rows += [("Test split", self.test_split)] if self.test_split else []
        rows += [("Warning", warning) for warning in self.warnings]
        rows += [("Model", self.model), ("Report", self.report)]
        return "\n".join(f"{name:<10} {value}" for name, value in rows)


def read(results: Mapping[str, NodeResult], places: Places, config: PipelineConfig) -> Outcome:
    """Collect the outcome from the artifacts of a finished run and copy its report to ``places.report``."""
    blessing = _only(results["Gate"], "blessing")
    verdict = _json(blessing.uri, artifacts.VERDICT_FILE)
    ingestion = _json(_only(results["ImageExampleGen"], "examples").uri, artifacts.INGESTION_SUMMARY_FILE)
    report = os.path.join(_only(results["Report"], "report").uri, artifacts.REPORT_FILE)
    places.report.write_bytes(_bytes(report))
    name, reason, model = _verdict_now(results, verdict, places, config)
    return Outcome(
        verdict=name,
        reason=reason,
        probe=_json(_only(results["LinearProbe"], "probe_report").uri, artifacts.PROBE_FILE),
        test_split="; ".join(
            check[evidence.TEXT]
            for check in verdict[evidence.CHECKS]
            if check[evidence.NAME] == evidence.EARLIER_BLESSINGS
        ),
        warnings=(*ingestion[ingestion_record.WARNINGS], *verdict[evidence.WARNINGS]),
        model=model,
        report=str(places.report),
    )


def checkpoint_folders(result: NodeResult) -> list[str]:
    """Where a node that trains kept its checkpoints, as its output says: paths or URIs; none of other nodes."""
    if result.node_id == "Trainer":
        folder = path_utils.serving_model_dir(_only(result, "model").uri)
        return [_json(folder, artifacts.PRETRAINING_FILE)[pretraining_record.CHECKPOINT_DIRECTORY]]
    if result.node_id == "Tuner":
        found = _json(_only(result, "tuner_results").uri, artifacts.TUNING_FILE)
        return found[tuning_record.CHECKPOINT_DIRECTORIES]
    if result.node_id == "Baselines":
        found = _json(_only(result, "baselines").uri, artifacts.BASELINES_FILE)
        return [found[baseline_record.CHECKPOINT_DIRECTORY]]
    return []


def _verdict_now(
    results: Mapping[str, NodeResult], verdict: dict[str, Any], places: Places, config: PipelineConfig
) -> tuple[str, str, str]:
    """Verdict, reason and place of the model, as things stand now.

    A verdict from the cache says what was true when it was given: a model that was blessed and pushed then is the one
    in use now, unless the registry says otherwise.
    """
    name, reason = verdict[evidence.VERDICT], verdict[evidence.REASON]
    if name == evidence.NOT_BLESSED:
        return name, reason, "nothing was pushed"
    folder = pathlib.Path(places.registry) / config.export.model_name
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


def _only(result: NodeResult, key: str) -> types.Artifact:
    (artifact,) = result.outputs[key]
    return artifact


def _json(folder: str, name: str) -> dict[str, Any]:
    return json.loads(_bytes(os.path.join(folder, name)))


def _bytes(path: str) -> bytes:
    with fileio.open(path, "rb") as file:
        return file.read()
