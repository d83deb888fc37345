"""Artifact types of this project, and all names of ``artifact_files`` for those who know TFX anyway."""

from tfx.types import artifact

from components.contracts.artifact_files import *  # noqa: F403


def data_span(made: artifact.Artifact) -> int | None:
    """The span that an artifact was made from, None where the data has no spans."""
    return made.get_int_custom_property(DATA_SPAN) if made.has_custom_property(DATA_SPAN) else None  # noqa: F405


def set_data_span(made: artifact.Artifact, span: int | None) -> None:
    """Record what ``data_span`` gives."""
    if span is not None:
        made.set_int_custom_property(DATA_SPAN, span)  # noqa: F405


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
