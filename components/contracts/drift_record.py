"""``drift.json`` (artifact_files.DRIFT_FILE): how the splits of a span differ from those of the span before."""

import enum

from components.contracts.configuration import configuration
from components.contracts.record_files import record


class Measure(str, enum.Enum):
    """How two distributions are compared."""

    LABEL_SHARE = "largest change of a class's share"
    DIVERGENCE = "Jensen-Shannon divergence"


@configuration
class Comparison:
    """One feature of one split beside what it was in the span before."""

    split: str
    feature: str
    measure: Measure
    distance: float  # 0 to 1
    limit: float  # likewise
    before: str  # what was measured in the span before, in words
    now: str

    @property
    def has_drifted(self) -> bool:
        """Whether the distance is above its limit."""
        return self.distance > self.limit


@record(version=1)
class DriftRecord:
    """All comparisons of a span; one above its limit stops the run unless a person accepted the new data."""

    span: int | None  # of the new data; None if it has no spans
    baseline_span: int | None  # None if there is nothing to compare with
    is_accepted: bool  # whether a person accepted the new data as it is
    notes: tuple[str, ...]  # sentences: what was not compared, and why
    comparisons: tuple[Comparison, ...]
