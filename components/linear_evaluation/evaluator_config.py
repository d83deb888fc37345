"""What TFX's Evaluator measures on test: accuracy overall and per class, held against the Gate's thresholds."""

import json
from typing import TYPE_CHECKING

from components.contracts import records, signatures
from components.linear_evaluation.config import GateConfig

if TYPE_CHECKING:
    import tensorflow_model_analysis as tfma

# TFMA divides in float32, so 342 of 360 right come out below 0.95; the Gate decides such cases exactly.
_ROUNDING = 1e-6

ACCURACY_METRIC = "accuracy"
EXAMPLE_COUNT_METRIC = "example_count"


def eval_config(config: GateConfig) -> "tfma.EvalConfig":
    """The Evaluator's configuration.

    Labels are strings and stay so: TFMA finds them in the model's output ``classes`` and takes the score beside it
    (``SparseCategoricalAccuracy`` over ``classes`` and ``scores``).

    Args:
        config: ``min_accuracy`` becomes the value threshold, ``min_improvement`` the change threshold, which TFX drops
            where there is no baseline, and ``min_class_recall`` a value threshold on each class. TFMA lets a tie pass
            as an improvement; the Gate does not.
    """
    import tensorflow_model_analysis as tfma

    # Thresholds without a slice would hold for each class too; these are about all test images together.
    thresholds = [
        tfma.PerSliceMetricThreshold(
            slicing_specs=[tfma.SlicingSpec()],
            threshold=tfma.MetricThreshold(
                value_threshold=tfma.GenericValueThreshold(lower_bound={"value": config.min_accuracy - _ROUNDING}),
                change_threshold=tfma.GenericChangeThreshold(
                    direction="HIGHER_IS_BETTER",  # by name: newer TFMA does not export the enum
                    absolute={"value": config.min_improvement - _ROUNDING},
                ),
            ),
        )
    ]
    if config.min_class_recall is not None:
        floor = tfma.GenericValueThreshold(lower_bound={"value": config.min_class_recall - _ROUNDING})
        thresholds.append(
            tfma.PerSliceMetricThreshold(
                slicing_specs=[tfma.SlicingSpec(feature_keys=[records.LABEL])],
                threshold=tfma.MetricThreshold(value_threshold=floor),
            )
        )
    accuracy = tfma.MetricConfig(
        class_name="SparseCategoricalAccuracy",
        config=json.dumps({"name": ACCURACY_METRIC}),
        per_slice_thresholds=thresholds,
    )
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name=signatures.CLASSIFY, label_key=records.LABEL)],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=[records.LABEL])],
        metrics_specs=[tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name="ExampleCount"), accuracy])],
    )
