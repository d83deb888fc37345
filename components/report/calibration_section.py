"""Whether the classifier is right as often as it is sure: a reliability chart, its error and its numbers."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from components.contracts import evidence
from components.report.charts import Series, line_chart
from components.report.scales import interval_text, percent


def reliability_chart(probe: Mapping[str, Any]) -> Markup:
    """The encoder's accuracy over confidence, in bins of equally many test images, beside the diagonal."""
    bins = probe[evidence.FEATURES][evidence.ENCODER][evidence.CALIBRATION][evidence.BINS]
    points = tuple((100 * part[evidence.MEAN_CONFIDENCE], 100 * part[evidence.ACCURACY]) for part in bins)
    spans = tuple(tuple(100 * bound for bound in part[evidence.ACCURACY_INTERVAL]) for part in bins)
    ends = min(points)[0], max(points)[0]
    return line_chart(
        "Accuracy by confidence",
        [
            Series("as sure as right", tuple((end, end) for end in ends), is_reference=True),
            Series("test", points, 0, spans),
        ],
        x_label="confidence, %",
        y_label="accuracy, %",
    )


def calibration_error(probe: Mapping[str, Any]) -> str:
    """With its interval, in percentage points."""
    found = probe[evidence.FEATURES][evidence.ENCODER][evidence.CALIBRATION]
    low, high = (100 * bound for bound in found[evidence.CALIBRATION_ERROR_INTERVAL])
    return f"{100 * found[evidence.CALIBRATION_ERROR]:.2f} points ({low:.2f} to {high:.2f})"


def calibration_rows(probe: Mapping[str, Any]) -> list[list[str]]:
    """The numbers of ``reliability_chart``: images, confidence, accuracy, interval."""
    return [
        [
            f"{part[evidence.IMAGES]:,}",
            percent(part[evidence.MEAN_CONFIDENCE], 2),
            percent(part[evidence.ACCURACY], 2),
            interval_text(part[evidence.ACCURACY_INTERVAL]),
        ]
        for part in probe[evidence.FEATURES][evidence.ENCODER][evidence.CALIBRATION][evidence.BINS]
    ]
