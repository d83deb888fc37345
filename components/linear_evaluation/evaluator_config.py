"""What TFX's Evaluator measures on test: accuracy overall and per class, compared with the Gate's thresholds."""

import json
from typing import TYPE_CHECKING

from components.contracts import records, signatures
from components.linear_evaluation.config import GateConfig

if TYPE_CHECKING:
    from tensorflow_model_analysis.proto import config_pb2

# TFMA divides in float32, so 342 of 360 right give less than 0.95; the Gate decides such cases exactly.
_ROUNDING = 1e-6

ACCURACY_METRIC = "accuracy"
EXAMPLE_COUNT_METRIC = "example_count"


def eval_config(config: GateConfig) -> "config_pb2.EvalConfig":
    """The Evaluator's configuration.

    Labels stay strings: TFMA finds them in the model's output ``classes`` and takes the score at the same index of
    ``scores`` (``SparseCategoricalAccuracy``).

    Args:
        config: ``min_accuracy`` becomes the value threshold, ``min_improvement`` the change threshold, which TFX drops
            if there is no baseline, and ``min_class_recall`` a value threshold on each class. For TFMA an equal
            accuracy is an improvement; for the Gate it is not.
    """
    # TFMA's own top level does not export all of these in every version.
    from tensorflow_model_analysis.proto import config_pb2

    # A threshold without a slice would apply to each class too; these apply to all test images together.
    thresholds = [
        config_pb2.PerSliceMetricThreshold(
            slicing_specs=[config_pb2.SlicingSpec()],
            threshold=config_pb2.MetricThreshold(
                value_threshold=config_pb2.GenericValueThreshold(
                    lower_bound={"value": config.min_accuracy - _ROUNDING}
                ),
                change_threshold=config_pb2.GenericChangeThreshold(
                    direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
                    absolute={"value": config.min_improvement - _ROUNDING},
                ),
            ),
        )
    ]
    if config.min_class_recall is not None:
        floor = config_pb2.GenericValueThreshold(lower_bound={"value": config.min_class_recall - _ROUNDING})
        thresholds.append(
            config_pb2.PerSliceMetricThreshold(
                slicing_specs=[config_pb2.SlicingSpec(feature_keys=[records.LABEL])],
                threshold=config_pb2.MetricThreshold(value_threshold=floor),
            )
        )
    accuracy = config_pb2.MetricConfig(
        class_name="SparseCategoricalAccuracy",
        config=json.dumps({"name": ACCURACY_METRIC}),
        per_slice_thresholds=thresholds,
    )
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(signature_name=signatures.CLASSIFY, label_key=records.LABEL)],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=[records.LABEL])],
        metrics_specs=[config_pb2.MetricsSpec(metrics=[config_pb2.MetricConfig(class_name="ExampleCount"), accuracy])],
    )
