"""The artifact types of this project, and the properties its steps read and write; ``artifact_files`` has the keys."""

import os
from collections.abc import Sequence

from tfx.dsl.io import fileio
from tfx.types import artifact, artifact_utils

from components.contracts.artifact_files import DATA_SPAN


def data_span(made: artifact.Artifact) -> int | None:
    """The span that an artifact was made from, None where the data has no spans."""
    return made.get_int_custom_property(DATA_SPAN) if made.has_custom_property(DATA_SPAN) else None


def set_data_span(made: artifact.Artifact, span: int | None) -> None:
    """Record what ``data_span`` gives."""
    if span is not None:
        made.set_int_custom_property(DATA_SPAN, span)


def record_count(examples: artifact.Artifact, split: str) -> int | None:
    """How many records a split was written with; None where whoever wrote it did not say."""
    name = f"records_{split}"
    return examples.get_int_custom_property(name) if examples.has_custom_property(name) else None


def set_record_count(examples: artifact.Artifact, split: str, number: int) -> None:
    """Record what ``record_count`` gives."""
    examples.set_int_custom_property(f"records_{split}", number)


def record_files(examples: Sequence[artifact.Artifact], split: str) -> list[str]:
    """Files of records of a split, over all artifacts, sorted."""
    uris = artifact_utils.get_split_uris(list(examples), split)
    return sorted(file for uri in uris for file in fileio.glob(os.path.join(uri, "*")))


class Features(artifact.Artifact):
    """What the frozen encoders make of the labelled images: ``features.json`` and a folder a split."""

    TYPE_NAME = "Features"


class ProbeReport(artifact.Artifact):
    """What linear evaluation found: ``probe.json`` and ``test_predictions.npz``."""

    TYPE_NAME = "ProbeReport"


class BaselineReport(artifact.Artifact):
    """What other ways to the same classes are worth: ``baselines.json``."""

    TYPE_NAME = "BaselineReport"


class AnomalyClearance(artifact.Artifact):
    """Says that the statistics of a span hold no anomaly; exists only where they do not."""

    TYPE_NAME = "AnomalyClearance"


class Report(artifact.Artifact):
    """One self-contained HTML page about a run."""

    TYPE_NAME = "Report"
