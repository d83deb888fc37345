"""Artifact types of this project, and functions for artifact properties; their keys are in ``artifact_files``."""

import os
from collections.abc import Sequence

from tfx.dsl.io import fileio
from tfx.types import artifact, artifact_utils

from components.contracts.artifact_files import DATA_SPAN


def data_span(made: artifact.Artifact) -> int | None:
    """The span that an artifact was made from; None if the data has no spans."""
    return made.get_int_custom_property(DATA_SPAN) if made.has_custom_property(DATA_SPAN) else None


def required_data_span(made: artifact.Artifact) -> int:
    """As ``data_span``, for artifacts that a resolver chose by their span.

    Raises:
        ValueError: the artifact has none.
    """
    span = data_span(made)
    if span is None:
        raise ValueError(f"{made.uri}: expected an artifact of data that has spans, found one without a span")
    return span


def set_data_span(made: artifact.Artifact, span: int | None) -> None:
    """Set the property that ``data_span`` reads."""
    if span is not None:
        made.set_int_custom_property(DATA_SPAN, span)


def record_count(examples: artifact.Artifact, split: str) -> int | None:
    """Number of records in a split; None if the step that wrote it did not set it."""
    name = f"records_{split}"
    return examples.get_int_custom_property(name) if examples.has_custom_property(name) else None


def set_record_count(examples: artifact.Artifact, split: str, number: int) -> None:
    """Set the property that ``record_count`` reads."""
    examples.set_int_custom_property(f"records_{split}", number)


def record_files(examples: Sequence[artifact.Artifact], split: str) -> list[str]:
    """Record files of a split in all artifacts, sorted."""
    uris = artifact_utils.get_split_uris(list(examples), split)
    return sorted(os.path.join(uri, os.fsdecode(name)) for uri in uris for name in fileio.listdir(uri))


class Features(artifact.Artifact):
    """Features of the labelled images from the frozen encoders: ``features.json`` and a folder for each split."""

    TYPE_NAME = "Features"


class ProbeReport(artifact.Artifact):
    """Results of linear evaluation: ``probe.json`` and ``test_predictions.npz``."""

    TYPE_NAME = "ProbeReport"


class BaselineReport(artifact.Artifact):
    """Results of classifiers trained in other ways: ``baselines.json``."""

    TYPE_NAME = "BaselineReport"


class AnomalyClearance(artifact.Artifact):
    """Says that the statistics of a span have no anomaly; only the AnomalyGate writes it."""

    TYPE_NAME = "AnomalyClearance"


class Report(artifact.Artifact):
    """One self-contained HTML page about a run."""

    TYPE_NAME = "Report"
