"""Which statistics a span is compared with: those of the span before it that the AnomalyGate let pass.

A refused span is never the baseline of the next one. A person accepts the content of the images, so the same data,
ingested or counted anew, need not be accepted again.
"""

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from components.contracts import artifact_files, span_artifacts

STATISTICS = "statistics"
BASELINE = "baseline_statistics"
ACCEPTED = "accepted_statistics"
CLEARANCE = "clearance"


class PreviousStatistics(resolver.ResolverStrategy):
    """Inputs: ``STATISTICS`` of this run; all statistics as ``BASELINE`` and as ``ACCEPTED``; all ``CLEARANCE``."""

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Return at most one artifact under ``BASELINE`` and ``ACCEPTED``; None if this run has no statistics."""
        if not input_dict.get(STATISTICS):
            return None
        [current] = input_dict[STATISTICS]
        earlier = span_artifacts.cleared_before(
            store, current, input_dict.get(BASELINE, []), input_dict.get(CLEARANCE, [])
        )
        accepted = [
            statistics
            for statistics in input_dict.get(ACCEPTED, [])
            if statistics.has_custom_property(artifact_files.ACCEPTED_AT)
            and span_artifacts.content_of(statistics) == span_artifacts.content_of(current)
        ]
        return {
            STATISTICS: [current],
            BASELINE: earlier[:1],
            ACCEPTED: sorted(accepted, key=lambda statistics: statistics.id)[:1],
            CLEARANCE: [],
        }
