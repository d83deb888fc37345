"""TFMA's configuration; test_component.py reads its results."""

import pytest

from components.linear_evaluation.config import GateConfig
from components.linear_evaluation.evaluator_config import eval_config


def thresholds(config: GateConfig) -> list[tuple]:
    """Slices, lower bound and change of each threshold on the accuracy."""
    _, accuracy = eval_config(config).metrics_specs[0].metrics
    return [
        (
            [list(spec.feature_keys) for spec in entry.slicing_specs],
            entry.threshold.value_threshold.lower_bound.value,
            entry.threshold.change_threshold.absolute.value,
        )
        for entry in accuracy.per_slice_thresholds
    ]


def test_the_gates_thresholds_hold_over_all_images_and_for_each_class():
    overall, classes = thresholds(GateConfig(min_accuracy=0.8, min_improvement=0.02, min_class_recall=0.3))
    assert overall == ([[]], pytest.approx(0.8, abs=2e-6), pytest.approx(0.02, abs=2e-6))
    assert classes == ([["label"]], pytest.approx(0.3, abs=2e-6), 0)
    assert len(thresholds(GateConfig())) == 1


def test_the_signature_that_maps_string_labels_is_asked():
    config = eval_config(GateConfig())
    assert (config.model_specs[0].signature_name, config.model_specs[0].label_key) == ("classify", "label")
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["label"]]
    accuracy = config.metrics_specs[0].metrics[1]
    assert accuracy.per_slice_thresholds[0].threshold.change_threshold.direction == 2  # higher is better
