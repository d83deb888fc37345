"""``record.json`` (signatures.RECORD_FILE): how a version of the registry was made and what it is worth.

The model card and the entry on a model registry's server are made from it.
"""

import dataclasses
from typing import Any

from components.contracts.code_digest import model_code_digests
from components.contracts.evidence import ProbeReport, VerdictReport
from components.contracts.ingestion_record import IngestionSummary
from components.contracts.installed_versions import installed_versions
from components.contracts.model_facts import ModelFacts
from components.contracts.pretraining_record import PretrainingRecord
from components.contracts.record_files import record


@record(version=2)  # it holds the records of several steps: raise it with theirs
class VersionRecord:
    """What is known of a version: data, pretraining, results, settings, code and libraries."""

    run: str  # name of the pipeline run that pushed it
    span: int | None  # of the data; None if the data has no spans
    model: ModelFacts
    verdict: VerdictReport
    data: IngestionSummary  # without the pairs of near-duplicates, which are paths
    pretraining: PretrainingRecord  # of its history only the last epoch
    results: ProbeReport
    settings: dict[str, Any]  # PipelineConfig
    code_digests: dict[str, str]
    libraries: dict[str, str]  # library -> version


def version_record(
    *,
    facts: ModelFacts,
    verdict: VerdictReport,
    ingestion: IngestionSummary,
    pretraining: PretrainingRecord,
    probe: ProbeReport,
    settings: dict[str, Any],
    span: int | None,
    run: str,
) -> VersionRecord:
    """Put together what is known of a version.

    Args:
        facts: what the SavedModel says about itself.
        verdict: the Gate's.
        ingestion: summary of the images.
        pretraining: the Trainer's.
        probe: the numbers of linear evaluation.
        settings: the whole configuration.
        span: of the data; None if the data has no spans.
        run: name of the pipeline run that pushes it.
    """
    return VersionRecord(
        run=run,
        span=span,
        model=facts,
        verdict=verdict,
        data=dataclasses.replace(ingestion, near_duplicate_pairs=()),
        pretraining=dataclasses.replace(pretraining, history=pretraining.history[-1:]),
        results=probe,
        settings=settings,
        code_digests=model_code_digests(),
        libraries=installed_versions(),
    )


def properties(version: VersionRecord) -> dict[str, bool | int | float | str]:
    """The numbers and names by which people search and sort a list of models."""
    encoder = version.results.encoder
    found = {
        "accuracy": encoder.accuracy,
        "balanced_accuracy": encoder.balanced_accuracy,
        "knn_accuracy": encoder.knn_accuracy,
        **{
            f"accuracy_at_{100 * result.fraction:g}_percent_of_labels": result.accuracy_mean
            for result in encoder.fractions
        },
        **{f"{split}_images": count for split, count in version.data.records.items()},
        "data_root": version.data.root,
        "data_digest": version.data.content_digest,
        "span": version.span,
        "method": version.pretraining.plan.method,
        "architecture": version.model.architecture,
        "pretraining_code_digest": version.code_digests["pretraining"],
        "tensorflow": version.libraries.get("tensorflow"),
        "run": version.run,
    }
    return {key: value for key, value in found.items() if value is not None}
