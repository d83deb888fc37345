"""Whether the classifier's confidence can be trusted: a reliability chart, its error and its numbers."""

from markupsafe import Markup

from components.contracts.evidence import Calibration
from components.report.charts import Series, line_chart
from components.report.scales import interval_text, percent


def reliability_chart(calibration: Calibration) -> Markup:
    """Accuracy over confidence, in bins of equally many test images, beside the diagonal."""
    points = tuple((100 * part.mean_confidence, 100 * part.accuracy) for part in calibration.bins)
    intervals = [part.accuracy_interval for part in calibration.bins]
    spans = tuple((100 * low, 100 * high) for low, high in intervals)
    ends = min(points)[0], max(points)[0]
    return line_chart(
        "Accuracy by confidence",
        [
            Series("ideal", tuple((end, end) for end in ends), is_reference=True),
            Series("test", points, 0, spans),
        ],
        x_label="confidence, %",
        y_label="accuracy, %",
    )


def calibration_error(calibration: Calibration) -> str:
    """The expected calibration error with its interval, in percentage points."""
    low, high = (100 * bound for bound in calibration.expected_calibration_error_interval)
    return f"{100 * calibration.expected_calibration_error:.2f} points ({low:.2f} to {high:.2f})"


def calibration_rows(calibration: Calibration) -> list[list[str]]:
    """The numbers of ``reliability_chart``: images, confidence, accuracy, interval."""
    return [
        [
            f"{part.images:,}",
            percent(part.mean_confidence, 2),
            percent(part.accuracy, 2),
            interval_text(part.accuracy_interval),
        ]
        for part in calibration.bins
    ]
