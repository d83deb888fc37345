"""What the workers report to the process that started the ingestion: parts of an ``Outcome``, which the last step adds.

A worker reports to the tagged output ``reports``. Refusals are staged first, because their number grows with the data.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Literal

from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from components.contracts.record_files import write_record
from components.ingestion.decoding.refusals import Refusal
from components.ingestion.outcome import Outcome, add_outcomes
from components.ingestion.staging import StagingWriter
from components.ingestion.work_order import NAMESPACE

Report = TaggedOutput[Literal["reports"], Outcome]


def report(part: Outcome) -> Report:
    """Send ``part`` to the output ``reports``."""
    return TaggedOutput("reports", part)


def report_refusals(refusals: Iterable[Refusal], writer: StagingWriter) -> Iterator[Report]:
    """Count refusals by reason, stage their lines, and report where these are; no report without refusals."""
    lines = []
    for refusal in refusals:
        Metrics.counter(NAMESPACE, f"refused_{refusal.reason}").inc()
        lines.append(json.dumps(refusal) + "\n")
    if lines:
        yield report(Outcome(refusals=(writer.append("".join(lines).encode()),)))


def write_outcome(reports: Iterable[Outcome], path: str) -> None:
    """Write the sum of all reports to ``path``; a second attempt replaces it by the same."""
    write_record(path, add_outcomes(reports))
