"""What every version carries of its making: data, pretraining, results, settings, code and libraries, as plain values.

It lies beside the model as JSON; the model card and the entry on a model registry's server are made from it.
"""

from collections.abc import Mapping
from typing import Any

from components.contracts import configuration, pretraining_record, signatures
from components.contracts.code_digest import model_code_digests
from components.contracts.evidence import ProbeReport, VerdictReport
from components.contracts.ingestion_record import IngestionSummary
from components.contracts.installed_versions import installed_versions

MODEL, VERDICT, DATA, PRETRAINING, RESULTS = "model", "verdict", "data", "pretraining", "results"
SETTINGS, CODE_DIGESTS, LIBRARIES, RUN = "settings", "code_digests", "libraries", "run"
LAST_EPOCH = "last_epoch"  # of pretraining

# Of the data: paths and clocks.
_NOT_KEPT = ("near_duplicate_pairs", "warnings", "seconds")


def version_record(
    *,
    facts: Mapping[str, Any],
    verdict: VerdictReport,
    ingestion: IngestionSummary,
    pretraining: Mapping[str, Any],
    probe: ProbeReport,
    settings: Mapping[str, Any],
    span: int | None,
    run: str,
) -> dict[str, Any]:
    """Put together what is known of a version.

    Args:
        facts: what the SavedModel says about itself, see ``contracts.signatures``.
        verdict: the Gate's.
        ingestion: summary of the images.
        pretraining: the Trainer's record, see ``contracts.pretraining_record``.
        probe: the numbers of linear evaluation.
        settings: the whole configuration.
        span: of the data, None where that has no spans.
        run: name of the pipeline run that pushed it.

    Returns:
        Plain values, ready for JSON.
    """
    history = pretraining.get(pretraining_record.HISTORY) or [{}]
    return {
        MODEL: dict(facts),
        VERDICT: configuration.to_mapping(verdict),
        DATA: {
            "span": span,
            **{key: value for key, value in configuration.to_mapping(ingestion).items() if key not in _NOT_KEPT},
        },
        PRETRAINING: {
            **{key: value for key, value in pretraining.items() if key != pretraining_record.HISTORY},
            LAST_EPOCH: history[-1],
        },
        RESULTS: configuration.to_mapping(probe),
        SETTINGS: dict(settings),
        CODE_DIGESTS: model_code_digests(),
        LIBRARIES: installed_versions(),
        RUN: run,
    }


def verdict(record: Mapping[str, Any]) -> VerdictReport:
    """The Gate's verdict in ``record``."""
    return configuration.from_mapping(VerdictReport, record[VERDICT], signatures.RECORD_FILE, VERDICT)


def results(record: Mapping[str, Any]) -> ProbeReport:
    """The numbers of linear evaluation in ``record``."""
    return configuration.from_mapping(ProbeReport, record[RESULTS], signatures.RECORD_FILE, RESULTS)


def properties(record: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """The numbers and names of ``record`` that a list of models is searched and sorted by."""
    data, pretraining, encoder = record[DATA], record[PRETRAINING], results(record).encoder
    found = {
        "accuracy": encoder.accuracy,
        "balanced_accuracy": encoder.balanced_accuracy,
        "knn_accuracy": encoder.knn_accuracy,
        **{
            f"accuracy_at_{100 * result.fraction:g}_percent_of_labels": result.accuracy_mean
            for result in encoder.fractions
        },
        **{f"{split}_images": count for split, count in data["records"].items()},
        "data_root": data["root"],
        "data_digest": data["content_digest"],
        "span": data["span"],
        "method": pretraining.get(pretraining_record.SETTINGS, {}).get(pretraining_record.METHOD),
        "architecture": record[MODEL].get("architecture"),
        "pretraining_code_digest": record[CODE_DIGESTS]["pretraining"],
        "tensorflow": record[LIBRARIES].get("tensorflow"),
        "run": record[RUN],
    }
    return {key: value for key, value in found.items() if value is not None}
