"""Which spans are trained on: the one of this run and those before it that the AnomalyGate let pass."""

import logging

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from components.contracts import artifacts, span_artifacts

_logger = logging.getLogger(__name__)

CURRENT = "current"
EXAMPLES = "examples"
CLEARANCE = "clearance"


class SpansInWindow(resolver.ResolverStrategy):
    """Inputs: ``CURRENT``, the Examples of this run; all ``EXAMPLES`` and all ``CLEARANCE`` there are.

    For each span, the Examples that a run gave out last count. Examples of other steps, other data roots or other
    settings of ingestion belong to other series. TFX's RollingRange would not do: it counts span numbers, and finds all
    versions of a span.
    """

    def __init__(self, spans: int):
        self._spans = spans

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Return at most ``spans`` artifacts under ``EXAMPLES``, latest span first; None if this run has none."""
        if not input_dict.get(CURRENT):
            return None
        [current] = input_dict[CURRENT]
        earlier = span_artifacts.cleared_before(
            store, current, input_dict.get(EXAMPLES, []), input_dict.get(CLEARANCE, [])
        )
        chosen = [current, *earlier[: self._spans - 1]]
        _logger.info("SpansInWindow: spans %s", [artifacts.data_span(examples) for examples in chosen])
        return {CURRENT: [current], EXAMPLES: chosen, CLEARANCE: []}
