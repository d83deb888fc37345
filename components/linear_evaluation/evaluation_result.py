"""The metrics of TFX's Evaluator, read back with TFMA's own functions."""

import dataclasses
from typing import TYPE_CHECKING

from components.contracts import records
from components.linear_evaluation.evaluator_config import ACCURACY_METRIC, EXAMPLE_COUNT_METRIC

if TYPE_CHECKING:
    from tensorflow_model_analysis import EvalResult
    from tensorflow_model_analysis.proto import validation_result_pb2

# Names that TFX gives the two models if there is a baseline; without a baseline the candidate has no name.
_CANDIDATE_NAME = "candidate"
_BASELINE_NAME = "baseline"


@dataclasses.dataclass(frozen=True)
class EvaluationResult:
    """TFMA's numbers on the test split."""

    accuracy: float
    images: int
    class_recall: dict[str, float]  # by class name
    model_location: str  # the SavedModel that was evaluated
    baseline_accuracy: float | None  # None: no baseline was evaluated
    baseline_location: str | None
    value_failures: tuple[str, ...]  # value thresholds that TFMA reports as missed
    change_failures: tuple[str, ...]  # change thresholds that TFMA reports as missed


def read_evaluation(evaluation_dir: str) -> EvaluationResult:
    """Load metrics and validations.

    Args:
        evaluation_dir: URI of a ModelEvaluation artifact.

    Raises:
        ValueError: there is no validation, or a metric is missing.
        Exception: TFMA's own errors for files that are missing or cannot be read.
    """
    import tensorflow_model_analysis as tfma

    validation = tfma.load_validation_result(evaluation_dir)
    if validation is None or not validation.validation_details.slicing_details:
        raise ValueError(f"{evaluation_dir} holds no validation of thresholds")
    value_failures, change_failures = _failures(validation)
    result = tfma.load_eval_result(evaluation_dir)
    has_baseline = any(spec.is_baseline for spec in result.config.model_specs)
    if has_baseline:  # without a name, the location in the result may be that of either model
        result = tfma.load_eval_result(evaluation_dir, model_name=_CANDIDATE_NAME)
    metrics = _metrics_by_slice(result)
    overall = metrics.get((), {})
    if ACCURACY_METRIC not in overall or EXAMPLE_COUNT_METRIC not in overall:
        raise ValueError(f"{evaluation_dir} holds no accuracy over all test images; found {sorted(overall)}")
    baseline_accuracy = baseline_location = None
    if has_baseline:
        baseline = tfma.load_eval_result(evaluation_dir, model_name=_BASELINE_NAME)
        baseline_accuracy = exact_accuracy(_metrics_by_slice(baseline)[()])
        baseline_location = baseline.model_location
    return EvaluationResult(
        accuracy=exact_accuracy(overall),
        images=round(overall[EXAMPLE_COUNT_METRIC]),
        class_recall={
            str(key[0][1]): exact_accuracy(found)
            for key, found in metrics.items()
            if key and key[0][0] == records.LABEL
        },
        model_location=result.model_location,
        baseline_accuracy=baseline_accuracy,
        baseline_location=baseline_location,
        value_failures=value_failures,
        change_failures=change_failures,
    )


def exact_accuracy(metrics: dict[str, float]) -> float:
    """Accuracy of a slice as an exact fraction of its images; TFMA itself divides in float32."""
    images = metrics[EXAMPLE_COUNT_METRIC]
    return round(metrics[ACCURACY_METRIC] * images) / images


def _metrics_by_slice(result: "EvalResult") -> dict[tuple, dict[str, float]]:
    """Metric values by slice key, such as ``()`` or ``(("label", "cat"),)``."""
    return {
        key: {name: found["doubleValue"] for name, found in metrics[""][""].items() if "doubleValue" in found}
        for key, metrics in result.slicing_metrics
    }


def _failures(validation: "validation_result_pb2.ValidationResult") -> tuple[tuple[str, ...], tuple[str, ...]]:
    value_failures: list[str] = []
    change_failures: list[str] = []
    for part in validation.metric_validations_per_slice:
        where = ", ".join(f"{item.column} {item.bytes_value.decode()}" for item in part.slice_key.single_slice_keys)
        for failure in part.failures:
            text = f"{failure.metric_key.name} {failure.metric_value.double_value.value:.4f}"
            text += f" of {where}" if where else ""
            is_change = failure.metric_threshold.HasField("change_threshold")
            (change_failures if is_change else value_failures).append(text)
    if not validation.validation_ok and not value_failures and not change_failures:
        value_failures.append("TFMA reports a failed validation without naming a threshold")
    return tuple(value_failures), tuple(change_failures)
