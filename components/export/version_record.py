"""What every version carries of its making: data, pretraining, results, settings, code and libraries, as plain values.

It lies beside the model as JSON; the model card and the entry on a model registry's server are made from it.
"""

from collections.abc import Mapping
from typing import Any

from components.contracts import evidence, ingestion_record, pretraining_record
from components.contracts.code_digest import model_code_digests
from components.contracts.installed_versions import installed_versions

MODEL, VERDICT, DATA, PRETRAINING, RESULTS = "model", "verdict", "data", "pretraining", "results"
SETTINGS, CODE_DIGESTS, LIBRARIES, RUN = "settings", "code_digests", "libraries", "run"
LAST_EPOCH = "last_epoch"  # of pretraining

# Of the data: paths and clocks.
_NOT_KEPT = (ingestion_record.NEAR_DUPLICATE_PAIRS, ingestion_record.WARNINGS, ingestion_record.SECONDS)


def version_record(
    *,
    facts: Mapping[str, Any],
    verdict: Mapping[str, Any],
    ingestion: Mapping[str, Any],
    pretraining: Mapping[str, Any],
    probe: Mapping[str, Any],
    settings: Mapping[str, Any],
    span: int | None,
    run: str,
) -> dict[str, Any]:
    """Put together what is known of a version.

    Args:
        facts: what the SavedModel says about itself, see ``contracts.signatures``.
        verdict: content of the blessing's verdict file, see ``contracts.evidence``.
        ingestion: summary of the images.
        pretraining: the Trainer's record, see ``contracts.pretraining_record``.
        probe: the probe's report, see ``contracts.evidence``.
        settings: the whole configuration.
        span: of the data, None where that has no spans.
        run: name of the pipeline run that pushed it.

    Returns:
        Plain values, ready for JSON.
    """
    history = pretraining.get(pretraining_record.HISTORY) or [{}]
    return {
        MODEL: dict(facts),
        VERDICT: dict(verdict),
        DATA: {"span": span, **{key: value for key, value in ingestion.items() if key not in _NOT_KEPT}},
        PRETRAINING: {
            **{key: value for key, value in pretraining.items() if key != pretraining_record.HISTORY},
            LAST_EPOCH: history[-1],
        },
        RESULTS: dict(probe),
        SETTINGS: dict(settings),
        CODE_DIGESTS: model_code_digests(),
        LIBRARIES: installed_versions(),
        RUN: run,
    }


def properties(record: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """The numbers and names of ``record`` that a list of models is searched and sorted by."""
    data, pretraining, results = record[DATA], record[PRETRAINING], record[RESULTS]
    encoder = results[evidence.FEATURES][evidence.ENCODER]
    found = {
        "accuracy": encoder[evidence.ACCURACY],
        "balanced_accuracy": encoder.get(evidence.BALANCED_ACCURACY),
        "knn_accuracy": encoder.get(evidence.KNN_ACCURACY),
        **{
            f"accuracy_at_{100 * fraction[evidence.FRACTION]:g}_percent_of_labels": fraction[evidence.ACCURACY_MEAN]
            for fraction in encoder.get(evidence.FRACTIONS) or []
        },
        **{f"{split}_images": count for split, count in data[ingestion_record.RECORDS].items()},
        "data_root": data[ingestion_record.ROOT],
        "data_digest": data[ingestion_record.CONTENT_DIGEST],
        "span": data["span"],
        "method": pretraining.get(pretraining_record.SETTINGS, {}).get(pretraining_record.METHOD),
        "architecture": record[MODEL].get("architecture"),
        "pretraining_code_digest": record[CODE_DIGESTS]["pretraining"],
        "tensorflow": record[LIBRARIES].get("tensorflow"),
        "run": record[RUN],
    }
    return {key: value for key, value in found.items() if value is not None}
