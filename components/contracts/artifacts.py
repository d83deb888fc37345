"""Artifact types of this project, and all names of ``artifact_files`` for those who know TFX anyway."""

from tfx.types import artifact

from components.contracts.artifact_files import *  # noqa: F403


class ProbeReport(artifact.Artifact):
    """What linear evaluation found: ``probe.json`` and ``test_predictions.npz``."""

    TYPE_NAME = "ProbeReport"


class AnomalyClearance(artifact.Artifact):
    """Says that the statistics of a span hold no anomaly; exists only where they do not."""

    TYPE_NAME = "AnomalyClearance"


class Report(artifact.Artifact):
    """One self-contained HTML page about a run."""

    TYPE_NAME = "Report"
